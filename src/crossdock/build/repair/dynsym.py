"""The dynamic symbols of an ELF file (gABI, chapters 4 and 5), every table held against the file's own size.

By the sections, as linkers see them: a file without has none. Made for libraries with hundreds of thousands, of anybody.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from crossdock.inspect.elf import MAGIC
from crossdock.inspect.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

_DYNSYM, _VERSYM = 11, 0x6FFFFFFF
#: STB_GLOBAL; SHN_UNDEF; VER_NDX_LOCAL and VER_NDX_GLOBAL, which are no versions.
_GLOBAL, _UNDEFINED, _NO_VERSION = 1, 0, 1
_MOST_SECTIONS = 65536


class Symbol(NamedTuple):
    """A symbol with a name: whether the file defines it, must find it (not weakly), and by a version or none."""

    name: str
    is_defined: bool
    is_needed: bool
    has_version: bool


class _Section(NamedTuple):
    type: int
    offset: int
    size: int
    link: int


def dynamic_symbols(content: bytes, path: str) -> Iterator[Symbol]:
    """Yield them in their order; `path` is for the message of `InspectError` (E-BINARY-*) where the file is broken."""
    reader = Reader(content, path)
    ident = reader.bytes(0, 6)
    if ident[:4] != MAGIC:
        raise reader.error("no ELF file", "E-BINARY-ELF")
    wide, order = ident[4] == 2, "<" if ident[5] == 1 else ">"  # noqa: PLR2004  # ELFCLASS64
    sections = list(_sections(reader, order, wide=wide))
    table = next((one for one in sections if one.type == _DYNSYM), None)
    if table is None:
        return
    if table.link >= len(sections):
        raise reader.error(f"section {table.link} of {len(sections)}", "E-BINARY-ELF")
    names = reader.bytes(sections[table.link].offset, sections[table.link].size)
    # Elf32_Sym: name, value, size, info, other, section. Elf64_Sym: name, info, other, section, value, size.
    layout = struct.Struct(f"{order}IBBHQQ" if wide else f"{order}IIIBBH")
    count = table.size // layout.size
    versions = _versions(reader, sections, order, count)
    for number, fields in enumerate(reader.table(layout, table.offset, count)):
        start, info, section = (
            (fields[0], fields[1], fields[3]) if wide else (fields[0], fields[3], fields[5])
        )
        end = names.find(b"\0", start)
        if start < end:
            name = names[start:end].decode("utf-8", "replace")
            undefined = section == _UNDEFINED
            needed = undefined and info >> 4 == _GLOBAL
            yield Symbol(name, not undefined, needed, versions[number] > _NO_VERSION)


def _sections(reader: Reader, order: str, *, wide: bool) -> Iterator[_Section]:
    (at,) = reader.unpack(struct.Struct(f"{order}{'Q' if wide else 'I'}"), 40 if wide else 32)
    size, count = reader.unpack(struct.Struct(f"{order}HH"), 58 if wide else 46)
    # name, type, flags, address, offset, size, link, info, alignment, entry's size
    layout = struct.Struct(f"{order}IIQQQQIIQQ" if wide else f"{order}10I")
    if not at:
        return
    if size != layout.size:
        raise reader.error(f"section headers of {size} bytes", "E-BINARY-ELF")
    if not count:
        # gABI: with 0xff00 or more the number is the size of the first.
        count = reader.unpack(layout, at)[5]
    if count > _MOST_SECTIONS:
        raise reader.error(f"{count} sections", "E-BINARY-ELF")
    for row in reader.table(layout, at, count):
        yield _Section(row[1], row[4], row[5], row[6])


def _versions(reader: Reader, sections: list[_Section], order: str, count: int) -> tuple[int, ...]:
    """Return what .gnu.version says of each symbol; all without a version where the file has no such section."""
    found = next((one for one in sections if one.type == _VERSYM), None)
    if found is None or not count:
        return (_NO_VERSION,) * count if found is None else ()
    return reader.unpack(struct.Struct(f"{order}{count}H"), found.offset)
