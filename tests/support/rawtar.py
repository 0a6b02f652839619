"""A tar builder without judgement: every field of a header can be made a lie."""

from __future__ import annotations

import gzip


def header(
    name: bytes = b"demo-1.0/x",
    *,
    size: int | bytes = 0,
    kind: bytes = b"0",
    mode: int = 0o644,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """Return one header block; `size` as bytes stands in the field as it is."""
    stated = size.ljust(12, b"\0") if isinstance(size, bytes) else b"%011o\0" % size
    block = name.ljust(100, b"\0") + b"%07o\0" % mode + b"0000000\0" * 2 + stated + b"00000000000\0"
    block += b" " * 8 + kind + link.ljust(100, b"\0") + magic + bytes(64) + b"0000000\0" * 2
    block += prefix.ljust(155, b"\0") + bytes(12)
    return block[:148] + (checksum or b"%06o\0 " % sum(block)) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def file(name: bytes = b"demo-1.0/x", content: bytes = b"", **fields: object) -> bytes:
    """Return a header with its content."""
    return header(name, **{"size": len(content), **fields}) + padded(content)  # type: ignore[arg-type]


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    """Return a pax header with `records` as they are."""
    return file(b"PaxHeader", records, kind=kind)


def record(key: bytes, value: bytes) -> bytes:
    """Return a well-formed pax record."""
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length = len(str(length)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


END = bytes(1024)
PKG_INFO = file(b"demo-1.0/PKG-INFO", b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")


def sdist(*parts: bytes, end: bytes = END) -> bytes:
    """Return a gzipped tar of PKG-INFO and `parts`."""
    return gzip.compress(PKG_INFO + b"".join(parts) + end, mtime=0)
