"""Gzip members (RFC 1952) with nothing in them that tells when, where or by what they were written."""

from __future__ import annotations

from zlib import crc32

from crossdock.archive import deflate

#: ID1 ID2, CM 8, no flags, MTIME 0, XFL 0, OS 255 (unknown). Kept at exactly ten bytes: a reader of seekable
#: layers once counted on it (awslabs/soci-snapshotter, issue 382).
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def trailer(crc: int, size: int) -> bytes:
    """Return a member's end: CRC-32 and size in bytes modulo 2^32 of what it unpacks to."""
    return crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def wrap(stream: bytes, plain: bytes) -> bytes:
    """Return the member around a deflate stream that unpacks to `plain`."""
    return b"".join((HEADER, stream, trailer(crc32(plain), len(plain))))


def headers_member(plain: bytes) -> bytes:
    """Return a member of tar headers."""
    return wrap(deflate.headers(plain), plain)
