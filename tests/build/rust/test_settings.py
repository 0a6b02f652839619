"""What of the user's settings of cargo a fetch sees."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.build.rust.settings import (
    cargo_settings,
    certificates,
    filtered_settings,
    network_variables,
    toml,
)

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[source.crates-io]
replace-with = "mirror"
[source.mirror]
registry = "sparse+https://crates.example.org/index/"
[registries.own]
index = "sparse+https://own.example.org/index/"
token = "SECRET"
credential-provider = ["/bin/steal"]
[registry]
token = "SECRET"
default = "own"
[http]
proxy = "proxy.example.org:3128"
cainfo = "/somewhere/ca.pem"
[build]
rustc-wrapper = "/bin/steal"
rustflags = ["-Ctarget-cpu=native"]
[target.aarch64-unknown-linux-gnu]
linker = "/bin/steal"
[net]
git-fetch-with-cli = true
retry = 5
[env]
TOKEN = "SECRET"
"""


def test_sources_stay_and_secrets_and_programs_go(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(SETTINGS)
    found = cargo_settings({"CARGO_HOME": str(tmp_path)}, pytest.fail)
    assert found == {
        "source": {
            "crates-io": {"replace-with": "mirror"},
            "mirror": {"registry": "sparse+https://crates.example.org/index/"},
        },
        "registries": {"own": {"index": "sparse+https://own.example.org/index/"}},
        "registry": {"default": "own"},
        "http": {"proxy": "proxy.example.org:3128"},
        "net": {"retry": 5},
    }
    assert tomllib.loads(toml(found)) == found


def test_a_password_in_a_url_is_left_out_with_a_word() -> None:
    told: list[str] = []
    found = filtered_settings(
        {"registries": {"own": {"index": "sparse+https://me:SECRET@example.org/"}}}, told.append
    )
    assert found == {"registries": {"own": {}}}
    assert len(told) == 1
    assert "registries.own.index" in told[0]
    assert "SECRET" not in told[0]


def test_the_settings_lie_in_the_home_by_default_and_may_be_missing_or_broken(tmp_path: Path) -> None:
    assert cargo_settings({"HOME": str(tmp_path)}, pytest.fail) == {}
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("[net]\nretry = 3\n")
    assert cargo_settings({"HOME": str(tmp_path)}, pytest.fail) == {"net": {"retry": 3}}
    (tmp_path / ".cargo" / "config.toml").write_text("[net\n")
    told: list[str] = []
    assert cargo_settings({"HOME": str(tmp_path)}, told.append) == {}
    assert "cannot be read" in told[0]


def test_variables_that_reach_the_network_pass_and_tokens_do_not() -> None:
    environ = {
        "CARGO_REGISTRIES_OWN_INDEX": "sparse+https://own.example.org/",
        "CARGO_REGISTRIES_OWN_TOKEN": "SECRET",
        "CARGO_REGISTRY_TOKEN": "SECRET",
        "CARGO_HTTP_TIMEOUT": "60",
        "CARGO_BUILD_RUSTC_WRAPPER": "/bin/steal",
        "HTTPS_PROXY": "http://proxy.example.org",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "RUSTFLAGS": "-Ctarget-cpu=native",
    }
    assert sorted(network_variables(environ)) == [
        "CARGO_HTTP_TIMEOUT",
        "CARGO_REGISTRIES_OWN_INDEX",
        "HTTPS_PROXY",
    ]


def test_certificates_are_the_first_file_that_there_is(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("x")
    missing = str(tmp_path / "missing.pem")
    assert certificates({"CARGO_HTTP_CAINFO": missing, "SSL_CERT_FILE": str(file)}) == file
    assert certificates({"SSL_CERT_FILE": missing}) is None


def test_tables_are_written_as_toml() -> None:
    tables: dict[str, Any] = {
        "source": {'git+https://example.org/a"b': {"git": "https://example.org/a", "rev": "1"}},
        "net": {"offline": True, "retry": 2},
    }
    assert tomllib.loads(toml(tables)) == tables
