"""The words of every ecosystem for one architecture: loaded from words.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from crossdock.target.model import Arch, Libc, LibcKind

#: uv's default since 0.8, and what PyPI's projects build for by now: glibc of RHEL 8, Debian 10, Ubuntu 20.04.
ASSUMED_GLIBC = (2, 28)
#: musl has not changed its ABI since 1.2.0 (2020), and no older Alpine is supported.
ASSUMED_MUSL = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchWords:
    """One architecture's names; None where an ecosystem does not have it."""

    arch: Arch
    aliases: tuple[str, ...]
    bazel: str
    zig: str
    rust: str
    lowest_glibc: int
    oci: str | None = None
    oci_variant: str | None = None
    debian: str | None = None
    zig_lowest_glibc: int | None = None
    assumed_glibc: int | None = None


@lru_cache(maxsize=1)
def architectures() -> dict[Arch, ArchWords]:
    """Return the words of every architecture."""
    table = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))["arch"]
    return {
        Arch(name): ArchWords(arch=Arch(name), **{**value, "aliases": tuple(value["aliases"])})
        for name, value in table.items()
    }


@lru_cache(maxsize=1)
def _by_alias() -> dict[str, Arch]:
    return {alias: words.arch for words in architectures().values() for alias in words.aliases}


def find_arch(word: str) -> Arch | None:
    """Return the architecture that any ecosystem calls `word`."""
    return _by_alias().get(word.lower())


def assumed_libc(arch: Arch, kind: LibcKind) -> Libc:
    """Return the floor that a name without one gets."""
    if kind is LibcKind.MUSL:
        return Libc(kind, *ASSUMED_MUSL)
    assumed = architectures()[arch].assumed_glibc
    return Libc(kind, 2, assumed) if assumed else Libc(kind, *ASSUMED_GLIBC)
