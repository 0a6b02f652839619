"""Debian's static libraries, made fit to become part of an extension module.

They are compiled to be part of programs (`-fPIE`), where a name of a library's own is called directly. A linker takes
that for a shared object only if nobody else could bring that name, so every name is made hidden; an extension module
does not export them either, then. What is undefined and newer than the oldest glibc is asked for by its older name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossdock.build.sysroot.lowered import older_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"!<arch>\n"
_HEADER = 60
_SYMTAB = 2
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_HIDDEN = 2


@dataclass
class Fitted:
    """A static library whose names are hidden, the names it defines, and those that it needs of others."""

    data: bytearray
    defined: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)

    @property
    def needs(self) -> set[str]:
        """The names that it does not bring itself."""
        return self.wanted - self.defined


def fit(data: bytes) -> Fitted | None:
    """Return a static library with its names hidden, None for what is no archive of ELF objects."""
    if data[:8] != _MAGIC:
        return None
    fitted = Fitted(bytearray(data))
    try:
        for start, size in _members(fitted.data):
            if fitted.data[start : start + 4] == b"\x7fELF":
                _Object(fitted, start, size).fit()
    except (struct.error, ValueError, IndexError):
        return None  # Broken, or of a form that Debian's have not: left as it is.
    return fitted


def _members(data: bytearray) -> Iterator[tuple[int, int]]:
    """Yield where each member begins, and its size (ar(5))."""
    place = len(_MAGIC)
    while place + _HEADER <= len(data):
        size = int(data[place + 48 : place + 58])
        yield place + _HEADER, size
        place += _HEADER + size + size % 2


class _Object:
    """A relocatable object within an archive; changed in place, byte for byte of the same size."""

    def __init__(self, fitted: Fitted, start: int, size: int) -> None:
        self._fitted = fitted
        self._data = fitted.data
        self._start = start
        self._end = start + size
        self._wide = self._data[start + 4] == 2  # noqa: PLR2004 - ELFCLASS64
        self._order = "<" if self._data[start + 5] == 1 else ">"

    def fit(self) -> None:
        at, layout = (40, "Q10xHH") if self._wide else (32, "I10xHH")
        offset, size, count = self._read(layout, self._start + at)
        sections = [self._start + offset + number * size for number in range(count)]
        for section in sections:
            if self._read("I", section + 4)[0] == _SYMTAB:
                self._symbols(section, sections)

    def _read(self, layout: str, place: int) -> tuple[Any, ...]:
        return struct.unpack_from(self._order + layout, self._data, place)

    def _extent(self, section: int) -> tuple[int, int, int]:
        layout, at = ("QQI", 24) if self._wide else ("III", 16)
        offset, size, link = self._read(layout, section + at)
        return self._start + offset, size, link

    def _symbols(self, section: int, sections: list[int]) -> None:
        first, size, link = self._extent(section)
        # Local ones come first, and `sh_info` is their number (gabi, chapter 4).
        (local,) = self._read("I", section + (44 if self._wide else 28))
        strings, length, _link = self._extent(sections[link])
        if not self._start <= strings <= strings + length <= self._end:
            raise ValueError(strings)
        step, info = (24, 4) if self._wide else (16, 12)
        for symbol in range(first + local * step, first + size, step):
            (name,) = self._read("I", symbol)
            (where,) = self._read("H", symbol + info + 2)
            binding = self._data[symbol + info] >> 4
            if not name or binding not in {_GLOBAL, _WEAK, _UNIQUE}:
                continue
            begin = strings + name
            text = self._data[begin : self._data.index(0, begin, strings + length)].decode("latin-1")
            if where:
                self._hide(symbol + info, binding)
                self._fitted.defined.add(text)
            elif binding != _WEAK:
                self._fitted.wanted.add(self._renamed(text, symbol, begin))

    def _hide(self, info: int, binding: int) -> None:
        if binding == _UNIQUE:
            # One in the whole process: as a hidden one it is weak in its own module.
            self._data[info] = _WEAK << 4 | self._data[info] & 15
        if not self._data[info + 1] & 3:
            self._data[info + 1] |= _HIDDEN

    def _renamed(self, text: str, symbol: int, begin: int) -> str:
        """Give an undefined symbol its older name, where that can be had without another table of names."""
        other = older_name(text)
        if other == text or not self._wide:
            return text
        if text.endswith(other):
            # Names may begin within others.
            name = self._read("I", symbol)[0] + len(text) - len(other)
            struct.pack_into(f"{self._order}I", self._data, symbol, name)
            return other
        if self._data[begin - 1]:
            return text  # Another name ends with it.
        self._data[begin : begin + len(text)] = other.encode().ljust(len(text), b"\0")
        return other
