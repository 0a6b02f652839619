"""ELF files made by hand, as small as a reader of binaries lets them be."""

from __future__ import annotations

import struct

MACHINES = {"x86_64": 62, "aarch64": 183}

# Tags of the dynamic section: gABI, chapter 5, and the GNU symbol versioning extension.
_NEEDED, _STRTAB, _STRSZ, _VERNEED, _VERNEEDNUM = 1, 5, 10, 0x6FFFFFFE, 0x6FFFFFFF


def glibc_elf(machine: str, *versions: str) -> bytes:
    """A shared object that needs symbol versions (`GLIBC_2.28`) of libc.so.6."""
    names = b"\0libc.so.6\0" + b"".join(version.encode() + b"\0" for version in versions)
    at = 64 + 2 * 56
    length = 16 * 6
    needs = at + length
    strings = needs + 16 * (len(versions) + 1)
    rows = (
        (_NEEDED, 1),
        (_STRTAB, strings),
        (_STRSZ, len(names)),
        (_VERNEED, needs),
        (_VERNEEDNUM, 1),
        (0, 0),
    )
    dynamic = b"".join(struct.pack("<QQ", *row) for row in rows)
    table = struct.pack("<HHIII", 1, len(versions), 1, 16, 0)
    for number, version in enumerate(versions):
        following = 16 if number + 1 < len(versions) else 0
        place = names.index(b"\0" + version.encode() + b"\0") + 1
        table += struct.pack("<IHHII", 0, 0, number + 2, place, following)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    size = strings + len(names)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 0x1000)
    own = struct.pack("<IIQQQQQQ", 2, 6, at, at, at, length, length, 8)
    return header + load + own + dynamic + table + names
