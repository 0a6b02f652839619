"""What cargo and its friends are told of a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossdock.build.rust.table import debian_names, rust_host, rust_triple
from crossdock.build.rust.toolchain import Rust
from crossdock.build.rust.variables import rust_variables
from crossdock.build.toolchain.made import Places, Plan
from crossdock.errors import BuildError
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from crossdock.target.model import Target


def rust(target: Target) -> Rust:
    return Rust(
        host="x86_64-unknown-linux-gnu",
        triple=rust_triple(target),
        version=(1, 96, 0),
        provider="debian",
        detail="",
        place=lambda: Path("/nowhere"),
    )


def variables(name: str) -> dict[str, str]:
    target = parse_target(name)
    plan = Plan(
        target=target,
        zig_target="aarch64-linux-gnu.2.17",
        host_target="x86_64-linux-gnu.2.17",
        interpreter="/usr/bin/python3",
        places=Places(),
        soabi="",
        include="",
    )
    remaps = {"/crates": "crates", "/build": "."}
    return rust_variables(
        rust(target), plan, place="/rust", home="/build/cargo", python="/prefix/lib/python3.13", remaps=remaps
    )


@pytest.mark.parametrize(
    ("name", "triple"),
    [
        ("cp311-linux-aarch64-glibc2.17", "aarch64-unknown-linux-gnu"),
        ("cp311-linux-armv7l-glibc2.31", "armv7-unknown-linux-gnueabihf"),
        ("cp311-linux-riscv64-glibc2.31", "riscv64gc-unknown-linux-gnu"),
        ("cp311-linux-aarch64-musl1.2", "aarch64-unknown-linux-musl"),
        ("cp311-linux-armv7l-musl1.2", "armv7-unknown-linux-musleabihf"),
        ("cp311-macos-aarch64-11.0", "aarch64-apple-darwin"),
    ],
)
def test_names_of_targets(name: str, triple: str) -> None:
    assert rust_triple(parse_target(name)) == triple


def test_names_of_hosts_and_of_debian() -> None:
    assert rust_host("linux", "x86_64") == "x86_64-unknown-linux-gnu"
    assert rust_host("linux", "arm64") == "aarch64-unknown-linux-gnu"
    assert rust_host("darwin", "arm64") == "aarch64-apple-darwin"
    assert rust_host("win32", "AMD64") == "x86_64-pc-windows-gnullvm"
    assert rust_host("plan9", "x86_64") is None
    assert debian_names("riscv64gc-unknown-linux-gnu") == ("riscv64", "riscv64-linux-gnu")
    assert debian_names("aarch64-unknown-linux-musl") is None


def test_a_machine_without_rust_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossdock.build.rust import table

    monkeypatch.setattr(table, "_table", lambda: {"triples": {}})
    with pytest.raises(BuildError, match="linux-aarch64-glibc") as caught:
        rust_triple(parse_target("cp311-linux-aarch64-glibc2.17"))
    assert caught.value.code == "E-BUILD-RUST"


def test_zig_links_for_both_machines_and_crates_with_c_find_it() -> None:
    found = variables("cp313-linux-aarch64-glibc2.17")
    assert found["CARGO_BUILD_TARGET"] == "aarch64-unknown-linux-gnu"
    assert found["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"] == "/toolchain/bin/cc"
    assert found["CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER"] == "/toolchain/bin/host-cc"
    assert found["CC_aarch64_unknown_linux_gnu"] == "/toolchain/bin/cc"
    assert found["HOST_CC"] == found["CC_x86_64_unknown_linux_gnu"] == "/toolchain/bin/host-cc"
    assert found["CARGO_NET_OFFLINE"] == "true"
    assert found["PYO3_CROSS_PYTHON_VERSION"] == "3.13"
    assert found["PYO3_CROSS_LIB_DIR"] == "/prefix/lib/python3.13"


def test_paths_of_the_build_are_mapped_and_a_projects_own_flags_stay() -> None:
    found = variables("cp311-linux-aarch64-glibc2.17")
    assert "RUSTFLAGS" not in found
    assert found["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS"] == (
        "--remap-path-prefix=/crates=crates --remap-path-prefix=/build=."
    )


def test_a_module_for_musl_is_linked_to_the_interpreters_c_library() -> None:
    flags = variables("cp311-linux-aarch64-musl1.2")["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS"]
    assert flags.endswith("-Ctarget-feature=-crt-static -Clink-self-contained=no")


def test_macos_and_windows_get_what_their_systems_would_have() -> None:
    found = variables("cp311-macos-aarch64-11.0")["CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS"]
    assert found.endswith(" -Lnative=/prefix/lib")
    found = variables("cp311-windows-x86_64")["CARGO_TARGET_X86_64_PC_WINDOWS_GNULLVM_RUSTFLAGS"]
    assert found.endswith(" -Cdlltool=/toolchain/bin/dlltool")


def test_this_machines_own_kind_has_one_linker() -> None:
    found = variables("cp311-linux-x86_64-glibc2.17")
    assert found["CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER"] == "/toolchain/bin/cc"
    assert found["CC_x86_64_unknown_linux_gnu"] == "/toolchain/bin/cc"
    assert "HOST_CC" not in found


def test_a_free_threaded_python_is_told() -> None:
    assert variables("cp313t-linux-aarch64-glibc2.17")["PYO3_CROSS_PYTHON_VERSION"] == "3.13t"
