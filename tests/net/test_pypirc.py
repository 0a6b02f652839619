"""Where uploads go: sections of .pypirc, and that of the public index, which need not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.cli.mirror_publish import _public_index
from crossdock.errors import UsageError
from crossdock.net.pypirc import find_repository, simple_urls, upload_url
from crossdock.net.url import Login

if TYPE_CHECKING:
    from pathlib import Path

SIMPLE = "https://index.example.com/simple"


def nobody() -> str:
    pytest.fail("the public index was asked for")


@pytest.mark.parametrize("simple", [SIMPLE, f"{SIMPLE}/"])
def test_the_public_index_need_not_be_named(tmp_path: Path, simple: str) -> None:
    (tmp_path / ".pypirc").write_text("[pypi]\nusername = __token__\npassword = secret\n")
    found = find_repository("pypi", {"HOME": str(tmp_path)}, public=lambda: simple)
    assert found.url == "https://upload.index.example.com/legacy/"
    assert found.login == Login("__token__", "secret")
    # And it is read again where it was written.
    assert simple_urls(found.url) == (f"{SIMPLE}/",)


def test_a_repository_that_is_named_counts(tmp_path: Path) -> None:
    (tmp_path / ".pypirc").write_text("[pypi]\nrepository = https://packages.example.com/\n")
    found = find_repository("pypi", {"HOME": str(tmp_path)}, public=nobody)
    assert found.url == "https://packages.example.com/"


@pytest.mark.parametrize(
    "simple",
    [
        "http://index.example.com/simple",
        "https://a:b@index.example.com/simple",
        "https://x.example.com/pypi/simple",
        "",
    ],
)
def test_no_login_goes_to_an_address_that_is_a_guess(tmp_path: Path, simple: str) -> None:
    (tmp_path / ".pypirc").write_text("[pypi]\npassword = secret\n")
    assert upload_url(simple) is None
    with pytest.raises(UsageError, match="no `repository`") as caught:
        find_repository("pypi", {"HOME": str(tmp_path)}, public=lambda: simple)
    assert caught.value.code == "E-UPLOAD-REPOSITORY"
    assert "repository = URL" in str(caught.value.hint)


def test_the_public_index_is_that_of_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mirror = "https://mirror.example.com/simple"
    (tmp_path / "uv.toml").write_text(f'[[index]]\nurl = "{mirror}"\ndefault = true\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_DEFAULT_INDEX", mirror)
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    found = _public_index()
    assert "mirror.example.com" not in found
    assert upload_url(found) is not None
