"""A zip builder without judgement: every field of every header can be made a lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class RawEntry:
    """One entry; `local` and `central` override fields of that header by name."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    raw: bytes | None = None
    #: Bytes that lie before the local header and belong to nobody.
    before: bytes = b""
    #: Bytes behind the data: a descriptor.
    after: bytes = b""
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    local: dict[str, object] = field(default_factory=dict)
    central: dict[str, object] = field(default_factory=dict)
    #: Write no local header and data: the central entry points elsewhere.
    only_central: bool = False

    def stream(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return deflate(self.content) if self.method == 8 else self.content

    def fields(self, offset: int) -> dict[str, object]:
        return {
            "need": 20,
            "flags": self.flags,
            "method": self.method,
            "time": 0,
            "date": 33,
            "crc": zlib.crc32(self.content),
            "csize": len(self.stream()),
            "size": len(self.content),
            "name": self.name,
            "disk": 0,
            "attributes": self.mode << 16,
            "offset": offset,
        }


def deflate(content: bytes) -> bytes:
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return engine.compress(content) + engine.flush()


def descriptor(
    content: bytes, raw: bytes, *, signature: bool = True, wide: bool = False, crc: int | None = None
) -> bytes:
    """Return the data descriptor of a member."""
    head = b"PK\x07\x08" if signature else b""
    crc = zlib.crc32(content) if crc is None else crc
    return head + struct.pack("<L2Q" if wide else "<3L", crc, len(raw), len(content))


def local_header(fields: dict[str, object], extra: bytes) -> bytes:
    name = fields["name"]
    assert isinstance(name, bytes)
    numbers = [fields[key] for key in ("need", "flags", "method", "time", "date", "crc", "csize", "size")]
    return struct.pack("<4s5H3L2H", b"PK\x03\x04", *numbers, len(name), len(extra)) + name + extra


def central_header(fields: dict[str, object], extra: bytes, comment: bytes) -> bytes:
    name = fields["name"]
    assert isinstance(name, bytes)
    numbers = [fields[key] for key in ("need", "flags", "method", "time", "date", "crc", "csize", "size")]
    tail = (len(name), len(extra), len(comment), fields["disk"], 0, fields["attributes"], fields["offset"])
    return struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0x0314, *numbers, *tail) + name + extra + comment


def raw_zip(
    entries: list[RawEntry],
    *,
    comment: bytes = b"",
    gap: bytes = b"",
    suffix: bytes = b"",
    end: dict[str, int] | None = None,
    zip64: dict[str, int] | None = None,
) -> bytes:
    """Return a zip of `entries`; `gap` lies before the directory, `suffix` behind the end, `end` overrides fields."""
    body = b""
    directory = b""
    for entry in entries:
        body += entry.before
        offset = len(body)
        if not entry.only_central:
            fields = {**entry.fields(offset), **entry.local}
            body += local_header(fields, entry.local_extra) + entry.stream() + entry.after
        directory += central_header(
            {**entry.fields(offset), **entry.central}, entry.central_extra, entry.comment
        )
    body += gap
    values = {"disk": 0, "start": 0, "here": len(entries), "entries": len(entries)}
    values |= {"size": len(directory), "offset": len(body), "comment": len(comment)}
    middle = b""
    if zip64 is not None:
        wide = {**values, "length": 44, "record": len(body) + len(directory), "disks": 1, **zip64}
        keys = ("disk", "start", "here", "entries", "size", "offset")
        middle = struct.pack(
            "<4sQ2H2L4Q", b"PK\x06\x06", wide["length"], 45, 45, *(wide[key] for key in keys)
        )
        middle += struct.pack("<4sLQL", b"PK\x06\x07", 0, wide["record"], wide["disks"])
    values |= end or {}
    return (
        body
        + directory
        + middle
        + struct.pack("<4s4H2LH", b"PK\x05\x06", *values.values())
        + comment
        + suffix
    )
