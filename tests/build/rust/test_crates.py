"""Crates fetched by a real cargo, which needs no network where there are none to fetch."""

from __future__ import annotations

import os
import tomllib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.build.rust.crates import Vendored, vendor_crates
from crossdock.build.rust.installed import installed_rust
from crossdock.build.rust.manifests import Crates
from crossdock.errors import BuildError, FetchError
from crossdock.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = '[package]\nname = "alone"\nversion = "1.0.0"\nedition = "2021"\n'
LOCK = 'version = 3\n\n[[package]]\nname = "alone"\nversion = "1.0.0"\n'


def world(tmp_path: Path, *, online: bool = True) -> Any:
    def http() -> None:
        if not online:
            raise FetchError("offline", code="E-FETCH-OFFLINE")

    return SimpleNamespace(
        store=Store.open(tmp_path / "store", warn=pytest.fail),
        tools=SimpleNamespace(uv_environ={"PATH": os.defpath, "HOME": str(tmp_path)}),
        http=http,
        warn=lambda _text: None,
        allow_unsandboxed=True,
    )


def project(tmp_path: Path, **more: str) -> Path:
    place = tmp_path / "project"
    for name, text in {"Cargo.toml": MANIFEST, "src/lib.rs": "", **more}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def vendored(tmp_path: Path, place: Path, outside: Any) -> Vendored:
    found = installed_rust(os.environ)
    if found is None:
        pytest.skip("no cargo of rustup's is on the PATH")
    crates = Crates(roots=(place,), at_least=(), own_sources=False)
    scratch = tmp_path / f"scratch{len(list(tmp_path.iterdir()))}"
    scratch.mkdir()
    return vendor_crates(crates, place, found.directory, outside, scratch=scratch, log=tmp_path / "log")


def test_a_locked_project_is_fetched_once_and_told_where_its_crates_are(tmp_path: Path) -> None:
    place = project(tmp_path, **{"Cargo.lock": LOCK})
    first = vendored(tmp_path, place, world(tmp_path))
    assert first.pinned
    assert first.directory.is_dir()
    assert tomllib.loads(first.settings("/crates")) == {"net": {"offline": True}}
    # cargo wrote the lock in its own words; the next build unpacks the project anew.
    (place / "Cargo.lock").write_text(LOCK)
    again = vendored(tmp_path, place, world(tmp_path, online=False))
    assert again == first


def test_a_lock_leads_to_no_crates_that_other_manifests_had_fetched(tmp_path: Path) -> None:
    """cargo changes a stale lock as the manifests say: what one project had fetched so is not another's."""
    other = "[package]\nname = 'other'\nversion = '9.0.0'\n"
    hostile = MANIFEST + "[dependencies]\nother = { path = 'other' }\n"
    files = {"Cargo.lock": LOCK, "Cargo.toml": hostile, "other/Cargo.toml": other, "other/src/lib.rs": ""}
    first = vendored(tmp_path, project(tmp_path, **files), world(tmp_path))
    assert 'name = "other"' in (tmp_path / "project" / "Cargo.lock").read_text()
    (tmp_path / "project").rename(tmp_path / "hostile")
    place = project(tmp_path, **{"Cargo.lock": LOCK})
    second = vendored(tmp_path, place, world(tmp_path))
    assert 'name = "other"' not in (place / "Cargo.lock").read_text()
    assert second.directory != first.directory
    # A manifest of a member decides too.
    (place / "Cargo.lock").write_text(LOCK)
    (place / "member").mkdir()
    (place / "member" / "Cargo.toml").write_text(other)
    assert vendored(tmp_path, place, world(tmp_path)).directory != second.directory


def test_a_project_without_a_lock_gets_one(tmp_path: Path) -> None:
    place = project(tmp_path)
    found = vendored(tmp_path, place, world(tmp_path))
    assert not found.pinned
    assert 'name = "alone"' in (place / "Cargo.lock").read_text()


def test_a_projects_settings_of_cargo_are_not_read(tmp_path: Path) -> None:
    # They can name programs: rustc-wrapper, git, credential providers. These are none that cargo could read.
    files = {
        "Cargo.lock": LOCK,
        ".cargo/config.toml": "[net\n",
        "rust-toolchain.toml": "[toolchain\n",
    }
    place = project(tmp_path, **files)
    vendored(tmp_path, place, world(tmp_path))
    assert (place / ".cargo" / "config.toml").is_file()


def test_offline_without_the_crates_is_said(tmp_path: Path) -> None:
    place = project(tmp_path, **{"Cargo.lock": LOCK})
    with pytest.raises(BuildError, match="not in the store") as caught:
        vendored(tmp_path, place, world(tmp_path, online=False))
    assert caught.value.code == "E-BUILD-CRATES"


def test_a_manifest_that_cargo_refuses_gives_its_words(tmp_path: Path) -> None:
    place = project(tmp_path, **{"Cargo.lock": LOCK, "Cargo.toml": MANIFEST.replace("2021", "1999")})
    with pytest.raises(BuildError) as caught:
        vendored(tmp_path, place, world(tmp_path))
    assert caught.value.code == "E-BUILD-CRATES"
    assert any("1999" in line for line in caught.value.places)


def test_git_sources_lead_to_the_same_directory() -> None:
    from pathlib import Path

    sources = {
        "crates-io": {"replace-with": "vendored-sources"},
        "git+https://example.org/x?rev=1": {
            "git": "https://example.org/x",
            "rev": "1",
            "replace-with": "vendored-sources",
        },
        "vendored-sources": {"directory": "/somewhere"},
    }
    found = Vendored(directory=Path("/x"), sources=sources, digest="", pinned=True)
    told = tomllib.loads(found.settings("/crates"))["source"]
    assert told == {**sources, "vendored-sources": {"directory": "/crates"}}
