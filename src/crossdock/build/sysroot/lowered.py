"""Debian's libraries without the needless part of what they ask of the C library.

glibc 2.27 and 2.29 gave `pow` and its like new versions that no longer call a handler of System V (its NEWS of those
releases); the old ones stay for ever. A library that was linked on Debian asks for the new ones only since they were
there, as what zig links for an older glibc asks for the old ones. With the old ones asked for, a library of bullseye
runs on glibc 2.28 and older.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.build.sysroot.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Sections by their type: gabi, and the LSB for those of GNU.
_DYNSYM, _VERSYM, _VERNEED = 11, 0x6FFFFFFF, 0x6FFFFFFE
_VERSION_INDEX = 0x7FFF
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Section:
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class _Symbol:
    """A dynamic symbol: its place, its name's place, and the index of its version."""

    name: str
    place: int
    text: int
    version: int


class _Elf:
    """As much of a shared library as is looked at; `struct.error` for one that is cut short."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.wide = data[4] == 2  # noqa: PLR2004 - ELFCLASS64
        self.order = "<" if data[5] == 1 else ">"
        at, layout = (40, "Q10xHHH") if self.wide else (32, "I10xHHH")
        start, size, count, _names = struct.unpack_from(f"{self.order}{layout}", data, at)
        self._sections = [self._section(start + number * size) for number in range(count)]

    def _section(self, at: int) -> tuple[int, _Section]:
        layout = "4xI16xQQI" if self.wide else "4xI8xIII"
        kind, offset, size, link = struct.unpack_from(f"{self.order}{layout}", self.data, at)
        return kind, _Section(offset, size, link)

    def section(self, kind: int) -> _Section | None:
        return next((one for number, one in self._sections if number == kind), None)

    def linked(self, section: _Section) -> _Section:
        return self._sections[section.link][1]

    def text(self, strings: _Section, at: int) -> str:
        begin = strings.offset + at
        return self.data[begin : self.data.index(b"\0", begin)].decode("latin-1")

    def needs(self, section: _Section) -> Iterator[int]:
        """Yield where the record of each version lies that is needed of any library (LSB 5, 10.7.3)."""
        at = section.offset
        while True:
            _version, count, _file, first, following = struct.unpack_from(f"{self.order}HHIII", self.data, at)
            inner = at + first
            for _ in range(count):
                yield inner
                inner += struct.unpack_from(f"{self.order}12xI", self.data, inner)[0]
            if not following:
                return
            at += following

    def symbols(self) -> Iterator[_Symbol]:
        """Yield the dynamic symbols with the indexes of their versions."""
        symbols, versions = self.section(_DYNSYM), self.section(_VERSYM)
        if symbols is None or versions is None:
            return
        size = 24 if self.wide else 16
        strings = self.linked(symbols)
        for number in range(symbols.size // size):
            place = symbols.offset + number * size
            (name,) = struct.unpack_from(f"{self.order}I", self.data, place)
            (index,) = struct.unpack_from(f"{self.order}H", self.data, versions.offset + number * 2)
            yield _Symbol(self.text(strings, name), place, strings.offset + name, index & _VERSION_INDEX)

    def can_rename(self, symbol: _Symbol) -> bool:
        """Tell whether the older name fits: it ends the newer, or may be written over it."""
        other = older_name(symbol.name)
        return symbol.name.endswith(other) or not self.data[symbol.text - 1]

    def rename(self, symbol: _Symbol, changed: bytearray) -> None:
        """Give a symbol its older name; hash tables have what a library defines, and it defines none of these."""
        other = older_name(symbol.name)
        if symbol.name.endswith(other):
            (name,) = struct.unpack_from(f"{self.order}I", self.data, symbol.place)
            struct.pack_into(f"{self.order}I", changed, symbol.place, name + len(symbol.name) - len(other))
        else:
            end = symbol.text + len(symbol.name)
            changed[symbol.text : end] = other.encode().ljust(len(symbol.name), b"\0")


def older_name(name: str) -> str:
    """Return what a function of the C library was called before, its name where that did not change."""
    return str(table()["lowered"]["renamed"].get(name, name))


def newest_glibc(data: bytes) -> tuple[int, int]:
    """Return the newest version of glibc that a shared library asks for, (0, 0) for none and for what is no ELF."""
    if data[:4] != b"\x7fELF":
        return (0, 0)
    try:
        elf = _Elf(data)
        section = elf.section(_VERNEED)
        if section is None:
            return (0, 0)
        strings = elf.linked(section)
        places = [struct.unpack_from(f"{elf.order}I", data, record + 8)[0] for record in elf.needs(section)]
        found = [_GLIBC.fullmatch(elf.text(strings, place)) for place in places]
    except (struct.error, ValueError, IndexError):
        return (0, 0)
    return max(((int(one[1]), int(one[2])) for one in found if one is not None), default=(0, 0))


def lowered(data: bytes, architecture: str) -> bytes | None:
    """Return a shared library's bytes with the oldest versions of functions whose new ones are as good, if any.

    None where nothing can be lowered: another version is needed for more than those functions, or `data` is no ELF.
    """
    oldest = table()["lowered"]["oldest"].get(architecture)
    if oldest is None or data[:4] != b"\x7fELF":
        return None
    try:
        return _lowered(_Elf(data), oldest.encode())
    except (struct.error, ValueError, IndexError):
        return None  # Broken, or of a form that Debian's have not: left as it is.


def _lowered(elf: _Elf, oldest: bytes) -> bytes | None:
    section = elf.section(_VERNEED)
    if section is None or not elf.wide:
        return None
    strings = elf.linked(section)
    place = elf.data.find(b"\0" + oldest + b"\0", strings.offset, strings.offset + strings.size)
    if place < 0:
        return None
    used: dict[int, list[_Symbol]] = {}
    for symbol in elf.symbols():
        used.setdefault(symbol.version, []).append(symbol)
    changed = bytearray(elf.data)
    for record in elf.needs(section):
        _hash, _flags, index, name = struct.unpack_from(f"{elf.order}IHHI", elf.data, record)
        allowed = table()["lowered"]["functions"].get(elf.text(strings, name), ())
        mine = used.get(index, [])
        if allowed and all(symbol.name in allowed and elf.can_rename(symbol) for symbol in mine):
            for symbol in mine:
                elf.rename(symbol, changed)
            struct.pack_into(f"{elf.order}I", changed, record, _elf_hash(oldest))
            struct.pack_into(f"{elf.order}I", changed, record + 8, place + 1 - strings.offset)
    return None if changed == elf.data else bytes(changed)


def _elf_hash(name: bytes) -> int:
    """Hash a version's name as the dynamic linker does (gabi, chapter 5)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value
