"""Files and links that come from no wheel: small values, and a digest that stands for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import ArchiveError, ShipError
from crossdock.oci.blob import BytesSource, FileSource
from crossdock.safepath import PathRules, parse_member_path, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from crossdock.oci.blob import BlobSource

FILE_MODE = 0o644
PROGRAM_MODE = 0o755
_LINK_MODE = 0o777


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, or a symbolic link if `link` says where to.

    `path` is the place in what is shipped, without a slash before it, `mode` the permissions; `sha256` (hex) and `size` (bytes)
    describe the content that `source` gives.
    """

    path: str
    mode: int
    sha256: str = ""
    size: int = 0
    source: BlobSource | None = None
    link: str = ""

    def content(self) -> Iterator[bytes]:
        """Yield the content; raise `ShipError` if it is no longer what `sha256` says."""
        hasher = sha256()
        try:
            for chunk in self.source.chunks() if self.source is not None else ():
                hasher.update(chunk)
                yield chunk
        except OSError as error:
            raise unreadable(error) from error
        if self.source is not None and hasher.hexdigest() != self.sha256:
            raise ShipError(
                f"`{show(self.path)}` changed while it was read",
                code="E-APP-CHANGED",
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

    `look` is shown the first megabyte at most. Raise `ShipError` for what cannot be read.
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
        raise ShipError(
            f"a file cannot have this name on Linux: `{show(path)}`",
            code="E-APP-FILE",
            places=[str(error).splitlines()[0]],
            hint="rename it, or leave it out by `exclude`",
        ) from error


def unreadable(error: OSError) -> ShipError:
    """Return the refusal for a file of this disk that cannot be read."""
    return ShipError(
        f"cannot read a file of the application: {(error.strerror or str(error)).lower()}",
        code="E-APP-FILE",
        places=[str(error.filename)] if error.filename else [],
        hint="correct its permissions, or leave it out by `exclude`",
    )


def entries_key(entries: Iterable[Entry], *more: str) -> Digest:
    """Return a digest over places, modes and contents, and over `more` that the layer's bytes depend on."""
    rows = [[entry.path, entry.mode, entry.sha256, entry.link] for entry in entries]
    return Digest.of(json.dumps([*more, rows], separators=(",", ":")).encode())
