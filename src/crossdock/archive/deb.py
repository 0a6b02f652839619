"""`.deb` files, deb(5): an ar archive of two tar archives, read strictly and never unpacked to a disk."""

from __future__ import annotations

import io
import lzma
import posixpath
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from crossdock.archive.limits import Limits
from crossdock.archive.refusal import refuse
from crossdock.archive.tarread import Kind, TarReader
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB = 1 << 20
_MAGIC = b"!<arch>\n"
_HEADER = re.compile(
    rb"([a-z0-9_.-]{1,16})/? *(\d{1,12}) *(\d{1,6}) *(\d{1,6}) *([0-7]{1,8}) *(\d{1,10}) *`\n"
)
_HEADER_SIZE = 60
_KINDS = frozenset({Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK})
#: Debian's largest packages have a gigabyte of files; those of a base some tens of megabytes.
DEB_LIMITS = Limits(
    members=100_000, member_size=1024 * _MIB, total_size=2048 * _MIB, ratio=200, ratio_floor=256 * _MIB
)
_CONTROL_LIMITS = Limits(members=1000, member_size=16 * _MIB, total_size=32 * _MIB, ratio=200)
#: As for lists: what a stream may make us hold in memory.
_XZ_MEMORY = 256 * _MIB
_PIECE = 256 << 10


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class DebEntry:
    """A file, directory or symbolic link; hard links have become files."""

    path: str
    kind: Kind
    executable: bool = False
    content: bytes = b""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Deb:
    """A package's description, the MD5 sums of its files as it has them, and what it installs, in its order."""

    control: bytes
    md5sums: bytes
    entries: tuple[DebEntry, ...]


def read_deb(file: IO[bytes], filename: str) -> Deb:
    """Read a package whose bytes were verified; raise `ArchiveError` (E-DEB-…, E-TAR-…, E-PATH-…) for a broken one."""
    if file.read(len(_MAGIC)) != _MAGIC:
        refuse(filename, "E-DEB-FORMAT", "not a Debian package")
    name, size = _member(file, filename)
    if name != "debian-binary" or file.read(size) != b"2.0\n":
        refuse(filename, "E-DEB-FORMAT", "not a Debian package of version 2.0")
    file.read(size % 2)
    control = b""
    md5sums = b""
    name, source = _tar(file, "control", filename, _CONTROL_LIMITS)
    for path, entry in _entries(source, filename, _CONTROL_LIMITS):
        if path == "control":
            control = entry.content
        elif path == "md5sums":
            md5sums = entry.content
    if not control:
        refuse(filename, "E-DEB-FORMAT", "the package has no description")
    name, source = _tar(file, "data", filename, DEB_LIMITS)
    entries = tuple(entry for _path, entry in _entries(source, filename, DEB_LIMITS))
    if file.read(1):
        refuse(filename, "E-DEB-FORMAT", f"something follows `{name}`")
    return Deb(control=control, md5sums=md5sums, entries=entries)


def _member(file: IO[bytes], filename: str) -> tuple[str, int]:
    """Read an ar header; return the member's name and size."""
    header = file.read(_HEADER_SIZE)
    found = _HEADER.fullmatch(header)
    if found is None:
        refuse(filename, "E-DEB-FORMAT", "a member's header is broken or missing")
    return found[1].decode("ascii").rstrip("/"), int(found[6])


def _tar(file: IO[bytes], wanted: str, filename: str, limits: Limits) -> tuple[str, _Reader]:
    """Return the next member, which must be `wanted`.tar of some compression, as a stream of the tar."""
    name, size = _member(file, filename)
    raw = file.read(size)
    if len(raw) != size or len(file.read(size % 2)) != size % 2:
        refuse(filename, "E-DEB-FORMAT", "the package is cut short")
    ending = name.removeprefix(f"{wanted}.tar")
    source = io.BytesIO(raw)
    if ending == ".xz":
        return name, _Unxz(source, filename, limits)
    if ending == ".gz":
        from crossdock.archive.gunzip import Gunzip  # Debian's own are xz

        return name, Gunzip(source, filename, limits)
    if ending == ".zst":
        from crossdock.archive.zstd import Unzstd  # Ubuntu's

        return name, Unzstd(source, filename, limits)
    if name != f"{wanted}.tar":
        refuse(filename, "E-DEB-FORMAT", f"a member `{name}` where `{wanted}.tar` should be")
    return name, source


def _entries(source: _Reader, filename: str, limits: Limits) -> Iterator[tuple[str, DebEntry]]:
    contents: dict[str, DebEntry] = {}
    seen: set[str] = set()
    reader = TarReader(source, filename=filename, limits=limits, rules=PathRules.POSIX, kinds=_KINDS)
    for member in reader:
        path = str(member.name)
        if path in seen:
            refuse(filename, "E-DEB-TWICE", "a path is there twice", member=path)
        seen.add(path)
        if member.kind is Kind.HARDLINK:
            # Two files as good as one: layers are read by tools that handle hard links badly.
            first = contents.get(posixpath.normpath(member.link))
            if first is None:
                refuse(filename, "E-DEB-LINK", "a hard link to no earlier file", member=path)
            entry = DebEntry(path, Kind.FILE, first.executable, first.content)
        else:
            content = reader.read() if member.kind is Kind.FILE else b""
            entry = DebEntry(path, member.kind, member.executable, content, member.link)
        if entry.kind is Kind.FILE:
            contents[path] = entry
        yield path, entry


class _Unxz:
    """Reads what an xz stream unpacks to; as `crossdock.archive.gunzip.Gunzip`."""

    def __init__(self, source: _Reader, filename: str, limits: Limits) -> None:
        self._source = source
        self._filename = filename
        self._limits = limits
        self._engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self._given = 0
        self._taken = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; an empty result is the end."""
        while size > 0 and not self._engine.eof:
            piece = b""
            if self._engine.needs_input:
                piece = self._source.read(_PIECE)
                self._taken += len(piece)
                if not piece:
                    refuse(self._filename, "E-DEB-FORMAT", "an xz stream is cut short")
            try:
                content = self._engine.decompress(piece, size)
            except (lzma.LZMAError, MemoryError) as error:
                refuse(self._filename, "E-DEB-FORMAT", f"an xz stream is broken ({error})")
            if content:
                self._count(len(content))
                return content
        if self._engine.eof and (self._engine.unused_data.strip(b"\0") or self._source.read(1)):
            refuse(self._filename, "E-DEB-FORMAT", "something follows an xz stream")
        return b""

    def _count(self, size: int) -> None:
        self._given += size
        limits = self._limits
        if self._given > limits.total_size + (64 << 20) or (
            self._given > limits.ratio_floor and self._given > limits.ratio * self._taken
        ):
            refuse(self._filename, "E-DEB-LIMIT", f"an xz stream unpacks to more than {self._given} bytes")
