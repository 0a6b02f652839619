"""The members of a tar that an image was saved to, found by their names and read where they lie."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.gunzip import Gunzip
from crossdock.archive.limits import Limits
from crossdock.archive.tarread import Kind, TarReader
from crossdock.errors import ArchiveError, ImageError
from crossdock.oci.blob import CHUNK, FileSource
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from crossdock.oci.blob import BlobSource

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: An archive of many images; its members are blobs, so the ratio of a gzip around it is that of its layers,
#: and a layer of zeros reaches deflate's own limit.
_LIMITS = Limits(members=100_000, member_size=1 << 40, total_size=1 << 42, ratio=1100)
_KINDS = frozenset({Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK})
#: `docker save` wrote a layer that two images share as a link to the first; one step is all it takes.
_MOST_LINKS = 8


class _Member(NamedTuple):
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class GzipSource:
    """`size` bytes from `offset` on of what a gzip file unpacks to; each reading begins at the file's top."""

    path: Path
    offset: int
    size: int

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on; `OSError` if the file is gone, `ArchiveError` if it is broken."""
        left, before = self.size - start, self.offset + start
        with self.path.open("rb") as file:
            content = Gunzip(file, self.path.name, _LIMITS)
            while before and (piece := content.read(min(before, CHUNK))):
                before -= len(piece)
            while left > 0 and (piece := content.read(min(left, CHUNK))):
                left -= len(piece)
                yield piece


class _Seekable:
    """A file whose unwanted parts are not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def skip(self, size: int) -> None:
        self._file.seek(size, 1)


class TarParts:
    """The members of a tar file, gzip'd or not, by name. Raises `ImageError` (E-IMAGE-LAYOUT, E-IMAGE-ZSTD)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, _Member] = {}
        self._links: dict[str, str] = {}
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0)
            if head == _ZSTD:
                raise ImageError(
                    f"`{path.name}` is compressed by zstd",
                    code="E-IMAGE-ZSTD",
                    hint="unpack it first: `zstd -d`",
                )
            self.gzip = head[:2] == _GZIP
            source = Gunzip(file, path.name, _LIMITS) if self.gzip else _Seekable(file)
            reader = TarReader(
                source, filename=path.name, limits=_LIMITS, rules=PathRules.POSIX, kinds=_KINDS
            )
            self._take_all(reader)

    def _take_all(self, reader: TarReader) -> None:
        for member in reader:
            name = str(member.name)
            if name in self._members or name in self._links:
                raise _bad(self.path, f"`{name}` is in it twice")
            if member.kind is Kind.FILE:
                self._members[name] = _Member(reader.offset, member.size)
            elif member.kind is Kind.SYMLINK:
                self._links[name] = posixpath.join(posixpath.dirname(name), member.link)
            elif member.kind is Kind.HARDLINK:
                self._links[name] = member.link

    def _member(self, name: str) -> _Member | None:
        for _ in range(_MOST_LINKS):
            if name in self._members:
                return self._members[name]
            if name not in self._links:
                return None
            name = posixpath.normpath(self._links[name]).lstrip("/")
        return None

    def size(self, name: str) -> int | None:
        """Return the size of a member in bytes, None if there is none of that name; links are followed."""
        member = self._member(name)
        return None if member is None else member.size

    def source(self, name: str) -> BlobSource | None:
        """Return where a member's bytes are, None if there is none."""
        member = self._member(name)
        if member is None:
            return None
        if self.gzip:
            return GzipSource(self.path, member.offset, member.size)
        return FileSource(self.path, member.offset, member.size)


class DirectoryParts:
    """The files of a directory, by relative name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None if there is none of that name."""
        file = self.path / name
        return file.stat().st_size if file.is_file() else None

    def source(self, name: str) -> BlobSource | None:
        """Return where a file's bytes are, None if there is none."""
        return FileSource(self.path / name) if (self.path / name).is_file() else None


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with `head` (512 bytes) may be a tar, or a compressed one."""
    return head[257:262] == b"ustar" or head[:2] == _GZIP or head[:4] == _ZSTD


def layer_suffix(head: bytes) -> str:
    """Return how a layer that begins with `head` is compressed: ``, `+gzip` or `+zstd`."""
    if head[:2] == _GZIP:
        return "+gzip"
    return "+zstd" if head[:4] == _ZSTD else ""


def _bad(path: Path, what: str) -> ImageError:
    return ImageError(
        f"not an image archive: {what}", code="E-IMAGE-LAYOUT", places=[str(path)], hint="make it anew"
    )


def open_tar(path: Path) -> TarParts:
    """Return the members of a tar; raise `ImageError` if it is none, or is broken."""
    try:
        return TarParts(path)
    except ArchiveError as error:
        raise ImageError(
            f"not an image archive: {error.message}",
            code="E-IMAGE-LAYOUT",
            places=[str(path), *error.places],
            hint="make or fetch it anew",
        ) from error
