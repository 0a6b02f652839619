"""Places that people deploy to, by the name they know: loaded from presets.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.target.arches import ALIASES
from crossdock.target.model import Arch, Libc, LibcKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: AWS writes arm64 where wheels say aarch64.
_LAMBDA_WORDS = {Arch.X86_64: "x86_64", Arch.AARCH64: "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One place without its architecture; `python` is a version to parse, None where the place has none."""

    name: str
    meaning: str
    arches: tuple[Arch, ...]
    libc: Libc
    python: str | None = None
    #: The name says the Python version: another one is a contradiction.
    python_in_name: bool = False
    aliases: tuple[str, ...] = ()
    arch_words: str = ""
    base_libraries: frozenset[str] | None = None

    def arch_word(self, arch: Arch) -> str:
        """Return the architecture as this place's users write it."""
        if self.arch_words == "lambda":
            return _LAMBDA_WORDS[arch]
        return {Arch.AARCH64: "arm64", Arch.X86_64: "amd64"}.get(arch, str(arch))


def _text() -> str:
    """Read the data beside this module, from a directory or a zip file as it was imported.

    By its loader: importing `importlib.resources` takes longer than all else here.
    """
    beside = __file__.rpartition("presets.py")[0] + "presets.toml"
    loader: Any = __spec__.loader
    content: bytes = loader.get_data(beside)
    return content.decode("utf-8")


@lru_cache(maxsize=1)
def presets() -> tuple[Preset, ...]:
    """Return every preset, one for each Python that a name can hold."""
    table = tomllib.loads(_text())
    found: list[Preset] = []
    for entry in table["preset"]:
        kind = LibcKind.MUSL if "musl" in entry else LibcKind.GLIBC
        major, _, minor = entry[str(kind)].partition(".")
        base = entry.get("base_libraries")
        for python in entry.get("pythons", [entry.get("python")]):
            found.append(  # noqa: PERF401  # a comprehension of this size is no longer one thought
                Preset(
                    name=entry["name"].format(python=python),
                    meaning=entry["meaning"],
                    arches=tuple(map(Arch, entry["arches"])),
                    libc=Libc(kind, int(major), int(minor)),
                    python=python,
                    python_in_name="pythons" in entry,
                    aliases=tuple(entry.get("aliases", ())),
                    arch_words=entry.get("arch_words", ""),
                    base_libraries=None if base is None else frozenset(base),
                )
            )
    return tuple(found)


@lru_cache(maxsize=1)
def by_name() -> dict[str, tuple[Preset, Arch | None]]:
    """Return preset and architecture of every preset by every name of it."""
    return names_of(presets())


def names_of(known: Iterable[Preset]) -> dict[str, tuple[Preset, Arch | None]]:
    """Return preset and architecture by every name: alone (the first architecture) and with one behind it."""
    names: dict[str, tuple[Preset, Arch | None]] = {}
    for preset in known:
        for name in (preset.name, *preset.aliases):
            names[name] = (preset, None)
            for arch in preset.arches:
                for word in (preset.arch_word(arch), *ALIASES[arch]):
                    if "/" not in word:
                        names[f"{name}-{word}"] = (preset, arch)
    return names
