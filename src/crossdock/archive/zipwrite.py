"""A zip writer whose bytes depend on its input alone: no clock, no modes of the host, no compressor unless asked."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from crossdock.archive.zipformat import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    EXTRA_ZIP64,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR,
    LOCATOR_SIGNATURE,
    ONES16,
    ONES32,
    STORED,
)
from crossdock.safepath import PathRules, PathSet, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

#: 1980-01-01 00:00:00, the first date that a zip can hold.
DOS_EPOCH = 0x0021 << 16

#: libdeflate's level; with the pinned version (ADR 8) it decides the bytes. On numpy 9 takes 2.5 times as long for 0.6 %.
_LEVEL = 6

_UNIX = 3
_VERSION = 20
_VERSION_ZIP64 = 45


class Sink(Protocol):
    """What is written to."""

    def write(self, data: bytes, /) -> object: ...  # noqa: D102


class _Written(NamedTuple):
    name: bytes
    flags: int
    method: int
    crc32: int
    compressed: int
    size: int
    mode: int
    offset: int


class ZipWriter:
    """Writes members in the order they are added, to anything with `write`; nothing is ever sought or read back.

    Usage::

        with ZipWriter(out) as archive:
            archive.add("demo/__init__.py", b"")
            archive.add_raw("demo/big.so", raw, size=..., crc32=..., method=8, executable=True)

    Names are checked by `rules` and must not collide (`ArchiveError`). Sorting is the caller's: an installer
    wants RECORD last. `dos_time` is the date of every member.
    """

    def __init__(self, out: Sink, *, rules: PathRules = PathRules.ANY, dos_time: int = DOS_EPOCH) -> None:
        self._out = out
        self._rules = rules
        self._time = dos_time
        self._paths = PathSet(rules)
        self._written: list[_Written] = []
        self._offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def add(self, name: str, content: bytes, *, executable: bool = False, compress: bool = False) -> None:
        """Add a file. Compressed, its bytes depend on this host's zlib; stored, on nothing."""
        raw, method = content, STORED
        if compress:
            engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
            deflated = engine.compress(content) + engine.flush()
            if len(deflated) < len(content):
                raw, method = deflated, DEFLATED
        size, crc = len(content), zlib.crc32(content)
        self.add_raw(name, raw, size=size, crc32=crc, method=method, executable=executable)

    def add_deflated(self, name: str, content: bytes, *, executable: bool = False) -> None:
        """Add a file compressed by libdeflate at one pinned version (ADR 8), the same on every host, or stored."""
        import deflate  # only where something is compressed here

        raw, method = bytes(deflate.deflate_compress(content, _LEVEL)), DEFLATED
        if len(raw) >= len(content):
            raw, method = content, STORED
        size, crc = len(content), zlib.crc32(content)
        self.add_raw(name, raw, size=size, crc32=crc, method=method, executable=executable)

    def add_raw(
        self, name: str, raw: bytes, *, size: int, crc32: int, method: int, executable: bool = False
    ) -> None:
        """Add a file by the bytes that lie in another zip (`ZipArchive.raw`), without compressing them again."""
        self.add_raw_chunks(
            name,
            (raw,),
            compressed=len(raw),
            size=size,
            crc32=crc32,
            method=method,
            executable=executable,
        )

    def add_raw_chunks(
        self,
        name: str,
        chunks: Iterable[bytes],
        *,
        compressed: int,
        size: int,
        crc32: int,
        method: int,
        executable: bool = False,
    ) -> None:
        """As `add_raw`, memory flat; `chunks` must give `compressed` bytes."""
        self._paths.add_file(parse_member_path(name, self._rules))
        mode = 0o100755 if executable else 0o100644
        self._head(name, compressed=compressed, size=size, crc32=crc32, method=method, mode=mode)
        end = self._offset + compressed
        for chunk in chunks:
            self._put(chunk)
        if self._offset != end:
            raise ValueError(
                f"`{name}` is {compressed + self._offset - end} bytes long, {compressed} were stated"
            )

    def add_directory(self, name: str) -> None:
        """Add an entry for a directory; files need none."""
        self._paths.add_dir(parse_member_path(name, self._rules))
        self._head(f"{name}/", compressed=0, size=0, crc32=0, method=STORED, mode=0o040755)

    def close(self) -> None:
        """Write the directory and the end record."""
        start = self._offset
        for one in self._written:
            self._put(self._central(one))
        size, count = self._offset - start, len(self._written)
        if count >= ONES16 or start >= ONES32 or size >= ONES32:
            record = self._offset
            version = _UNIX << 8 | _VERSION_ZIP64
            fields = (END64.size - 12, version, _VERSION_ZIP64, 0, 0, count, count, size, start)
            self._put(END64.pack(END64_SIGNATURE, *fields))
            self._put(LOCATOR.pack(LOCATOR_SIGNATURE, 0, record, 1))
        short = min(count, ONES16)
        self._put(END.pack(END_SIGNATURE, 0, 0, short, short, min(size, ONES32), min(start, ONES32), 0))

    def _head(self, name: str, *, compressed: int, size: int, crc32: int, method: int, mode: int) -> None:
        encoded = name.encode()
        flags = 0 if name.isascii() else FLAG_UTF8
        one = _Written(encoded, flags, method, crc32, compressed, size, mode, self._offset)
        # A local zip64 field holds both sizes, always (APPNOTE 4.5.3).
        wide = compressed >= ONES32 or size >= ONES32
        extra = _zip64(size, compressed) if wide else b""
        stated = (ONES32, ONES32) if wide else (compressed, size)
        self._put(
            LOCAL.pack(
                LOCAL_SIGNATURE,
                _VERSION_ZIP64 if wide else _VERSION,
                flags,
                method,
                self._time & ONES16,
                self._time >> 16,
                crc32,
                *stated,
                len(encoded),
                len(extra),
            )
            + encoded
            + extra
        )
        self._written.append(one)

    def _central(self, one: _Written) -> bytes:
        numbers = (one.size, one.compressed, one.offset)
        large = [number for number in numbers if number >= ONES32]
        extra = _zip64(*large) if large else b""
        version = _VERSION_ZIP64 if large else _VERSION
        size, compressed, offset = (min(number, ONES32) for number in numbers)
        attributes = one.mode << 16 | (0x10 if one.name.endswith(b"/") else 0)
        head = CENTRAL.pack(
            CENTRAL_SIGNATURE,
            _UNIX << 8 | version,
            version,
            one.flags,
            one.method,
            self._time & ONES16,
            self._time >> 16,
            one.crc32,
            compressed,
            size,
            len(one.name),
            len(extra),
            0,
            0,
            0,
            attributes,
            offset,
        )
        return head + one.name + extra

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self._offset += len(data)


def _zip64(*numbers: int) -> bytes:
    body = b"".join(number.to_bytes(8, "little") for number in numbers)
    return EXTRA_ZIP64.to_bytes(2, "little") + len(body).to_bytes(2, "little") + body
