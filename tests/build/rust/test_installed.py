"""The Rust that a machine has: programs that stand for rustc and rustup tell what they would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.build.rust import toolchain
from crossdock.build.rust.installed import add_target, installed_rust
from crossdock.build.rust.toolchain import find_rust
from crossdock.errors import BuildError, FetchError
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path

TRIPLE = "aarch64-unknown-linux-gnu"
TARGET = parse_target("cp311-linux-aarch64-glibc2.17")


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def toolchain_of(tmp_path: Path) -> Path:
    root = tmp_path / "toolchains" / "stable-x86_64-unknown-linux-gnu"
    said = "rustc 1.95.0\\nhost: x86_64-unknown-linux-gnu\\nrelease: 1.95.0\\ncommit-hash: 0123456789ab"
    program(root / "bin" / "rustc", f"printf '{said}\\n'")
    program(root / "bin" / "cargo", "")
    program(tmp_path / "path" / "rustc", f'[ "$1 $2" = "--print sysroot" ] && echo "{root}"')
    return root


def install(root: Path) -> None:
    library = root / "lib" / "rustlib" / TRIPLE / "lib"
    library.mkdir(parents=True)
    (library / "libstd-0.rlib").touch()


def world(tmp_path: Path, *, online: bool = True) -> Any:
    def http() -> None:
        if not online:
            raise FetchError("offline", code="E-FETCH-OFFLINE")

    told: list[str] = []
    return SimpleNamespace(
        store=Store.open(tmp_path / "store", warn=pytest.fail),
        tools=SimpleNamespace(uv_environ={"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}),
        http=http,
        archives=lambda _suite: [],
        now=1000.0,
        warn=told.append,
        told=told,
    )


def test_a_toolchain_is_what_its_rustc_says(tmp_path: Path, toolchain_of: Path) -> None:
    found = installed_rust({"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"})
    assert found is not None
    assert (found.directory, found.version) == (toolchain_of, (1, 95, 0))
    assert (found.commit, found.host) == ("0123456789ab", "x86_64-unknown-linux-gnu")
    assert not found.has(TRIPLE)
    install(toolchain_of)
    assert found.has(TRIPLE)


def test_a_rust_that_shares_usr_or_does_not_answer_is_none(tmp_path: Path) -> None:
    assert installed_rust({"PATH": str(tmp_path)}) is None
    program(tmp_path / "rustc", "echo /usr")
    assert installed_rust({"PATH": f"{tmp_path}:/bin"}) is None
    program(tmp_path / "rustc", "exit 1")
    assert installed_rust({"PATH": f"{tmp_path}:/bin"}) is None


def test_the_machines_own_rust_is_taken_if_it_has_the_target(tmp_path: Path, toolchain_of: Path) -> None:
    install(toolchain_of)
    found = find_rust(TARGET, world(tmp_path, online=False), at_least=(1, 80))
    assert (found.provider, found.triple) == ("installed", TRIPLE)
    assert found.detail == "Rust 1.95.0 0123456789ab"
    assert found.place() == toolchain_of


@pytest.mark.usefixtures("toolchain_of")
def test_why_there_is_none_is_told_place_by_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "rust_host", lambda _system, _machine: "x86_64-unknown-linux-gnu")
    with pytest.raises(BuildError) as caught:
        find_rust(TARGET, world(tmp_path, online=False), at_least=(1, 99))
    assert caught.value.code == "E-BUILD-RUST"
    assert caught.value.places[0] == "this machine: its Rust is 1.95.0"
    assert "Debian trixie" in caught.value.places[1]
    with pytest.raises(BuildError) as caught:
        find_rust(parse_target("cp311-linux-aarch64-musl1.2"), world(tmp_path, online=False))
    assert caught.value.places == (
        "this machine: its Rust 1.95.0 has no standard library of aarch64-unknown-linux-musl",
    )
    assert "rustup target add aarch64-unknown-linux-musl" in str(caught.value.hint)


def test_rustup_adds_a_target_once_and_says_so(tmp_path: Path, toolchain_of: Path) -> None:
    library = toolchain_of / "lib" / "rustlib" / TRIPLE / "lib"
    program(
        tmp_path / "path" / "rustup",
        f'echo "$@" >> {tmp_path}/asked; mkdir -p {library}; touch {library}/libstd-0.rlib',
    )
    outside = world(tmp_path)
    assert find_rust(TARGET, outside).provider == "installed"
    assert find_rust(TARGET, outside).provider == "installed"
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"target add --toolchain stable-x86_64-unknown-linux-gnu {TRIPLE}"
    ]
    assert len(outside.told) == 1


def test_a_rustup_that_cannot_is_not_asked_again_that_day(tmp_path: Path, toolchain_of: Path) -> None:
    program(tmp_path / "path" / "rustup", f"echo x >> {tmp_path}/asked; exit 1")
    outside = world(tmp_path)
    found = installed_rust(outside.tools.uv_environ)
    assert found is not None
    assert found.directory == toolchain_of
    assert not add_target(found, TRIPLE, outside)
    assert not add_target(found, TRIPLE, outside)
    assert (tmp_path / "asked").read_text() == "x\n"
    outside.now += 90000
    assert not add_target(found, TRIPLE, outside)
    assert (tmp_path / "asked").read_text() == "x\nx\n"
