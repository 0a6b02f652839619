"""Architectures: what each is called anywhere, and the oldest C libraries there.

Python and not TOML, since every name of a target passes here and the start of `crossdock install` is counted
in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.model import Arch, Libc, LibcKind

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Sources: the OCI image-index specification and Go's GOARCH with its variants; GNU triples as gcc, zig and
#: Rust write them; wheel tags of PEP 600, 656, 730, 738; Debian's port names. Read 2026-11.
#: A CPU of a higher variant runs the code of the lower (x86-64-v3, ARMv9); armv8l is how the kernel of a
#: 64-bit machine calls itself to a 32-bit program, which takes the wheels of armv7l.
ALIASES = {
    Arch.X86_64: ("amd64", "x86_64", "x64", "x86-64", "amd64/v1", "amd64/v2", "amd64/v3", "amd64/v4"),
    Arch.AARCH64: ("arm64", "aarch64", "arm64v8", "arm64/v8", "arm64/v9"),
    Arch.ARMV7L: ("arm/v7", "armv7l", "armv7", "armv7a", "armhf", "armv7hf", "arm", "arm/v8", "armv8l"),
    Arch.ARMV6L: ("arm/v6", "armv6l", "armv6"),
    Arch.I686: ("386", "i686", "i386", "x86", "i586", "x86_32"),
    Arch.PPC64LE: ("ppc64le", "powerpc64le", "ppc64el"),
    Arch.S390X: ("s390x",),
    Arch.RISCV64: ("riscv64", "riscv64gc"),
    Arch.LOONGARCH64: ("loong64", "loongarch64"),
    Arch.WASM32: ("wasm32",),
}
_BY_ALIAS = {alias: arch for arch, aliases in ALIASES.items() for alias in aliases}

#: PEP 600 begins with 2.5 on x86 and 2.17 elsewhere; glibc has the port of loongarch64 since 2.36.
_LOWEST_GLIBC = {Arch.X86_64: 5, Arch.I686: 5, Arch.LOONGARCH64: 36}
_LOWEST_GLIBC_ELSEWHERE = 17

#: uv's default since 0.8, and what PyPI's projects build for by now: glibc of RHEL 8, Debian 10, Ubuntu 20.04.
_ASSUMED_GLIBC_ELSEWHERE = 28
#: armv7l: the policy that its build image exists for, Raspberry Pi OS 11. riscv64: uv's. loongarch64: see above.
_ASSUMED_GLIBC = {Arch.ARMV7L: 31, Arch.RISCV64: 31, Arch.LOONGARCH64: 36}
#: musl has not changed its ABI since 1.2.0 (2020), and no older Alpine is supported.
_ASSUMED_MUSL = Libc(LibcKind.MUSL, 1, 2)


def find_arch(word: str) -> Arch:
    """Return the architecture that any ecosystem calls `word`; `TargetError` with the nearest if none does."""
    found = _BY_ALIAS.get(word)
    if found is not None:
        return found
    near = nearest(word, _BY_ALIAS)
    raise TargetError(
        f"no CPU is called `{word}`",
        code="E-TARGET-UNKNOWN",
        hint=f"did you mean {near}?" if near else f"known: {', '.join(Arch)}",
    )


#: A beginning of fewer letters says nothing.
_TELLING = 3


def nearest(word: str, names: Iterable[str]) -> str:
    """Return at most two of `names` that `word` may have meant, for a hint; empty if none is near."""
    import difflib

    known = list(names)
    begun = [name for name in known if len(word) >= _TELLING and name.startswith(word)]
    near = difflib.get_close_matches(word, known, n=8, cutoff=0.6)
    # What goes on from here, then letters that changed places (`arm46`), are likelier than any other slip.
    swapped = [name for name in near if sorted(name) == sorted(word)]
    return " or ".join(f"`{name}`" for name in (begun or swapped or near)[:2])


def lowest_glibc(arch: Arch) -> int:
    """Return the minor version of the oldest glibc 2 that a wheel can be tagged for on `arch`."""
    return _LOWEST_GLIBC.get(arch, _LOWEST_GLIBC_ELSEWHERE)


def assumed_libc(arch: Arch, kind: LibcKind) -> Libc:
    """Return the floor that a name without one gets."""
    if kind is LibcKind.MUSL:
        return _ASSUMED_MUSL
    return Libc(kind, 2, _ASSUMED_GLIBC.get(arch, _ASSUMED_GLIBC_ELSEWHERE))
