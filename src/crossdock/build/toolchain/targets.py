"""What zig, GNU tools and Meson call a target, and which C library a build is compiled for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.target.model import Target

#: manylinux2014: what every system in use has, and the oldest that projects still compile against (PEP 599).
_MANYLINUX2014 = (2, 17)
#: zig has no start files and symbol lists of an older glibc for these. Source: zig 0.16, `lib/libc/glibc/abilists`.
_OLDEST_OF_ZIG = {Arch.PPC64LE: (2, 19), Arch.RISCV64: (2, 27), Arch.LOONGARCH64: (2, 36)}


class Machine(NamedTuple):
    """A CPU by the names of zig, GNU and Meson; `long_double` is numpy's `longdouble_format`."""

    zig: str
    gnu: str
    meson_family: str
    endian: str
    long_double: str


MACHINES = {
    Arch.X86_64: Machine("x86_64", "x86_64", "x86_64", "little", "INTEL_EXTENDED_16_BYTES_LE"),
    Arch.AARCH64: Machine("aarch64", "aarch64", "aarch64", "little", "IEEE_QUAD_LE"),
    Arch.ARMV7L: Machine("arm", "arm", "arm", "little", "IEEE_DOUBLE_LE"),
    Arch.I686: Machine("x86", "i686", "x86", "little", "INTEL_EXTENDED_12_BYTES_LE"),
    Arch.PPC64LE: Machine("powerpc64le", "powerpc64le", "ppc64", "little", "IBM_DOUBLE_DOUBLE_LE"),
    Arch.S390X: Machine("s390x", "s390x", "s390x", "big", "IEEE_QUAD_BE"),
    Arch.RISCV64: Machine("riscv64", "riscv64", "riscv64", "little", "IEEE_QUAD_LE"),
}


def build_floor(target: Target, asked: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """Return the glibc that a build is compiled for, None where the target has none.

    What was asked for, else the target's own where its name says one, else manylinux2014's; never older than zig has.
    """
    if target.libc is None or target.libc.kind is not LibcKind.GLIBC:
        return None
    own = (target.libc.major, target.libc.minor)
    assumed = any("glibc" in words for words in target.assumed)
    oldest = max(_OLDEST_OF_ZIG.get(target.arch, (2, lowest_glibc(target.arch))), (2, 17))
    return max(asked or (_MANYLINUX2014 if assumed else own), oldest)


def zig_target(target: Target, floor: tuple[int, int] | None) -> str:
    """Return what zig's `-target` wants: `aarch64-linux-gnu.2.17`, `aarch64-macos.11.0`, `x86_64-windows-gnu`."""
    cpu = MACHINES[target.arch].zig
    if target.os is Os.WINDOWS:
        return f"{cpu}-windows-gnu"
    if target.os is Os.MACOS:
        major, minor = target.os_version or (11, 0)
        return f"{cpu}-macos.{major}.{minor}"
    suffix = "eabihf" if target.arch is Arch.ARMV7L else ""
    if floor is None:
        return f"{cpu}-linux-musl{suffix}"
    return f"{cpu}-linux-gnu{suffix}.{floor[0]}.{floor[1]}"


def gnu_triplet(target: Target) -> str:
    """Return what compilers for the target are called by in Debian and in `-dumpmachine`."""
    cpu = MACHINES[target.arch].gnu
    if target.os is Os.WINDOWS:
        return f"{cpu}-w64-mingw32"
    if target.os is Os.MACOS:
        return f"{'arm64' if target.arch is Arch.AARCH64 else cpu}-apple-darwin"
    libc = "musl" if target.libc is not None and target.libc.kind is LibcKind.MUSL else "gnu"
    return f"{cpu}-linux-{libc}{'eabihf' if target.arch is Arch.ARMV7L else ''}"


def zig_host(system: str, machine: str) -> str:
    """Return zig's name of the machine that builds, by `sys.platform` and `platform.machine()`.

    Linux gets an old glibc: what is linked for it runs on whatever this machine has.
    """
    cpu = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "powerpc64le", "armv7l": "arm"}.get(
        machine.lower(), machine.lower()
    )
    if system == "darwin":
        return f"{cpu}-macos"
    return f"{cpu}-linux-gnu.{'2.27' if cpu == 'riscv64' else '2.19' if cpu == 'powerpc64le' else '2.17'}"


def machine_words(target: Target) -> tuple[str, ...]:
    """Return the compiler's words on the CPU that every command for the target gets.

    zig's baseline of x86-64 says that vectors are not 512 bits wide, and holds that against functions that ask for
    AVX-512 themselves, behind a check at run time: with the word they may, and all others are as before.
    """
    return ("-mevex512",) if target.arch is Arch.X86_64 else ()
