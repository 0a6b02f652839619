"""The files of a source distribution or a source tree, as a build gets them."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from typing import TYPE_CHECKING, BinaryIO

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.archive.sdist import Sdist, SdistFile
    from crossdock.build.tree import TreeFile

#: Files of a tree are packed to be built somewhere else, and thrown away soon.
_LEVEL = 1
_CHUNK = 1 << 20


def extract(sdist: Sdist, place: Path) -> None:
    """Write the files of a source distribution below `place`; its names were proven safe by the reader.

    Links become copies, made on the disk: what they lead to may be larger than the memory. Files keep their dates: by
    them a build tells whether what a generator made is older than what it was made of.
    """
    for file, chunks in sdist.contents(links=False):
        with _new(place, file) as out:
            out.writelines(chunks)
    for file in sdist.files:
        if file.path != file.content:
            with _below(place, file.content).open("rb") as source, _new(place, file) as out:
                shutil.copyfileobj(source, out, _CHUNK)
    for file in sdist.files:
        os.utime(_below(place, file.path), (file.mtime, file.mtime))


def _new(place: Path, file: SdistFile) -> BinaryIO:
    path = _below(place, file.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    out = path.open("xb")
    path.chmod(0o755 if file.executable else 0o644)
    return out


def _below(place: Path, path: str) -> Path:
    return place.joinpath(*path.split("/"))


def project_in(source: Path, what: str, name: str, subdirectory: str | None) -> Path:
    """Return where a project lies in an unpacked source; a subdirectory never leads out of it.

    Raise `BuildError` (E-BUILD-NO-SOURCE) where it is not there.
    """
    if not subdirectory:
        return source
    from crossdock.safepath import PathRules, parse_member_path

    place = source.joinpath(*parse_member_path(subdirectory, PathRules.POSIX).split("/"))
    if not place.is_dir() or not place.resolve().is_relative_to(source.resolve()):
        raise BuildError(
            f"`{what}` has no directory `{subdirectory}`, where the lock says `{name}` lies",
            code="E-BUILD-NO-SOURCE",
            hint="lock again, or correct the subdirectory of the requirement",
        )
    return place


def packed(files: Sequence[TreeFile]) -> bytes:
    """Return a source tree as a tar.gz with one directory at its top, for a build that lies elsewhere.

    Links stay links: the reader refuses those that lead out of the tree.
    """
    import tarfile

    from crossdock.archive.tarwrite import MTIME

    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in files:
            info = tarfile.TarInfo(f"source/{file.path}")
            info.mtime, info.mode = MTIME, 0o755 if file.executable else 0o644
            if file.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, file.link
                archive.addfile(info)
                continue
            content = file.place.read_bytes()
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
