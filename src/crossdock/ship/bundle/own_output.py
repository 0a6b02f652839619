"""What crossdock wrote into an application's directory: known by its form on any machine, and not shipped."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.outputs import MANIFEST, is_output, is_wheelhouse, is_wheelhouse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: In the head of every page that we write.
GENERATOR = '<meta name="generator" content="crossdock">'
_HEAD = 2048
_DATE = (1980, 1, 1, 0, 0, 0)
_MODES = (0o100644 << 16, 0o100755 << 16)
_UNIX, _VERSION, _UTF8 = 3, 20, 0x800
#: A tar's first member, and what the length of ours is a multiple of.
_FIRST = MANIFEST.encode() + b"\0"
_RECORD = 10_240
#: As much of a manifest as a wheelhouse's reader takes.
_LIMIT = 256 << 20


def own_outputs(below: Path) -> Iterator[Path]:
    """Give the zips, pages of sizes, wheelhouses and their deltas below a directory that have the form of ours.

    The same directory gives the same answer on every machine: no memory of earlier runs takes part. What lies in other
    outputs (environments, layouts, shipments) is not looked at: none of it is shipped.
    """
    for place, directories, files in os.walk(below):
        inside = [Path(place, name) for name in sorted(directories)]
        yield from (path for path in inside if not path.is_symlink() and is_wheelhouse(path))
        directories[:] = [path.name for path in inside if not is_output(path)]
        for path in (Path(place, name) for name in sorted(files)):
            if not path.is_symlink() and path.is_file() and _is_own(path):
                yield path


def _is_own(path: Path) -> bool:
    if path.suffix == ".zip":
        return is_own_zip(path)
    return _is_own_page(path) if path.suffix == ".html" else is_delta(path)


def is_own_zip(path: Path) -> bool:
    """Tell whether a zip is like those of `write_zip`: sorted, one date, modes of two kinds, nothing else said."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            names = [info.filename.encode() for info in infos]
            return (
                bool(names)
                and not archive.comment
                and names == sorted(set(names))
                and all(_is_own_member(info) for info in infos)
            )
    except (OSError, ValueError, OverflowError, struct.error, zipfile.BadZipFile, NotImplementedError):
        return False


def is_delta(path: Path) -> bool:
    """Tell whether a file is a tar that begins with a wheelhouse's manifest, as `crossdock mirror --delta` writes it."""
    try:
        with path.open("rb") as file:
            # Whatever it is called: nearly every other file is told by these two.
            if os.fstat(file.fileno()).st_size % _RECORD or file.read(len(_FIRST)) != _FIRST:
                return False
            file.seek(0)
            return is_wheelhouse_manifest(_first_member(file, path.name))
    except OSError:
        return False


def _first_member(file: BinaryIO, name: str) -> bytes:
    """Return the content of a tar's first member, nothing of what is no tar."""
    from crossdock.archive.tarread import TarReader
    from crossdock.errors import ArchiveError

    tar = TarReader(file, filename=name)
    try:
        first = next(iter(tar), None)
        return b"" if first is None or first.size > _LIMIT else tar.read()
    except ArchiveError:
        return b""


def _is_own_member(info: zipfile.ZipInfo) -> bool:
    return (
        (info.date_time, info.create_system, info.create_version) == (_DATE, _UNIX, _VERSION)
        and info.external_attr in _MODES
        and info.flag_bits in (0, _UTF8)
        and not info.extra
        and not info.comment
    )


def _is_own_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return GENERATOR.encode() in file.read(_HEAD)
    except OSError:
        return False
