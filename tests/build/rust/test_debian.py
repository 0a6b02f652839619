"""Rust from a small archive of Debian packages, on loopback: which is taken, and how it is laid out."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import NOW, Member, SmallArchive, link, release_text, sign, xz

from crossdock.build.model import World
from crossdock.build.rust.debian import choose_debian
from crossdock.build.rust.layout import debian_tree, is_kept
from crossdock.errors import BuildError
from crossdock.net.http import Http
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST, TARGET = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
FOLDER = "x86_64-linux-gnu"
#: Stands for the dynamic linker: it tells how it was called.
LINKER = b'#!/bin/sh\necho "$@"\n'


class Suite:
    """A suite with packages for two architectures."""

    def __init__(self, root: Path, name: str) -> None:
        self.parts = {
            architecture: SmallArchive(root, suite=name, architecture=architecture)
            for architecture in ("amd64", "arm64")
        }
        self.name = name
        self.root = root

    def fill(self, version: str, *, web: str = "", rebuild: str = "", arm: str | None = None) -> None:
        own = f"{version}{rebuild}"
        host = self.parts["amd64"]
        host.add(
            f"rustc{web}",
            Member("usr/bin/rustc", b"rustc", mode=0o755),
            Member("usr/bin/rustdoc", b"rustdoc", mode=0o755),
            version=own,
            more=f"Depends: libc6, libstd-rust{web}-dev (= {own}), gcc, libc-dev\n",
        )
        host.add(
            f"cargo{web}", Member("usr/bin/cargo", b"cargo", mode=0o755), version=own, more="Depends: libc6\n"
        )
        self.library("amd64", HOST, own, web)
        self.library("arm64", TARGET, version if arm is None else arm, web)
        host.add(
            "libc6",
            Member(f"usr/lib/{FOLDER}/ld-linux-x86-64.so.2", LINKER, mode=0o755),
            Member(f"usr/lib/{FOLDER}/libc.so.6", b"libc", mode=0o755),
            Member(f"usr/lib/{FOLDER}/gconv/UTF-7.so", b"no"),
            link("lib64/ld-linux-x86-64.so.2", f"../lib/{FOLDER}/ld-linux-x86-64.so.2"),
            link(f"usr/lib/{FOLDER}/libgone.so", "/etc/alternatives/libgone.so"),
        )

    def library(self, architecture: str, triple: str, version: str, web: str) -> None:
        self.parts[architecture].add(
            f"libstd-rust{web}-dev",
            Member(f"usr/lib/rustlib/{triple}/lib/libstd-1.rlib", triple.encode()),
            Member("usr/share/doc/rust/copyright", b"x"),
            version=version,
        )

    def publish(self) -> None:
        files = {}
        for architecture, part in self.parts.items():
            content = xz("\n".join(part.stanzas).encode())
            path = f"main/binary-{architecture}/Packages.xz"
            files[path] = content
            hashed = self.root / "dists" / self.name / f"main/binary-{architecture}/by-hash/SHA256"
            hashed.mkdir(parents=True)
            (hashed / hashlib.sha256(content).hexdigest()).write_bytes(content)
        release = sign(release_text(files, self.name))
        (self.root / "dists" / self.name / "InRelease").write_bytes(release)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmallArchive]:
    (tmp_path / "archive").mkdir()
    with SmallArchive(tmp_path / "archive") as served:
        yield served


def world_of(tmp_path: Path, server: SmallArchive, *suites: Suite, **more: Any) -> World:
    from dataclasses import replace

    for suite in suites:
        suite.publish()
    names = {suite.name for suite in suites}
    nothing: Any = None
    parts: dict[str, Any] = {
        "store": Store.open(tmp_path / "store", warn=pytest.fail),
        "tools": nothing,
        "http": Http,
        "index": nothing,
        "python_for": nothing,
        "archives": lambda suite: [replace(server.archive, suite=suite)] if suite in names else [],
        "now": NOW,
        "warn": pytest.fail,
    }
    return World(**{**parts, **more})


def test_the_stable_suite_is_taken_though_a_newer_one_is_there(tmp_path: Path, server: SmallArchive) -> None:
    trixie, forky = Suite(server.root, "trixie"), Suite(server.root, "forky")
    trixie.fill("1.96.0+dfsg1-1~deb13u1", web="-web", rebuild="+b1")
    forky.fill("1.97.1+dfsg1-1")
    world = world_of(tmp_path, server, trixie, forky)
    found = choose_debian(HOST, TARGET, world)
    assert (found.release.suite, found.version) == ("trixie", (1, 96, 0))
    assert found.library is not None
    assert (found.library.name, found.library.architecture) == ("libstd-rust-web-dev", "arm64")
    assert [one.name for one in found.host] == ["cargo-web", "libc6", "libstd-rust-web-dev", "rustc-web"]


def test_a_newer_suite_is_taken_where_the_project_needs_it(tmp_path: Path, server: SmallArchive) -> None:
    trixie, forky = Suite(server.root, "trixie"), Suite(server.root, "forky")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    forky.fill("1.97.1+dfsg1-1")
    world = world_of(tmp_path, server, trixie, forky)
    assert choose_debian(HOST, TARGET, world, at_least=(1, 97)).text == "1.97.1"
    with pytest.raises(BuildError, match=r"no Rust 1\.98 or newer") as caught:
        choose_debian(HOST, TARGET, world, at_least=(1, 98))
    assert caught.value.code == "E-BUILD-RUST"
    assert caught.value.places == (
        "Debian trixie: Rust 1.96.0",
        "Debian forky: Rust 1.97.1",
        "Debian sid: no archive of it is known",
    )


def test_a_suite_whose_architectures_are_out_of_step_is_passed_over(
    tmp_path: Path, server: SmallArchive
) -> None:
    trixie, forky = Suite(server.root, "trixie"), Suite(server.root, "forky")
    trixie.fill("1.96.0+dfsg1-1", web="-web", arm="1.85.0+dfsg1-1")
    forky.fill("1.97.1+dfsg1-1")
    world = world_of(tmp_path, server, trixie, forky)
    assert choose_debian(HOST, TARGET, world).release.suite == "forky"


def test_fixes_that_have_only_come_to_one_architecture_are_passed_over(
    tmp_path: Path, server: SmallArchive
) -> None:
    from dataclasses import replace

    trixie, fixes = Suite(server.root, "trixie"), Suite(server.root, "trixie-security")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    fixes.fill("1.97.0+dfsg1-1", web="-web", arm="1.95.0+dfsg1-1")
    world = world_of(tmp_path, server, trixie, fixes)
    both = [replace(server.archive, suite=name) for name in ("trixie", "trixie-security")]
    world = replace(world, archives=lambda suite: both if suite == "trixie" else [])
    assert choose_debian(HOST, TARGET, world).text == "1.96.0"


def test_a_mirror_without_the_fixes_of_an_architecture_serves(tmp_path: Path, server: SmallArchive) -> None:
    from dataclasses import replace

    trixie, fixes = Suite(server.root, "trixie"), Suite(server.root, "trixie-security")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    fixes.fill("1.96.1+dfsg1-1", web="-web")
    world = world_of(tmp_path, server, trixie, fixes)
    both = [replace(server.archive, suite=name) for name in ("trixie", "trixie-security")]
    world = replace(world, archives=lambda suite: both if suite == "trixie" else [])
    assert choose_debian(HOST, TARGET, world).text == "1.96.1"
    for path in (server.root / "dists" / "trixie-security" / "main" / "binary-arm64").rglob(
        "[0-9a-f]*[0-9a-f]"
    ):
        if path.is_file():
            path.unlink()
    again = replace(world, store=Store.open(tmp_path / "other", warn=pytest.fail))
    assert choose_debian(HOST, TARGET, again).text == "1.96.0"


def test_what_was_found_is_believed_for_a_day_and_offline_for_ever(
    tmp_path: Path, server: SmallArchive
) -> None:
    from dataclasses import replace

    from crossdock.errors import FetchError

    def offline() -> Http:
        raise FetchError("offline", code="E-FETCH-OFFLINE")

    trixie = Suite(server.root, "trixie")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    world = world_of(tmp_path, server, trixie)
    first = choose_debian(HOST, TARGET, world)
    server.asked.clear()
    assert choose_debian(HOST, TARGET, world) == first
    assert choose_debian(HOST, TARGET, replace(world, http=offline, now=NOW + 30 * 86400)) == first
    assert server.asked == []
    choose_debian(HOST, TARGET, replace(world, now=NOW + 90000))
    assert set(server.asked) == {"/dists/trixie/InRelease"}


def test_the_tree_has_the_compiler_the_targets_library_and_starters(
    tmp_path: Path, server: SmallArchive
) -> None:
    trixie = Suite(server.root, "trixie")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    world = world_of(tmp_path, server, trixie)
    tree = debian_tree(choose_debian(HOST, TARGET, world), HOST, TARGET, world)
    there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir()}
    assert there == {
        "bin/cargo",
        "bin/rustc",
        "usr/bin/cargo",
        "usr/bin/rustc",
        f"usr/lib/{FOLDER}/ld-linux-x86-64.so.2",
        f"usr/lib/{FOLDER}/libc.so.6",
        f"usr/lib/rustlib/{HOST}/lib/libstd-1.rlib",
        f"usr/lib/rustlib/{TARGET}/lib/libstd-1.rlib",
    }
    said = subprocess.run([tree / "bin" / "rustc", "-vV", "a b"], capture_output=True, text=True, check=True)
    words = said.stdout.strip()
    assert words.startswith("--inhibit-cache --library-path ")
    assert words.endswith("/bin/../usr/bin/rustc -vV a b")
    assert "--argv0" in words


def test_five_targets_keep_one_compiler(tmp_path: Path, server: SmallArchive) -> None:
    trixie = Suite(server.root, "trixie")
    trixie.fill("1.96.0+dfsg1-1", web="-web")
    world = world_of(tmp_path, server, trixie)
    own = debian_tree(choose_debian(HOST, None, world), HOST, HOST, world)
    other = debian_tree(choose_debian(HOST, TARGET, world), HOST, TARGET, world)
    assert own != other
    assert (own / "usr/bin/rustc").samefile(other / "usr/bin/rustc")
    assert not (own / f"usr/lib/rustlib/{TARGET}").exists()


def test_no_rust_of_debian_for_musl_or_macos(tmp_path: Path, server: SmallArchive) -> None:
    world = world_of(tmp_path, server)
    for triple in ("aarch64-unknown-linux-musl", "aarch64-apple-darwin"):
        with pytest.raises(BuildError) as caught:
            choose_debian(HOST, triple, world)
        assert caught.value.code == "E-BUILD-RUST"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("usr/bin/rustc", True),
        ("usr/bin/rustdoc", False),
        ("usr/lib/x86_64-linux-gnu/libLLVM.so.22.1", True),
        ("usr/lib/x86_64-linux-gnu/gconv/UTF-7.so", False),
        ("usr/lib/rustlib/x86_64-unknown-linux-gnu/lib/libcore-1.rmeta", True),
        ("usr/lib/rustlib/etc/gdb_lookup.py", False),
        ("usr/lib64/ld-linux-x86-64.so.2", False),
        ("usr/share/doc/cargo/copyright", False),
        ("etc/ld.so.conf", False),
    ],
)
def test_what_is_kept(path: str, kept: bool) -> None:
    assert is_kept(path) is kept
