"""Symbols of a Mach-O module that the link left open (`-undefined dynamic_lookup`): no library was found to have them."""

from __future__ import annotations

import struct

_MAGIC = {b"\xcf\xfa\xed\xfe": (32, "<IBBHQ"), b"\xce\xfa\xed\xfe": (28, "<IBBhI")}
_SYMTAB = 0x2
#: <mach-o/nlist.h>: debugging entries, the kind, and what others see; an undefined one's flags and library.
_STAB, _TYPE, _EXTERNAL, _WEAK_REF = 0xE0, 0x0E, 0x01, 0x40
#: Libraries that are none: zig's linker writes the first, Apple's the second.
_NO_LIBRARY = frozenset({0x00, 0xFE})
#: MH_TWOLEVEL of <mach-o/loader.h>: without it no symbol says which library has it.
_TWO_LEVELS = 0x80


def symbols_looked_up(content: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a thin Mach-O file asks of no certain library, and not weakly, and what it defines for others.

    Names are those of C, without the underscore before them. Empty for anything else and for what is broken: others
    prove that a binary is sound.
    """
    asked: set[str] = set()
    defined: set[str] = set()
    if content[:4] not in _MAGIC:
        return frozenset(), frozenset()
    try:
        for name, kind, flags in _symbols(content):
            if kind & _STAB or not kind & _EXTERNAL:
                continue
            if kind & _TYPE:
                defined.add(name)
            elif (flags & 0xFFFF) >> 8 in _NO_LIBRARY and not flags & _WEAK_REF:
                asked.add(name)
    except (struct.error, ValueError):
        return frozenset(), frozenset()
    return frozenset(asked), frozenset(defined)


def _symbols(content: bytes) -> list[tuple[str, int, int]]:
    at, form = _MAGIC[content[:4]]
    found: list[tuple[str, int, int]] = []
    if not struct.unpack_from("<I", content, 24)[0] & _TWO_LEVELS:
        return found
    for _command in range(struct.unpack_from("<I", content, 16)[0]):
        command, size = struct.unpack_from("<II", content, at)
        if command == _SYMTAB:
            table, count, names, _size = struct.unpack_from("<IIII", content, at + 8)
            for number in range(count):
                place, kind, _section, flags, _value = struct.unpack_from(
                    form, content, table + number * struct.calcsize(form)
                )
                start = names + place
                name = content[start : content.index(0, start)].decode("utf-8", "replace")
                found.append((name.removeprefix("_"), kind, flags))
        at += size
    return found
