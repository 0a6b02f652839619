"""System libraries from a small archive of Debian packages, on loopback."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import NOW, Member, SmallArchive, link

from crossdock.build.model import PackageSettings, World
from crossdock.build.sysroot import find_sysroot
from crossdock.errors import BuildError, FetchError
from crossdock.net.http import Http
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.target.model import Target

TRIPLET = "aarch64-linux-gnu"
NO_SETTINGS = PackageSettings()


def linux(name: str = "linux-aarch64-glibc2.28") -> Target:
    return parse_target(f"cp311-{name}")


def fill(archive: SmallArchive, version: str = "13.16-0+deb11u1") -> None:
    archive.add("libc6", Member(f"lib/{TRIPLET}/libc.so.6", b"\x7fELF"))
    archive.add(
        "libssl1.1",
        Member(f"usr/lib/{TRIPLET}/libssl.so.1.1", b"\x7fELF ssl", mode=0o755),
        Member("usr/share/doc/libssl1.1/copyright", b"of ssl\n"),
        Member("usr/share/doc/libssl1.1/changelog.gz", b"x"),
        more="Source: openssl (1.1.1)\nDepends: libc6, debconf | debconf-2.0\n",
    )
    archive.add(
        "libpq5",
        Member(f"lib/{TRIPLET}/libpq.so.5.13", b"\x7fELF pq", mode=0o755),
        link(f"lib/{TRIPLET}/libpq.so.5", "libpq.so.5.13"),
        link("usr/share/doc/libpq5", "libpq-dev"),
        version=version,
        more="Depends: libssl1.1, libc6\n",
    )
    archive.add(
        "libpq-dev",
        Member("usr/include/postgresql/libpq-fe.h", b"int PQlibVersion(void);\n"),
        link(f"usr/lib/{TRIPLET}/libpq.so", f"/lib/{TRIPLET}/libpq.so.5.13"),
        link(f"usr/lib/{TRIPLET}/libgone.so", "/etc/alternatives/libgone.so"),
        Member(f"usr/lib/{TRIPLET}/libpq.la", b"libdir='/usr/lib'\n"),
        Member(f"usr/lib/{TRIPLET}/pkgconfig/libpq.pc", b"prefix=/usr\n"),
        Member("usr/bin/pg_config", b"\x7fELF", mode=0o755),
        Member("usr/bin/pq-config", b"#! /bin/sh\necho -lpq\n", mode=0o755),
        Member("usr/bin/ecpg-config", b"#!/usr/bin/perl\n", mode=0o755),
        Member("usr/bin/psql", b"\x7fELF", mode=0o755),
        Member("usr/share/doc/libpq-dev/copyright", b"of pq\n"),
        Member("usr/share/man/man1/pg_config.1.gz", b"x"),
        version=version,
        more=f"Source: postgresql-13\nDepends: libpq5 (= {version}), libc6-dev\n",
    )


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallArchive]:
    with SmallArchive(tmp_path / "archive", suite="bullseye", architecture="arm64") as archive:
        fill(archive)
        archive.publish()
        yield archive


def world_of(tmp_path: Path, archives: Any, **more: Any) -> World:
    nothing: Any = None
    parts: dict[str, Any] = {
        "store": Store.open(tmp_path / "store", warn=pytest.fail),
        "tools": nothing,
        "http": Http,
        "index": nothing,
        "python_for": nothing,
        "archives": archives,
        "now": NOW,
        "warn": pytest.fail,
    }
    return World(**{**parts, **more})


@pytest.fixture
def world(tmp_path: Path, small: SmallArchive) -> World:
    return world_of(tmp_path, lambda suite: [small.archive] if suite == "bullseye" else [])


def test_what_psycopg2_needs_is_laid_out_without_what_would_shadow_zig(world: World) -> None:
    sysroot = find_sysroot("Psycopg2", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    assert sysroot.triplet == TRIPLET
    assert sysroot.floor == (2, 31)
    assert sysroot.detail == "Debian bullseye arm64: libpq-dev 13.16-0+deb11u1"
    assert [(one.name, one.source) for one in sysroot.packages] == [
        ("libpq-dev", "postgresql-13"),
        ("libpq5", "libpq5"),
        ("libssl1.1", "openssl"),
    ]
    there = {
        path.relative_to(sysroot.directory).as_posix()
        for path in sysroot.directory.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    assert there == {
        "crossdock-sysroot.json",
        "usr/bin/pg_config",
        "usr/bin/pq-config",
        "usr/include/postgresql/libpq-fe.h",
        f"usr/lib/{TRIPLET}/libpq.so",
        f"usr/lib/{TRIPLET}/libpq.so.5",
        f"usr/lib/{TRIPLET}/libpq.so.5.13",
        f"usr/lib/{TRIPLET}/libssl.so.1.1",
        f"usr/lib/{TRIPLET}/pkgconfig/libpq.pc",
        "usr/share/doc/libpq-dev/copyright",
        "usr/share/doc/libpq5",
        "usr/share/doc/libssl1.1/copyright",
    }


def test_links_stay_within_the_sysroot_and_files_have_owners(world: World) -> None:
    sysroot = find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    library = sysroot.directory / f"usr/lib/{TRIPLET}/libpq.so"
    assert str(library.readlink()) == "libpq.so.5.13"
    assert library.read_bytes() == b"\x7fELF pq"
    assert (sysroot.directory / "usr/share/doc/libpq5/copyright").read_bytes() == b"of pq\n"
    assert sysroot.owners[f"usr/lib/{TRIPLET}/libpq.so.5.13"].name == "libpq5"
    assert sysroot.owners["usr/share/doc/libssl1.1/copyright"].source == "openssl"


def test_a_link_that_leads_out_or_stands_where_a_directory_is_does_no_harm(
    world: World, small: SmallArchive
) -> None:
    small.add(
        "libevil-dev", link("usr/include/out.h", "../../../../../../etc/passwd"), Member("usr/include/a.h")
    )
    small.add("liba-dev", Member("usr/include/a/x.h", b"x"), Member(f"usr/lib/{TRIPLET}/libin.so", b"in"))
    small.add(
        "libb-dev",
        link("usr/include/a", "postgresql"),
        Member("usr/include/postgresql/b.h", b"b"),
        link(f"usr/lib/{TRIPLET}/libout.so", f"../../../../../../usr/lib/{TRIPLET}/libin.so"),
    )
    small.publish()
    settings = replace(NO_SETTINGS, libraries=("libevil-dev", "liba-dev", "libb-dev"))
    sysroot = find_sysroot("x", linux(), settings, world)
    assert sysroot is not None
    include = sysroot.directory / "usr/include"
    assert not (include / "out.h").is_symlink()
    assert sorted(path.name for path in include.iterdir()) == ["a", "a.h", "postgresql"]
    assert [path.name for path in (include / "a").iterdir()] == ["x.h"]
    # As on the target, what leads above the root stays at the root.
    inner = sysroot.directory / f"usr/lib/{TRIPLET}/libout.so"
    assert (str(inner.readlink()), inner.read_bytes()) == ("libin.so", b"in")


def test_programs_that_tell_how_to_compile_are_scripts(world: World) -> None:
    sysroot = find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    program = sysroot.directory / "usr/bin/pg_config"
    asked = subprocess.run([program, "--libdir", "--includedir"], capture_output=True, text=True, check=True)
    assert asked.stdout == f"/usr/lib/{TRIPLET}\n/usr/include/postgresql\n"
    everything = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert "VERSION = PostgreSQL 13.16\n" in everything
    assert subprocess.run([program, "--wrong"], capture_output=True).returncode == 1


def test_a_package_that_the_table_does_not_name_gets_what_the_settings_say(world: World) -> None:
    assert find_sysroot("no-such-package", linux(), NO_SETTINGS, world) is None
    sysroot = find_sysroot("no-such-package", linux(), replace(NO_SETTINGS, libraries=("libssl1.1",)), world)
    assert sysroot is not None
    assert [one.name for one in sysroot.packages] == ["libssl1.1"]


def test_the_second_time_nothing_is_asked_of_the_mirror(world: World, small: SmallArchive) -> None:
    first = find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    asked = len(small.asked)
    assert asked > 0
    assert find_sysroot("psycopg2", linux(), NO_SETTINGS, world) == first
    assert len(small.asked) == asked


def offline() -> Http:
    raise FetchError("offline", code="E-FETCH-OFFLINE")


def test_offline_an_old_answer_serves_and_none_is_told(world: World, tmp_path: Path) -> None:
    first = find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    late = replace(world, now=NOW + 90 * 86400, http=offline)
    assert find_sysroot("psycopg2", linux(), NO_SETTINGS, late) == first
    with pytest.raises(FetchError, match="offline"):
        find_sysroot(
            "psycopg2", linux(), NO_SETTINGS, replace(late, store=world_of(tmp_path / "b", None).store)
        )


def test_an_environment_speaks_of_this_sysroot(world: World, small: SmallArchive) -> None:
    small.add("libhdf5-dev", Member("usr/include/hdf5.h", b""), version="1.10.6+repack-4+deb11u1")
    small.publish()
    sysroot = find_sysroot("h5py", linux(), replace(NO_SETTINGS, release="bullseye"), world)
    assert sysroot is not None
    told = {"HDF5_DIR": f"/usr/lib/{TRIPLET}/hdf5/serial", "HDF5_VERSION": "1.10.6"}
    assert told.items() <= sysroot.environment.items()


def test_a_release_that_is_not_known_is_refused(world: World) -> None:
    with pytest.raises(BuildError, match="no release of Debian") as caught:
        find_sysroot("psycopg2", linux(), replace(NO_SETTINGS, release="potato"), world)
    assert caught.value.code == "E-SYSROOT-RELEASE"


def test_debian_has_nothing_for_musl(world: World) -> None:
    said: list[str] = []
    musl = parse_target("cp311-linux-aarch64-musl1.2")
    assert find_sysroot("psycopg2", musl, NO_SETTINGS, replace(world, warn=said.append)) is None
    assert "libpq-dev" in said[0]
