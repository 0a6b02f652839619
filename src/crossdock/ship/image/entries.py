"""Files and links of an image that come from no wheel: small values, and a digest that stands for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from zlib import crc32

from crossdock.archive.deflate import stored
from crossdock.digest import Digest
from crossdock.errors import ArchiveError, ImageError
from crossdock.oci.blob import BytesSource, FileSource
from crossdock.safepath import PathRules, parse_member_path, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from crossdock.oci.blob import BlobSource
    from crossdock.ship.image.layer import LayerWriter

FILE_MODE = 0o644
PROGRAM_MODE = 0o755
_LINK_MODE = 0o777
#: Runtimes take such a name for the removal of a file below (image specification, layer.md, "Whiteouts").
_WHITEOUT = ".wh."
#: Files up to this many bytes are compressed, if all of them together have no more than the second number.
_SMALL = 128 << 10
_MOST_SMALL = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, or a symbolic link if `link` says where to.

    `path` is the place in the image without the first slash, `mode` the permissions; `sha256` (hex) and `size` (bytes)
    describe the content that `source` gives.
    """

    path: str
    mode: int
    sha256: str = ""
    size: int = 0
    source: BlobSource | None = None
    link: str = ""

    def content(self) -> Iterator[bytes]:
        """Yield the content; raise `ImageError` if it is no longer what `sha256` says."""
        hasher = sha256()
        try:
            for chunk in self.source.chunks() if self.source is not None else ():
                hasher.update(chunk)
                yield chunk
        except OSError as error:
            raise unreadable(error) from error
        if self.source is not None and hasher.hexdigest() != self.sha256:
            raise ImageError(
                f"`/{show(self.path)}` changed while it was written into a layer",
                code="E-IMAGE-CHANGED",
                hint="run again when nothing else writes there",
            )


def made_file(path: str, content: bytes, *, mode: int = FILE_MODE) -> Entry:
    """Return a file whose bytes are at hand."""
    _check_path(path)
    return Entry(
        path=path,
        mode=mode,
        sha256=sha256(content).hexdigest(),
        size=len(content),
        source=BytesSource(content),
    )


def disk_file(path: str, place: Path, *, mode: int, look: Callable[[bytes], None] | None = None) -> Entry:
    """Return a file of this disk, hashed now and read again when it is written.

    `look` is shown the first megabyte at most. Raise `ImageError` for what cannot be read.
    """
    _check_path(path)
    source, hasher, size = FileSource(place), sha256(), 0
    try:
        for chunk in source.chunks():
            if look is not None and not size:
                look(chunk)
            hasher.update(chunk)
            size += len(chunk)
    except OSError as error:
        raise unreadable(error) from error
    return Entry(path=path, mode=mode, sha256=hasher.hexdigest(), size=size, source=source)


def made_link(path: str, target: str) -> Entry:
    """Return a symbolic link."""
    _check_path(path)
    return Entry(path=path, mode=_LINK_MODE, link=target)


def _check_path(path: str) -> None:
    try:
        parse_member_path(path, PathRules.POSIX)
        path.encode()
    except (ArchiveError, UnicodeEncodeError) as error:
        raise ImageError(
            f"a file cannot have this name in an image: `{show(path)}`",
            code="E-IMAGE-FILE",
            places=[str(error).splitlines()[0]],
            hint="rename it, or leave it out by `exclude`",
        ) from error
    if any(part.startswith(_WHITEOUT) for part in path.split("/")):
        raise ImageError(
            f"`{show(path)}`: runtimes take names that begin with `{_WHITEOUT}` for removals",
            code="E-IMAGE-FILE",
            hint="rename it, or leave it out by `exclude`",
        )


def unreadable(error: OSError) -> ImageError:
    """Return the refusal for a file of this disk that cannot be read."""
    return ImageError(
        f"cannot read a file for the image: {(error.strerror or str(error)).lower()}",
        code="E-IMAGE-FILE",
        places=[str(error.filename)] if error.filename else [],
        hint="correct its permissions, or leave it out by `exclude`",
    )


def merged(*groups: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return all entries sorted by path; raise `ImageError` if two of them are to lie at one place."""
    found: dict[str, Entry] = {}
    for entry in (entry for group in groups for entry in group):
        other = found.setdefault(entry.path, entry)
        if other is not entry and _bytes_of(other) != _bytes_of(entry):
            raise _twice(entry.path)
    for path in found:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in found:
                raise _twice(parent)
            parent = parent.rpartition("/")[0]
    return tuple(found[path] for path in sorted(found))


def _twice(path: str) -> ImageError:
    return ImageError(
        f"two files are to lie at `/{show(path)}` of the image",
        code="E-IMAGE-ADD-TWICE",
        hint="give one of them another destination",
    )


def _bytes_of(entry: Entry) -> tuple[str, int, str]:
    return entry.sha256, entry.mode, entry.link


def entries_key(entries: Iterable[Entry], *more: str) -> Digest:
    """Return a digest over places, modes and contents, and over `more` that the layer's bytes depend on."""
    rows = [[entry.path, entry.mode, entry.sha256, entry.link] for entry in entries]
    return Digest.of(json.dumps([*more, rows], separators=(",", ":")).encode())


def refuse_below_links(paths: Iterable[str], is_link: Callable[[str], bool]) -> None:
    """Refuse paths of ours that are, or lie below, a symbolic link of the base.

    A layer's directory replaces the link: `/lib` so replaced broke every program of the base (jib's FAQ).
    `is_link` is asked for paths of the base; all are without the first slash.
    """
    known: dict[str, bool] = {}
    for place in paths:
        path = place
        while path:
            if path not in known:
                known[path] = is_link(path)
            if known[path]:
                raise ImageError(
                    f"`/{show(place)}` lies below `/{show(path)}`, a symbolic link of the base",
                    code="E-IMAGE-BELOW-LINK",
                    hint="name the place that the link leads to, or choose another `--prefix`",
                )
            path = path.rpartition("/")[0]


def write_entries(writer: LayerWriter, entries: Sequence[Entry]) -> None:
    """Write `entries` to a layer; raise `ImageError` if a file is no longer what it was when it was looked at.

    Small files are compressed by our own encoder, at some 2 MB a second. Many of them are stored: compressing
    would take longer than the transfer gains, at every edit of the application.
    """
    small = sum(entry.size for entry in entries if entry.size <= _SMALL)
    for entry in entries:
        if entry.link:
            writer.symlink(entry.path, entry.link)
        elif small > _MOST_SMALL and entry.size <= _SMALL:
            content = b"".join(entry.content())
            writer.deflated(
                entry.path,
                raw=stored(content),
                plain=content,
                crc=crc32(content),
                sha=entry.sha256,
                mode=entry.mode,
            )
        else:
            writer.stream(entry.path, entry.content(), size=entry.size, sha=entry.sha256, mode=entry.mode)
