"""What CPython calls itself on a target: of the target alone, nothing is looked up.

Sources: CPython's `Misc/platform_triplet.c` (until 3.12 in `configure.ac`), `PC/pyconfig.h`, `Lib/sysconfig`
(`get_platform`, `_get_sysconfigdata_name`); held against the names of modules in published wheels, 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from crossdock.errors import BuildError
from crossdock.target.model import Arch, Implementation, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.target.model import Target

#: How GCC's multiarch tuples, and `PLATFORM_TRIPLET` with them, call a CPU.
_CPU = {
    Arch.X86_64: "x86_64",
    Arch.AARCH64: "aarch64",
    Arch.ARMV7L: "arm",
    Arch.ARMV6L: "arm",
    Arch.I686: "i386",
    Arch.PPC64LE: "powerpc64le",
    Arch.S390X: "s390x",
    Arch.RISCV64: "riscv64",
    Arch.LOONGARCH64: "loongarch64",
}
#: 32-bit ARM with floating-point registers has an ABI of its own.
_HARD_FLOAT = frozenset({Arch.ARMV7L, Arch.ARMV6L})
#: configure tells musl from glibc since 3.11 (gh-87278); modules of 3.9 and 3.10 say `gnu` on Alpine too.
_FIRST_TO_SAY_MUSL = (3, 11)

_WINDOWS = {Arch.X86_64: "win-amd64", Arch.AARCH64: "win-arm64", Arch.I686: "win32"}
_MACHINE = {Arch.AARCH64: "arm64", Arch.X86_64: "x86_64"}
_SYS_PLATFORM = {Os.LINUX: "linux", Os.MACOS: "darwin", Os.WINDOWS: "win32"}


def refuse_target(target: Target) -> NoReturn:
    """Raise `BuildError` (E-BUILD-TARGET): nothing can be compiled for this target."""
    from crossdock.target.names import canonical_name

    raise BuildError(
        f"nothing can be cross-built for {target.name or canonical_name(target)}",
        code="E-BUILD-TARGET",
        hint="CPython on Linux, macOS and Windows can; for other targets there must be a wheel",
    )


def multiarch(target: Target) -> str:
    """Return `sys.implementation._multiarch` there: `aarch64-linux-gnu`, `darwin`; empty on Windows."""
    _check(target)
    if target.os is Os.MACOS:
        return "darwin"
    if target.os is Os.WINDOWS:
        return ""
    musl = target.libc is not None and target.libc.kind is LibcKind.MUSL
    libc = "musl" if musl and target.python.version >= _FIRST_TO_SAY_MUSL else "gnu"
    return f"{_CPU[target.arch]}-linux-{libc}{'eabihf' if target.arch in _HARD_FLOAT else ''}"


def abiflags(target: Target) -> str:
    """Return `sys.abiflags` there: `t` for a free-threaded Python, else nothing (PEP 703)."""
    return "t" if target.python.free_threaded else ""


def soabi(target: Target) -> str:
    """Return the ABI in a module's name: `cpython-311-aarch64-linux-gnu`, `cpython-313t-darwin`, `cp313-win_amd64`."""
    _check(target)
    version = f"{target.python.major}{target.python.minor}{abiflags(target)}"
    if target.os is Os.WINDOWS:
        return f"cp{version}-{platform_tag(target).replace('-', '_')}"
    return f"cpython-{version}-{multiarch(target)}"


def ext_suffix(target: Target) -> str:
    """Return how an extension module's name ends there: `.cpython-311-aarch64-linux-gnu.so`, `.cp313-win_amd64.pyd`."""
    return f".{soabi(target)}{'.pyd' if target.os is Os.WINDOWS else '.so'}"


def platform_tag(target: Target) -> str:
    """Return `sysconfig.get_platform()` there: `linux-aarch64`, `macosx-11.0-arm64`, `win-amd64`."""
    _check(target)
    if target.os is Os.WINDOWS:
        return _WINDOWS[target.arch]
    if target.os is Os.MACOS:
        major, minor = target.os_version or (11, 0)
        return f"macosx-{major}.{minor}-{_MACHINE[target.arch]}"
    return f"linux-{target.arch}"


def sys_platform(target: Target) -> str:
    """Return `sys.platform` there."""
    _check(target)
    return _SYS_PLATFORM[target.os]


def python_name(target: Target) -> str:
    """Return the name that its directories have: `python3.11`, `python3.13t`."""
    return f"python{target.python.short}{abiflags(target)}"


def sysconfigdata_name(target: Target) -> str:
    """Return the name of the module with its variables, as its own `sysconfig` computes it.

    `_sysconfigdata_{abiflags}_{sys.platform}_{multiarch}`, the same rule from 3.9 to 3.15. Windows has no such
    module; one of that name is what a `sysconfig` of another system reads in its place.
    """
    return f"_sysconfigdata_{abiflags(target)}_{sys_platform(target)}_{multiarch(target)}"


def _check(target: Target) -> None:
    known = (
        (target.os is Os.LINUX and target.arch in _CPU)
        or (target.os is Os.MACOS and target.arch in _MACHINE)
        or (target.os is Os.WINDOWS and target.arch in _WINDOWS)
    )
    if not known or target.python.implementation is not Implementation.CPYTHON:
        refuse_target(target)
