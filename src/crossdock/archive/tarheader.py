"""One header block of a tar, read strictly: checksum, magic, numbers, text (POSIX.1-2017, ustar; GNU tar manual)."""

from __future__ import annotations

import re
from typing import NamedTuple

BLOCK = 512

_USTAR = b"ustar\x0000"
_GNU = b"ustar  \x00"
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_EMPTY = re.compile(rb"[ \0]*")


class BadHeaderError(Exception):
    """A header that breaks the format; `rule` is the tail of an error code."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


class Header(NamedTuple):
    """The fields that matter, as the block states them."""

    name: bytes
    mode: int
    size: int
    mtime: int
    kind: bytes
    link: bytes


def parse_header(block: bytes) -> Header:
    """Return the fields of a header block; raise `BadHeaderError` for anything that readers could take differently."""
    if len(block) < BLOCK:
        raise BadHeaderError("TRUNCATED", "the archive ends within a header")
    stated = _number(block[148:156], "checksum")
    if stated != sum(block) - sum(block[148:156]) + 8 * 32:
        raise BadHeaderError("CHECKSUM", "a header's checksum is wrong")
    magic = block[257:265]
    if magic not in {_USTAR, _GNU}:
        raise BadHeaderError("MAGIC", "neither a POSIX nor a GNU header")
    name = _text(block[:100])
    # GNU puts times where POSIX has the prefix.
    prefix = _text(block[345:500]) if magic == _USTAR else b""
    return Header(
        name=prefix + b"/" + name if prefix else name,
        mode=_number(block[100:108], "mode"),
        size=_number(block[124:136], "size"),
        mtime=_number(block[136:148], "mtime"),
        kind=block[156:157],
        link=_text(block[157:257]),
    )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str) -> int:
    """Return an octal number, or GNU's base 256 (first bit set); negative ones are refused."""
    if field[0] == 0x80:  # noqa: PLR2004  # GNU tar manual, "Extensions to tar"
        return int.from_bytes(field[1:], "big")
    if _EMPTY.fullmatch(field):
        return 0
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise BadHeaderError("NUMBER", f"the {what} of a header is not an octal number")
    return int(found[1], 8)
