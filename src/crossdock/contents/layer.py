"""One layer, streamed once: what of each entry matters to a verification or to who builds on it.

OCI image specification, layer.md. The facts are kept in the store by the layer's digests, so that the same layer
is never read twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock.archive.gunzip import Gunzip
from crossdock.archive.limits import Limits
from crossdock.archive.tarread import ALL_KINDS, Kind, TarReader
from crossdock.contents.collect import FileFacts, examine_file
from crossdock.errors import ArchiveError, ImageError, InspectError
from crossdock.inspect.binary import examine
from crossdock.oci import media
from crossdock.oci.blob import verified
from crossdock.safepath import MAX_PATH_BYTES, MemberPath, PathRules, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.archive.tarread import ByteSource, TarMember
    from crossdock.digest import Digest, Hasher
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.model import Descriptor
    from crossdock.store import Store

#: Raised whenever the same layer would give other facts.
_VERSION = "1"
_FACTS, _DIFF_IDS = "layer-facts", "layer-diff-ids"
#: The largest images in use (CUDA with torch) have 300,000 files and 20 GB; deflate reaches 1032 to 1.
LIMITS = Limits(members=1_000_000, name_bytes=256 << 20, total_size=64 << 30, ratio=1100)
_DEEPEST = 256
_WHITEOUT, _OPAQUE, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."
#: Files of the system that are kept whole: who lives there, what it is called, where its loader looks.
_KEPT = re.compile(r"etc/(?:passwd|group|os-release|ld\.so\.cache|ld-musl-[\w.-]+\.path)|usr/lib/os-release")
_LARGEST_KEPT = 4 << 20
_LOADER = re.compile(r"(?:.*/)?(?:ld-linux[\w.-]*|ld64|ld|ld-2\.[0-9]+|ld-musl-[\w]+|libc)\.so(?:\.[0-9]+)?")
_LARGEST_LOADER = 16 << 20
#: glibc's loader holds the directories that it searches one behind the other (elf/dl-load.c, `system_dirs`).
_SYSTEM_DIRECTORIES = re.compile(rb"(?:/[\w./+-]+/\0){2,12}")
#: musl's `__libc_version` (src/internal/version.c).
_MUSL_VERSION = re.compile(rb"(?<![\w.])(1\.[0-9]{1,2}\.[0-9]{1,3})\0")


class EntryKind(StrEnum):
    """What an entry of a layer does."""

    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "s"
    HARDLINK = "h"
    #: A device or fifo.
    SPECIAL = "x"
    #: Hides the path in the layers below.
    WHITEOUT = "w"
    #: Hides all that the layers below have in the directory.
    OPAQUE = "o"


_KINDS = {
    Kind.DIRECTORY: EntryKind.DIRECTORY,
    Kind.SYMLINK: EntryKind.SYMLINK,
    Kind.HARDLINK: EntryKind.HARDLINK,
    Kind.DEVICE: EntryKind.SPECIAL,
    Kind.FIFO: EntryKind.SPECIAL,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its path without leading slash; `link` as it stands in the layer."""

    path: str
    kind: EntryKind
    facts: FileFacts | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """The entries of a layer in their order."""

    entries: tuple[Entry, ...]

    def to_json(self) -> list[Any]:
        """Return JSON-ready rows."""
        return [
            [one.path, one.kind.value, one.link, None if one.facts is None else one.facts.to_json()]
            for one in self.entries
        ]

    @classmethod
    def from_json(cls, value: Any) -> LayerFacts | None:
        """Read what `to_json` wrote, None for anything else."""
        if not isinstance(value, list):
            return None
        try:
            return cls(
                tuple(
                    Entry(path, EntryKind(kind), None if facts is None else FileFacts.from_json(facts), link)
                    for path, kind, link, facts in value
                )
            )
        except (AttributeError, InspectError, KeyError, TypeError, ValueError):
            return None


def layer_facts(
    descriptor: Descriptor, diff_id: Digest, source: BlobSource, *, store: Store | None = None
) -> LayerFacts:
    """Return the facts of a layer, from the store if this blob was read before.

    `diff_id` is what the image's config says that it unpacks to. Raise `ImageError` (E-IMAGE-DIGEST,
    E-IMAGE-BLOB, E-IMAGE-LAYER, E-IMAGE-ZSTD) or `ArchiveError` (E-TAR-*, E-GZIP-*) for a layer that is not what
    it is said to be, is hostile, or cannot be had.
    """
    key = f"{_VERSION} {diff_id}"
    # That a blob unpacks to a diff ID is a claim until it was done once: a false one must not borrow the facts
    # of another layer.
    if store is not None and store.get_fact(_DIFF_IDS, str(descriptor.digest)) == str(diff_id):
        kept = LayerFacts.from_json(store.get_fact(_FACTS, key))
        if kept is not None:
            return kept
    facts = read_layer(descriptor, diff_id, source)
    if store is not None:
        store.put_fact(_FACTS, key, facts.to_json())
        store.put_fact(_DIFF_IDS, str(descriptor.digest), str(diff_id))
    return facts


def read_layer(descriptor: Descriptor, diff_id: Digest, source: BlobSource) -> LayerFacts:
    """Return the facts of a layer, every byte of it read and verified. Raise as `layer_facts` does."""
    name = f"layer {descriptor.digest}"
    hashed = _Hashed(_unpacked(descriptor, _Stream(verified(descriptor, source)), name), diff_id.hasher())
    reader = TarReader(
        hashed,
        filename=name,
        limits=LIMITS,
        rules=PathRules.POSIX,
        kinds=ALL_KINDS,
        parse=_layer_path,
        open_end=True,
    )
    entries = tuple(_entry(member, reader) for member in reader)
    if hashed.hasher.hexdigest() != diff_id.hex:
        raise ImageError(
            f"a layer unpacks to something else than the image's config says: `{descriptor.digest}`",
            code="E-IMAGE-DIGEST",
            places=[f"diff ID: `{diff_id}`", f"found: `{diff_id.algorithm}:{hashed.hasher.hexdigest()}`"],
            hint="the image is broken: make or fetch it anew",
        )
    return LayerFacts(entries)


def _entry(member: TarMember, reader: TarReader) -> Entry:
    path = str(member.name)
    directory, _, name = path.rpartition("/")
    if name == _OPAQUE:
        return Entry(directory, EntryKind.OPAQUE)
    if name.startswith(_WHITEOUT):
        hidden = name.removeprefix(_WHITEOUT)
        # What aufs kept its books in (`.wh..wh.plnk`): nothing of the image.
        if name.startswith(_AUFS) or hidden in {"", ".", ".."}:
            return Entry(path, EntryKind.SPECIAL)
        return Entry(f"{directory}/{hidden}".lstrip("/"), EntryKind.WHITEOUT)
    return _plain_entry(path, member, reader)


def _plain_entry(path: str, member: TarMember, reader: TarReader) -> Entry:
    if member.kind is Kind.FILE:
        return Entry(path, EntryKind.FILE, _examine(path, member, reader))
    if len(member.link) > MAX_PATH_BYTES:
        raise ArchiveError(f"a layer's link is too long: `{show(path)}`", code="E-PATH-LONG")
    return Entry(path, _KINDS[member.kind], link=member.link)


def _examine(path: str, member: TarMember, reader: TarReader) -> FileFacts:
    if _KEPT.fullmatch(path) and member.size <= _LARGEST_KEPT:
        return FileFacts(size=member.size, executable=member.executable, text=reader.read())
    if _LOADER.fullmatch(path) and member.size <= _LARGEST_LOADER:
        data = reader.read()
        return FileFacts(
            size=member.size,
            executable=member.executable,
            binary=examine(data, path),
            text=_said_by_loader(data),
        )
    stream = _Stream(reader.chunks())
    return examine_file(path, member.size, lambda: stream, executable=member.executable)


def _said_by_loader(data: bytes) -> bytes:
    """Return what a loader holds of itself: glibc's directories, NUL behind each, or musl's version."""
    directories = [run for run in _SYSTEM_DIRECTORIES.findall(data) if b"/lib" in run]
    if directories:
        return bytes(directories[0])
    version = _MUSL_VERSION.search(data) if b"musl libc" in data else None
    return version[1] if version else b""


def _layer_path(raw: str, _rules: PathRules) -> MemberPath:
    """Return an entry's path, cleaned as runtimes clean it. Nothing is written by it, so any name may stand."""
    parts = [part for part in raw.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in raw:
        raise ArchiveError(f"a layer's entry leads out of it: `{show(raw)}`", code="E-PATH-DOTS")
    if len(parts) > _DEEPEST or len(raw) > MAX_PATH_BYTES:
        raise ArchiveError(f"a layer's entry is too deep or too long: `{show(raw)}`", code="E-PATH-LONG")
    return MemberPath("/".join(parts))


class _Stream:
    """Pieces as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes, fewer only at the end; all of the rest without it."""
        found = []
        while size:
            if not self._held:
                self._held = memoryview(next(self._pieces, b""))
                if not self._held:
                    break
            piece = self._held if size < 0 else self._held[:size]
            found.append(piece)
            self._held = self._held[len(piece) :]
            size -= len(piece) if size > 0 else 0
        return b"".join(found)


class _Hashed:
    """A source that hashes what is read of it."""

    def __init__(self, source: ByteSource, hasher: Hasher) -> None:
        self._source = source
        self.hasher = hasher

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(size)
        self.hasher.update(piece)
        return piece


def _unpacked(descriptor: Descriptor, stream: _Stream, name: str) -> ByteSource:
    match media.AS_OCI.get(descriptor.media_type, descriptor.media_type):
        case media.LAYER:
            return stream
        case media.LAYER_GZIP:
            return Gunzip(stream, name, LIMITS)
        case media.LAYER_ZSTD:
            from crossdock.archive.zstd import Unzstd  # rare, and not every Python has it

            return Unzstd(stream, name, LIMITS)
        case other:
            raise ImageError(
                f"a layer of a type that is not supported: `{show(other)}`",
                code="E-IMAGE-LAYER",
                places=[str(descriptor.digest)],
                hint="layers are tars, plain or compressed by gzip or zstd",
            )
