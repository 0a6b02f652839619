"""Debian's libraries without the needless part of what they ask of the C library.

glibc 2.27 and 2.29 gave `pow` and its like new versions that no longer call a handler of System V (its NEWS of those
releases); the old ones stay for ever. A library that was linked on Debian asks for the new ones only since they were
there, as what zig links for an older glibc asks for the old ones. With the old ones asked for, a library of bullseye
runs on glibc 2.28 and older.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.build.sysroot.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Sections by their type: gabi, and the LSB for those of GNU.
_DYNSYM, _VERSYM, _VERNEED = 11, 0x6FFFFFFF, 0x6FFFFFFE
_VERSION_INDEX = 0x7FFF


@dataclass(frozen=True, slots=True)
class _Section:
    offset: int
    size: int
    link: int


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

    def text(self, strings: _Section, at: int) -> bytes:
        begin = strings.offset + at
        return self.data[begin : self.data.index(b"\0", begin)]

    def needs(self, section: _Section) -> Iterator[tuple[int, int]]:
        """Yield (offset of the file's name, offset of the record) of each version needed (LSB 5, 10.7.3)."""
        at = section.offset
        while True:
            _version, count, file, first, following = struct.unpack_from(f"{self.order}HHIII", self.data, at)
            inner = at + first
            for _ in range(count):
                yield file, inner
                inner += struct.unpack_from(f"{self.order}12xI", self.data, inner)[0]
            if not following:
                return
            at += following

    def symbols(self) -> Iterator[tuple[bytes, int]]:
        """Yield each dynamic symbol's name with the index of its version."""
        symbols, versions = self.section(_DYNSYM), self.section(_VERSYM)
        if symbols is None or versions is None:
            return
        size = 24 if self.wide else 16
        strings = self.linked(symbols)
        for number in range(symbols.size // size):
            (name,) = struct.unpack_from(f"{self.order}I", self.data, symbols.offset + number * size)
            (index,) = struct.unpack_from(f"{self.order}H", self.data, versions.offset + number * 2)
            yield self.text(strings, name), index & _VERSION_INDEX


def lowered(data: bytes, architecture: str) -> bytes | None:
    """Return a shared library's bytes with the oldest versions of functions whose new ones are as good, if any.

    None where nothing can be lowered: another version is needed for more than those functions, or `data` is no ELF.
    """
    rules: dict[str, Any] = table()["lowered"]
    base = rules["oldest"].get(architecture)
    if base is None or data[:4] != b"\x7fELF":
        return None
    try:
        return _lowered(_Elf(data), base.encode(), rules["functions"])
    except (struct.error, ValueError, IndexError):
        return None  # Broken, or of a form that Debian's have not: left as it is.


def _lowered(elf: _Elf, base: bytes, functions: dict[str, list[str]]) -> bytes | None:
    section = elf.section(_VERNEED)
    if section is None:
        return None
    strings = elf.linked(section)
    place = elf.data.find(b"\0" + base + b"\0", strings.offset, strings.offset + strings.size)
    if place < 0:
        return None
    used: dict[int, set[bytes]] = {}
    for name, index in elf.symbols():
        used.setdefault(index, set()).add(name)
    changed = bytearray(elf.data)
    for file, record in elf.needs(section):
        _hash, _flags, index, name = struct.unpack_from(f"{elf.order}IHHI", elf.data, record)
        allowed = {one.encode() for one in functions.get(elf.text(strings, name).decode("latin-1"), ())}
        if elf.text(strings, file) == b"libm.so.6" and allowed and used.get(index, set()) <= allowed:
            struct.pack_into(f"{elf.order}I", changed, record, _elf_hash(base))
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
