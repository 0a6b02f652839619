"""A zip parser that believes nothing: every byte of the file must be where APPNOTE 6.3 says, and belong to something."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
#: 1980-01-01, day and month counted from one.
_FIRST_DAY = 1 << 5 | 1


class Member(NamedTuple):
    """A file in a zip, its content inflated and checked."""

    name: str
    content: bytes
    mode: int  # st_mode, the file type included
    method: int
    packed: bytes


def parse(data: bytes) -> list[Member]:
    """Return the members of `data`, a zip of ours, in their order; `AssertionError` for whatever a zip of ours has not.

    No comment, no extra field, no data descriptor, no zip64, no directory; no byte twice or in nothing's possession;
    both headers of a member say the same; made by unix; 1980-01-01; UTF-8 flagged where the name needs it and only there.
    """
    signature, disk, start_disk, here, count, size, start, comment = _END.unpack(data[-_END.size :])
    assert (signature, disk, start_disk, comment) == (b"PK\x05\x06", 0, 0, 0)
    assert here == count
    assert start + size == len(data) - _END.size, "something lies between the directory and its end record"
    members = []
    at, local_at = start, 0
    for _ in range(count):
        central = _CENTRAL.unpack_from(data, at)
        common, name_size = central[3:10], central[10]
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + name_size]
        at += _CENTRAL.size + name_size
        assert at <= len(data) - _END.size
        signature, made_by, needed = central[:3]
        extra, comment, disk, internal, attributes, offset = central[11:]
        assert (signature, made_by, needed) == (b"PK\x01\x02", 3 << 8 | 20, 20)
        assert (extra, comment, disk, internal) == (0, 0, 0, 0)
        assert attributes & 0xFFFF == 0, "attributes of MS-DOS"
        assert offset == local_at, "members overlap, or leave a gap"
        flags, method, time, date, crc32, packed_size, plain_size = common
        local = _LOCAL.unpack_from(data, local_at)
        assert local[:2] == (b"PK\x03\x04", needed)
        assert local[2:9] == common, "the two headers differ"
        assert local[9:] == (name_size, 0)
        assert data[local_at + _LOCAL.size : local_at + _LOCAL.size + name_size] == name
        assert (time, date) == (0, _FIRST_DAY)
        assert flags == (0 if name.isascii() else 1 << 11), "no encryption, no data descriptor"
        body = local_at + _LOCAL.size + name_size
        local_at = body + packed_size
        assert local_at <= start, "a member reaches into the directory"
        packed = data[body:local_at]
        content = packed if method == 0 else _inflated(packed, method)
        assert (len(content), zlib.crc32(content)) == (plain_size, crc32)
        members.append(Member(name.decode("utf-8", "strict"), content, attributes >> 16, method, packed))
    assert local_at == start, "bytes before the directory that no member has"
    assert at == start + size, "bytes in the directory that no member has"
    return members


def _inflated(packed: bytes, method: int) -> bytes:
    assert method == 8
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    content = engine.decompress(packed)
    assert engine.eof
    assert not engine.unused_data, "bytes after the end of the compressed data"
    return content
