"""What an ELF file asks its dynamic linker for: a reader of just that, quick enough for all programs of a host.

`inspect/elf.py` judges shipped files and reads much more; these are the host's own.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3  # p_type
_NEEDED, _STRING_TABLE = 1, 5  # d_tag
_WIDE, _LITTLE = 2, 1  # EI_CLASS, EI_DATA


@dataclass(frozen=True, slots=True)
class Needs:
    """The program interpreter and the libraries; `kind` (class, order and machine) is empty for what is no ELF file."""

    kind: bytes = b""
    interpreter: str | None = None
    libraries: tuple[str, ...] = ()


@cache
def needs_of(path: Path) -> Needs:
    """Read `path`; what cannot be read or is no ELF file (a script) needs nothing."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                return Needs()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data)
    except (OSError, struct.error, ValueError, IndexError, OverflowError):
        return Needs()


def _read(data: mmap.mmap) -> Needs:
    wide, order = data[4] == _WIDE, "<" if data[5] == _LITTLE else ">"
    kind = data[4:6] + data[18:20]
    (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
    header = struct.Struct(order + ("I4xQQ8xQ" if wide else "III4xI"))
    loads: list[tuple[int, int, int]] = []
    dynamic, interpreter = b"", None
    for index in range(count):
        what, at, address, length = header.unpack_from(data, offset + index * size)
        if what == _LOAD:
            loads.append((address, at, length))
        elif what == _DYNAMIC:
            dynamic = data[at : at + length]
        elif what == _INTERPRETER:
            interpreter = data[at : at + length].rstrip(b"\0").decode()
    entry = struct.Struct(order + ("QQ" if wide else "II"))
    pairs = list(entry.iter_unpack(dynamic[: len(dynamic) // entry.size * entry.size]))
    table = next((value for tag, value in pairs if tag == _STRING_TABLE), 0)
    starts = [table - address + at for address, at, length in loads if address <= table < address + length]
    if not pairs or not starts:
        return Needs(kind, interpreter)
    names = [starts[0] + value for tag, value in pairs if tag == _NEEDED]
    return Needs(kind, interpreter, tuple(data[at : data.find(b"\0", at)].decode() for at in names))
