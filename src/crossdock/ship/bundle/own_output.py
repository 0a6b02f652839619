"""What crossdock wrote into an application's directory: known by its form on any machine, and not shipped."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: In the head of every page that we write.
GENERATOR = '<meta name="generator" content="crossdock">'
_HEAD = 2048
_DATE = (1980, 1, 1, 0, 0, 0)
_MODES = (0o100644 << 16, 0o100755 << 16)
_UNIX, _VERSION, _UTF8 = 3, 20, 0x800


def own_outputs(below: Path) -> Iterator[Path]:
    """Give the zips and the pages of sizes below a directory that have the form of ours.

    The same directory gives the same answer on every machine: no memory of earlier runs takes part.
    """
    for path in sorted((*below.rglob("*.zip"), *below.rglob("*.html"))):
        if path.is_symlink() or not path.is_file():
            continue
        if (path.suffix == ".zip" and is_own_zip(path)) or (path.suffix == ".html" and _is_own_page(path)):
            yield path


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
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


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
