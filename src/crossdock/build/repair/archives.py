"""The members of a static library (ar(5)), as far as they must be seen to know what they are built for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"!<arch>\n"
_HEADER = 60
#: One compiler makes all of a library.
_MOST = 16


def archive_members(content: bytes) -> Iterator[bytes]:
    """Yield the first members; nothing for a thin archive, which has only names, and no more after what is broken."""
    if not content.startswith(_MAGIC):
        return
    at = len(_MAGIC)
    for _ in range(_MOST):
        header = content[at : at + _HEADER]
        digits = header[48:58].strip()
        if len(header) < _HEADER or not digits.isdigit():
            return
        size, at = int(digits), at + _HEADER
        name = header[:16].rstrip()
        # BSD's long names stand before the content, their length in the name.
        skip = int(name[3:]) if name.startswith(b"#1/") and name[3:].isdigit() else 0
        yield content[at + skip : at + size]
        at += size + size % 2
