"""A tar writer whose bytes depend on its input alone: ustar where that can say it, pax where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from zlib import adler32

from crossdock.safepath import PathRules, PathSet, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

BLOCK = 512
#: 1980-01-01 UTC. Not 0: `zipfile` in a running application refuses times before 1980.
MTIME = 315_532_800

_NAME, _PREFIX = 100, 155
_MAX_OCTAL = 8**11
_RECORD = 10_240
#: Name, mode, owner and group, size, date, blanks for the checksum, kind, link, magic and version, no names of owner
#: and group, no device, prefix.
_HEADER = b"".join(
    (
        b"%b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%b",
        b"ustar\x0000",
        bytes(64),
        b"0000000\x000000000\0",
        b"%b",
        bytes(12),
    )
)


class Sink(Protocol):
    """What is written to."""

    def write(self, data: bytes, /) -> object: ...  # noqa: D102


def tar_header(
    name: str,
    *,
    kind: bytes,
    mode: int,
    size: int = 0,
    mtime: int = MTIME,
    link: str = "",
    uid: int = 0,
    gid: int = 0,
) -> bytes:
    """Return the header blocks of one entry: `kind` is `0` file, `5` directory (name ends in `/`), `2` symlink.

    User and group names are empty. A path above 100 bytes is split at a slash if it is ASCII and
    fits ustar; else, and for sizes from 8 GiB, a pax header stands before (POSIX.1-2017, pax interchange format).
    """
    raw, raw_link = name.encode(), link.encode()
    prefix, short = _split(raw) if name.isascii() else (b"", raw)
    records = b""
    if len(short) > _NAME or not name.isascii():
        records += _pax_record("path", raw)
        prefix, short = b"", raw[:_NAME]
    if len(raw_link) > _NAME or not link.isascii():
        records += _pax_record("linkpath", raw_link)
    if size >= _MAX_OCTAL:
        records += _pax_record("size", str(size).encode())
    header = _block(
        short, prefix, kind, mode, size if size < _MAX_OCTAL else 0, mtime, raw_link[:_NAME], (uid, gid)
    )
    if not records:
        return header
    return _block(b"././@PaxHeader", b"", b"x", 0o644, len(records), mtime, b"") + padded(records) + header


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of `size` bytes."""
    return bytes(-size % BLOCK)


def padded(content: bytes) -> bytes:
    """Return `content` filled up to whole blocks."""
    return content + padding(len(content))


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Return ustar's prefix and name; the name too long where no slash divides them so that both fit."""
    if len(raw) <= _NAME:
        return b"", raw
    cut = raw.find(b"/", len(raw) - _NAME - 1, len(raw) - 1)
    return (raw[:cut], raw[cut + 1 :]) if 0 < cut <= _PREFIX else (b"", raw)


def _pax_record(key: str, value: bytes) -> bytes:
    """Return `LEN key=value`; LEN counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return f"{length} {key}=".encode() + value + b"\n"


def _block(  # noqa: PLR0917  # the fields in their order
    name: bytes,
    prefix: bytes,
    kind: bytes,
    mode: int,
    size: int,
    mtime: int,
    link: bytes,
    owner: tuple[int, int] = (0, 0),
) -> bytes:
    header = _HEADER % (
        name.ljust(_NAME, b"\0"),
        mode,
        *owner,
        size,
        mtime,
        kind,
        link.ljust(_NAME, b"\0"),
        prefix.ljust(_PREFIX, b"\0"),
    )
    # The lower half of Adler-32 is one more than the sum of all bytes, modulo 65521, which no header reaches: names
    # that are not ASCII have no prefix.
    checksum = (adler32(header) & 0xFFFF) - 1
    return b"%b%06o\0 %b" % (header[:148], checksum, header[156:])


class TarWriter:
    """Writes entries in the order they are added, to anything with `write`.

    Names are checked by `rules` and must not collide (`ArchiveError`). Modes are 0644 and 0755, every date is
    `mtime`.
    """

    def __init__(self, out: Sink, *, rules: PathRules = PathRules.POSIX, mtime: int = MTIME) -> None:
        self._out = out
        self._rules = rules
        self._mtime = mtime
        self._paths = PathSet(rules)
        self._offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def add(self, name: str, content: bytes, *, executable: bool = False) -> None:
        """Add a file."""
        self.add_chunks(name, (content,), size=len(content), executable=executable)

    def add_chunks(self, name: str, chunks: Iterable[bytes], *, size: int, executable: bool = False) -> None:
        """Add a file of `size` bytes from pieces; raise `ValueError` if they are more or fewer."""
        self._paths.add_file(parse_member_path(name, self._rules))
        mode = 0o755 if executable else 0o644
        self._put(tar_header(name, kind=b"0", mode=mode, size=size, mtime=self._mtime))
        start = self._offset
        for chunk in chunks:
            self._put(chunk)
        if self._offset - start != size:
            raise ValueError(f"{name}: {self._offset - start} bytes given, {size} announced")
        self._put(padding(size))

    def add_directory(self, name: str) -> None:
        """Add a directory."""
        self._paths.add_dir(parse_member_path(name, self._rules))
        self._put(tar_header(f"{name}/", kind=b"5", mode=0o755, mtime=self._mtime))

    def add_symlink(self, name: str, target: str) -> None:
        """Add a symbolic link; where it points to is the caller's to judge."""
        self._paths.add_file(parse_member_path(name, self._rules))
        self._put(tar_header(name, kind=b"2", mode=0o777, mtime=self._mtime, link=target))

    def close(self) -> None:
        """Write the two blocks of zeros, filled up to a record of 10 KiB as every tar is."""
        self._put(bytes(2 * BLOCK))
        self._put(bytes(-self._offset % _RECORD))

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self._offset += len(data)
