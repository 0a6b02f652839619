"""Which glibc a symbol came with: for those that a binary asks for by no version (`glibc_symbols.txt`)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from crossdock.target.arches import lowest_glibc

if TYPE_CHECKING:
    from crossdock.target.model import Arch


@cache
def glibc_since(arch: Arch) -> dict[str, tuple[int, int] | None]:
    """Return the symbols that not every glibc of a CPU's wheels has, with the first that has each."""
    lowest = (2, lowest_glibc(arch))
    found: dict[str, tuple[int, int] | None] = {}
    text = (resources.files(__package__) / "glibc_symbols.txt").read_text("utf-8")
    for line in text.splitlines():
        first, _, names = line.partition(" ")
        number, _, only = first.partition("@")
        if first == "#" or only not in {"", arch.value}:
            continue
        major, _, minor = number.partition(".")
        version = (int(major), int(minor))
        if version > lowest:
            found |= dict.fromkeys(names.split(), version)
    return found
