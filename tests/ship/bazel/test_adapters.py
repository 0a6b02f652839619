"""What is written for other rule sets, read by those rule sets' own formats' readers."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.pylock import Pylock
from tests.ship.bazel.hubs import (
    INDEX,
    MUSL,
    NATIVE,
    PURE,
    WHEELHOUSE,
    calls,
    files,
    hub_of,
    served,
    wheel,
)

from crossdock.errors import UsageError
from crossdock.lock.uv import uv_executable

if TYPE_CHECKING:
    from pathlib import Path

# rules_pycross


def test_the_pylock_has_every_wheel_and_the_graph() -> None:
    found = files("rules_pycross")
    table = tomllib.loads(found["pylock.toml"])
    lock = Pylock.from_dict(table)
    by_name = {str(package.name): package for package in lock.packages}
    assert sorted(by_name) == ["also", "colour", "numlib", "web-app"]
    assert {one.name: (one.url, one.path) for one in by_name["numlib"].wheels or ()} == {
        NATIVE.filename: (f"{INDEX}/{NATIVE.filename}", None),
        MUSL.filename: (None, f"wheels/{MUSL.filename}"),
    }
    assert by_name["web-app"].marker is None
    assert "win32" in str(by_name["colour"].marker)
    assert "linux" not in str(by_name["colour"].marker)
    # rules_pycross goes by the marker of the edge; it is that of the entry, which PEP 751 finds by it.
    needs = {one["name"]: one["marker"] for one in by_name["web-app"].dependencies or ()}
    assert needs == {name: _raw(table, name)["marker"] for name in ("also", "colour", "numlib")}
    assert len(lock.environments or ()) == 4
    fragment = calls(found["rules_pycross.MODULE.bazel"])
    assert f'"//third_party/py:wheels/{MUSL.filename}",' in fragment
    assert NATIVE.filename not in fragment


def _raw(table: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in table["packages"] if one["name"] == name]
    return dict(found)


def test_edges_say_which_version_where_there_are_two() -> None:
    old, new = wheel("numlib", "b", version="1.0"), wheel("numlib", "c", version="2.0")
    of = hub_of(
        ("linux/arm64", 12, {"web-app": PURE, "numlib": old}),
        ("win_amd64", 12, {"web-app": PURE, "numlib": new}),
    )
    needs = {"web-app": ("numlib",)}
    of = replace(of, platforms=[replace(one, needs=needs) for one in of.platforms])
    table = tomllib.loads(files("rules_pycross", of=of)["pylock.toml"])
    lock = Pylock.from_dict(table)
    first, second = _raw(table, "web-app")["dependencies"]
    assert (first["version"], second["version"]) == ("1.0", "2.0")
    for edge in (first, second):
        (entry,) = [one for one in table["packages"] if all(one.get(key) == edge[key] for key in edge)]
        assert entry["name"] == "numlib"
    for platform, version in (("linux", "1.0"), ("win32", "2.0")):
        machine = {"linux": "aarch64", "win32": "AMD64"}[platform]
        environment = {
            "implementation_name": "cpython",
            "python_version": "3.12",
            "python_full_version": "3.12.1",
            "sys_platform": platform,
            "platform_machine": machine,
        }
        chosen = {
            str(one.name): str(one.version)
            for one in lock.packages
            if one.marker is None or one.marker.evaluate({**environment, "extra": ""})
        }
        assert chosen == {"numlib": version, "web-app": "1.0"}


def test_versions_that_only_the_libc_tells_apart_are_no_pylock() -> None:
    old, new = wheel("numlib", "b", version="1.0"), wheel("numlib", "c", version="2.0")
    of = hub_of(("linux/arm64", 12, {"numlib": old}), ("musllinux_1_2_aarch64", 12, {"numlib": new}))
    with pytest.raises(UsageError) as caught:
        files("rules_pycross", of=of)
    assert caught.value.code == "E-BAZEL-PYLOCK"
    assert "`numlib` is 1.0 for `linux/arm64` and 2.0 for `musllinux_1_2_aarch64`" in caught.value.message
    # One version of both is fine: each has its wheel.
    same = hub_of(("linux/arm64", 12, {"numlib": NATIVE}), ("musllinux_1_2_aarch64", 12, {"numlib": MUSL}))
    (entry,) = tomllib.loads(files("rules_pycross", of=same)["pylock.toml"])["packages"]
    assert len(entry["wheels"]) == 2
    assert "marker" not in entry


# rules_py

UV_LOCK = b"""version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "numlib"
version = "1.0"
source = { registry = "https://index.example.com/simple" }
sdist = { url = "https://index.example.com/files/numlib-1.0.tar.gz", hash = "sha256:%s", size = 5 }
%b
[[package]]
name = "service"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "numlib" },
]

[package.metadata]
requires-dist = [{ name = "numlib" }]
"""
WHEELS = b"""wheels = [
    { url = "https://index.example.com/files/numlib-1.0-py3-none-any.whl", hash = "sha256:%s", size = 6 },
]
"""


@pytest.mark.parametrize("wheels", [b"", WHEELS % (b"1" * 64)], ids=["an sdist alone", "wheels as well"])
def test_a_built_wheel_is_put_into_uv_lock_and_uv_reads_it(wheels: bytes, tmp_path: Path) -> None:
    before = UV_LOCK % (b"0" * 64, wheels)
    after = files("rules_py", of=served(), uv_lock=before)["uv.lock"]
    added = set(after.splitlines()) - set(before.decode().splitlines()) - {"wheels = ["}
    row = f'    {{ url = "{WHEELHOUSE}/{MUSL.filename}", hash = "sha256:{MUSL.sha256}", size = 100 }},'
    assert added == {row}
    (package,) = [one for one in tomllib.loads(after)["package"] if one["name"] == "numlib"]
    assert len(package["wheels"]) == (2 if wheels else 1)
    project = (
        '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.12"\ndependencies = ["numlib"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "uv.lock").write_text(after)
    done = subprocess.run(
        [uv_executable(), "export", "--frozen", "--offline", "--no-config", "--quiet"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"--hash=sha256:{MUSL.sha256}" in done.stdout


@pytest.mark.parametrize(
    "lock",
    [
        None,
        b"",
        b"not toml [",
        b"# caf\xe9\n" + UV_LOCK % (b"0" * 64, b""),
        (UV_LOCK % (b"0" * 64, b"")).replace(b'"numlib"', b'"another"'),
    ],
)
def test_a_uv_lock_without_the_package_is_refused(lock: bytes | None) -> None:
    with pytest.raises(UsageError) as caught:
        files("rules_py", of=served(), uv_lock=lock)
    assert caught.value.code == "E-BAZEL-UV-LOCK"


@pytest.mark.parametrize(
    ("name", "offline", "hint"),
    [
        ("rules_python", False, "--distdir"),
        ("rules_py", False, "--base-url"),
        ("rules_py", True, "--base-url"),
    ],
)
def test_what_was_built_needs_a_url(name: str, offline: bool, hint: str) -> None:
    lock = UV_LOCK % (b"0" * 64, b"")
    with pytest.raises(UsageError) as caught:
        files(name, offline=offline, uv_lock=lock)
    assert caught.value.code == "E-BAZEL-NO-URL"
    assert f"`{MUSL.filename}` was built here" in caught.value.message
    assert hint in str(caught.value.hint)
    # uv knows no distdir.
    assert ("--distdir" in str(caught.value.hint)) == (name == "rules_python")
    assert files(name, of=served(), offline=False, uv_lock=lock)


# Gazelle


def test_imports_of_all_platforms_are_mapped() -> None:
    found = files("gazelle")
    manifest = yaml.safe_load(found["gazelle_python.yaml"])["manifest"]
    assert manifest["modules_mapping"] == {
        "colour": "colour",
        "numlib": "numlib",
        "on": "colour",
        "web_app": "web_app",
    }
    assert manifest["pip_repository"] == {"name": "pypi"}
    # Which of two is right nobody can say: the other is named.
    assert "    # also in also\n    numlib: numlib\n" in found["gazelle_python.yaml"]
    assert "# gazelle:exclude third_party/py" in found["gazelle.BUILD.bazel.txt"]
