"""Which suite libraries come from, and what happens where a mirror is not whole."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf
from tests.build.sysroot.test_found import NO_SETTINGS, TRIPLET, fill, linux, world_of
from tests.support.debian import NOW, Member, SmallArchive

from crossdock.build.sysroot import find_sysroot
from crossdock.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.net.debian.sources import Archive

FIXED = "13.16-0+deb11u2"


@pytest.fixture
def archives(tmp_path: Path) -> Iterator[dict[str, SmallArchive]]:
    """Bullseye with its security fixes, and bookworm, each with libpq."""
    with (
        SmallArchive(tmp_path / "main", suite="bullseye", architecture="arm64") as main,
        SmallArchive(tmp_path / "fixes", suite="bullseye-security", architecture="arm64") as fixes,
        SmallArchive(tmp_path / "next", suite="bookworm", architecture="arm64") as later,
    ):
        fill(main)
        fill(fixes, FIXED)
        fill(later, "15.9-0+deb12u1")
        later.add("libnew-dev", Member("usr/include/new.h", b""))
        for one in (main, fixes, later):
            one.publish()
        yield {"main": main, "fixes": fixes, "next": later}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def world(tmp_path: Path, archives: dict[str, SmallArchive], said: list[str]) -> World:
    def of_suite(suite: str) -> list[Archive]:
        named = {"bullseye": ["main", "fixes"], "bookworm": ["next"]}
        return [archives[name].archive for name in named.get(suite, [])]

    return world_of(tmp_path, of_suite, warn=said.append)


def detail(world: World, name: str = "psycopg2", **settings: object) -> str:
    sysroot = find_sysroot(name, linux(), replace(NO_SETTINGS, **settings), world)  # type: ignore[arg-type]
    assert sysroot is not None
    return sysroot.detail


def test_security_fixes_are_taken(world: World, said: list[str]) -> None:
    assert detail(world) == f"Debian bullseye arm64: libpq-dev {FIXED}"
    assert said == []


def test_a_release_that_is_asked_for_is_taken(world: World) -> None:
    sysroot = find_sysroot("psycopg2", linux(), replace(NO_SETTINGS, release="bookworm"), world)
    assert sysroot is not None
    assert sysroot.detail == "Debian bookworm arm64: libpq-dev 15.9-0+deb12u1"
    assert sysroot.floor == (2, 36)


def test_a_list_of_fixes_that_is_not_what_its_release_says_is_done_without(
    world: World, archives: dict[str, SmallArchive], said: list[str]
) -> None:
    for path in archives["fixes"].root.rglob("Packages*"):
        path.write_bytes(b"of yesterday")
    for path in archives["fixes"].root.rglob("by-hash/SHA256/*"):
        path.unlink()
    assert detail(world) == "Debian bullseye arm64: libpq-dev 13.16-0+deb11u1"
    assert len(said) == 1
    assert "without these fixes" in said[0]
    asked = len(archives["fixes"].asked)
    assert "libssl1.1" in detail(world, "other", libraries=("libssl1.1",))
    # Not tried again the same day.
    assert len(archives["fixes"].asked) == asked


def test_fixes_whose_files_are_gone_are_done_without(
    world: World, archives: dict[str, SmallArchive], said: list[str]
) -> None:
    for path in archives["fixes"].root.rglob("*.deb"):
        path.unlink()
    assert detail(world) == "Debian bullseye arm64: libpq-dev 13.16-0+deb11u1"
    assert len(said) == 1
    assert "lacks packages" in said[0]


def test_a_package_that_is_gone_from_the_archive_itself_is_told(
    world: World, archives: dict[str, SmallArchive]
) -> None:
    for name in ("main", "fixes"):
        for path in archives[name].root.rglob("*.deb"):
            path.unlink()
    with pytest.raises(FetchError) as caught:
        detail(world)
    assert caught.value.code == "E-DEBIAN-GONE"


def test_an_answer_of_this_morning_is_looked_up_again_when_its_files_are_gone(
    world: World, archives: dict[str, SmallArchive], tmp_path: Path, said: list[str]
) -> None:
    fresh = world_of(tmp_path / "b", world.archives, warn=said.append)
    detail(fresh)
    fixes = archives["fixes"]
    for path in fixes.root.rglob("*.deb"):
        path.unlink()
    fixes.stanzas.clear()
    fill(fixes, "13.16-0+deb11u3")
    fixes.publish()
    for digest in {one for one in (fresh.store.root / "blobs").rglob("*") if one.is_file()}:
        digest.unlink()
    for kind in (fresh.store.root / "trees").rglob("*.json"):
        kind.unlink()
    assert detail(replace(fresh, now=NOW + 60)).endswith("13.16-0+deb11u3")
    assert said == []


def test_what_the_oldest_suite_does_not_have_comes_from_the_next(world: World, said: list[str]) -> None:
    assert detail(world, "other", libraries=("libnew-dev",)).startswith("Debian bookworm arm64")
    assert len(said) == 1
    assert re.search(r"`bullseye` cannot give libnew-dev .* glibc 2\.36", said[0])


def test_what_no_suite_has_is_told(world: World) -> None:
    with pytest.raises(FetchError):
        detail(world, "other", libraries=("libnowhere-dev",))


def test_libraries_that_a_package_does_without_raise_no_floor(
    world: World, archives: dict[str, SmallArchive], said: list[str]
) -> None:
    asking = elf(soname="libyaml.so.0", versions={"libc.so.6": {"GLIBC_2.30": ("gettid",)}})
    main = archives["main"]
    main.add("libyaml-dev", Member(f"usr/lib/{TRIPLET}/libyaml-0.so.2", asking))
    main.publish()
    assert find_sysroot("pyyaml", linux("linux-aarch64-glibc2.31"), NO_SETTINGS, world) is not None
    assert find_sysroot("pyyaml", linux(), NO_SETTINGS, world) is None
    assert "they ask for glibc 2.30, the target has 2.28" in said[-1]
    # What the settings say is taken nevertheless.
    assert detail(world, "pyyaml", libraries=("libssl1.1",)).endswith("libssl1.1 1")


def test_libraries_that_a_package_does_without_come_from_no_newer_suite(
    world: World, archives: dict[str, SmallArchive], said: list[str]
) -> None:
    archives["next"].add("libyaml-dev", Member("usr/include/yaml.h", b""))
    archives["next"].publish()
    assert find_sysroot("pyyaml", linux(), NO_SETTINGS, world) is None
    assert "there is no package `libyaml-dev`" in said[-1]


def test_without_any_archive_a_package_that_can_is_built_without(tmp_path: Path, said: list[str]) -> None:
    world = world_of(tmp_path, lambda _suite: [], warn=said.append)
    assert find_sysroot("pyyaml", linux(), NO_SETTINGS, world) is None
    assert "libyaml-dev" in said[-1]
    with pytest.raises(FetchError) as caught:
        find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    assert caught.value.code == "E-DEBIAN-ARCHIVE"
