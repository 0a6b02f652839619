"""The symbols of C libraries as zig brings them: glibc's with the version that each came with, musl's by name.

zig links against stubs that it makes of these lists (zig's src/libs/glibc.zig, `loadMetaData` and
`buildSharedObjects`; lib/libc/musl/libc.S), so what they do not have is in no C library of the target.
"""

from __future__ import annotations

import re

#: Bits of a byte: the last of its kind, and the rest.
_LAST, _REST = 0x80, 0x7F
_GLOBAL = re.compile(r"^(?:\.globl|\.weak|WEAK\w*)\s+(\w+)", re.MULTILINE)


def glibc_symbols(data: bytes, target: str) -> dict[str, tuple[int, int]]:
    """Return the first version of glibc that has each symbol, on `target` (`aarch64-linux-gnu`); empty if unknown.

    `data` is zig's `abilists`. Raise `ValueError` or `IndexError` for anything else.
    """
    reader = _Reader(data)
    for _library in range(reader.byte()):
        reader.text()
    versions = [(reader.byte(), reader.byte(), reader.byte())[:2] for _ in range(reader.byte())]
    targets = [reader.text() for _ in range(reader.byte())]
    if target not in targets:
        return {}
    bit = 1 << targets.index(target)
    found: dict[str, tuple[int, int]] = {}
    # Functions, objects and thread-local objects; the latter two with their sizes.
    for sized in (False, True, True):
        left, name = reader.short(), ""
        while left:
            name = name or reader.text()
            on = reader.number()
            if sized:
                reader.number()
            last = reader.byte() & _LAST  # the rest of it is the library's number
            first = versions[min(reader.versions())]
            if on & bit and first < found.get(name, (99, 99)):
                found[name] = first
            left -= 1
            name = "" if last else name
    return found


def musl_symbols(text: str) -> frozenset[str]:
    """Return the symbols of musl, on any architecture; `text` is zig's `libc.S`."""
    return frozenset(_GLOBAL.findall(text))


class _Reader:
    """Bytes read from the first to the last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def short(self) -> int:
        return self.byte() | self.byte() << 8

    def text(self) -> str:
        start, self._at = self._at, self._data.index(0, self._at) + 1
        return self._data[start : self._at - 1].decode("ascii")

    def number(self) -> int:
        """Read an unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & _REST) << shift
            shift += 7
            if not byte & _LAST:
                return value

    def versions(self) -> list[int]:
        found = []
        while True:
            byte = self.byte()
            found.append(byte & _REST)
            if byte & _LAST:
                return found
