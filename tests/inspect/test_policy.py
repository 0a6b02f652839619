"""The policies as data: what they promise, by floor and architecture."""

from __future__ import annotations

import pytest

from crossdock.inspect.policy import (
    glibc_abi,
    is_driver,
    policy_for,
    provider_of,
    windows_libraries,
)
from crossdock.target.model import Arch, Libc, LibcKind, Os

GLIBC, MUSL = LibcKind.GLIBC, LibcKind.MUSL


@pytest.mark.parametrize(
    ("libc", "arch", "prefix", "newest"),
    [
        (Libc(GLIBC, 2, 5), Arch.X86_64, "GLIBC", (2, 5)),
        (Libc(GLIBC, 2, 17), Arch.X86_64, "GLIBCXX", (3, 4, 19)),
        (Libc(GLIBC, 2, 17), Arch.AARCH64, "GLIBC", (2, 18)),
        (Libc(GLIBC, 2, 18), Arch.X86_64, "GLIBC", (2, 18)),  # between two policies: the floor itself
        (Libc(GLIBC, 2, 18), Arch.X86_64, "GLIBCXX", (3, 4, 19)),  # and the older policy
        (Libc(GLIBC, 2, 26), Arch.AARCH64, "CXXABI", (1, 3, 11)),
        (Libc(GLIBC, 2, 35), Arch.X86_64, "CXXABI", (1, 3, 13)),
        (Libc(GLIBC, 2, 39), Arch.X86_64, "GLIBCXX", (3, 4, 33)),
        (Libc(GLIBC, 2, 99), Arch.X86_64, "GLIBC", (2, 99)),
        (Libc(GLIBC, 2, 17), Arch.RISCV64, "GLIBC", (2, 17)),  # older than the first policy there
    ],
)
def test_newest_versions(libc: Libc, arch: Arch, prefix: str, newest: tuple[int, ...]) -> None:
    assert policy_for(libc, arch).newest[prefix] == newest


def test_libraries_from_outside() -> None:
    many = policy_for(Libc(GLIBC, 2, 28), Arch.X86_64).libraries
    assert {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libGL.so.1"} <= many
    assert "libssl.so.3" not in many
    assert "libmvec.so.1" not in policy_for(Libc(GLIBC, 2, 17), Arch.X86_64).libraries
    assert policy_for(Libc(MUSL, 1, 2), Arch.AARCH64).libraries == {"libc.so", "libz.so.1"}


def test_names_that_are_no_versions() -> None:
    assert glibc_abi("GLIBC_ABI_DT_RELR") == (2, 36)
    assert glibc_abi("GLIBC_2.36") is None


def test_windows_knows_its_own_and_not_python_s() -> None:
    names = windows_libraries()
    assert {"kernel32.dll", "ucrtbase.dll", "ws2_32.dll", "bcryptprimitives.dll", "d3d11.dll"} <= names
    assert not {"python3.dll", "msvcp140.dll", "vcruntime140.dll", "libpq.dll"} & names
    assert all(name == name.lower() and " " not in name for name in names)


def test_drivers_and_providers() -> None:
    assert is_driver(Os.LINUX, "libcuda.so.1")
    assert is_driver(Os.WINDOWS, "NVCUDA.dll")
    assert not is_driver(Os.LINUX, "libcudart.so.12")
    assert provider_of(Os.LINUX, "libcudart.so.12") == "nvidia-cuda-runtime"
    assert provider_of(Os.MACOS, "@rpath/libtorch_cpu.dylib") == "torch"
    assert provider_of(Os.LINUX, "libpq.so.5") is None
