"""The user's own code in a zip: a directory of modules or a script, at the root, where the handler is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.ship.bundle.layout import by_path
from crossdock.ship.bundle.model import BundledPackage, BundleFile
from crossdock.ship.entries import FILE_MODE, disk_file
from crossdock.ship.sources import module_files

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from crossdock.ship.entries import Entry


def application_files(
    path: Path, *, exclude: Sequence[str] = (), skip: Collection[Path] = ()
) -> BundledPackage:
    """Return the code at `path`, a script or a directory of modules as `module_files` chooses them."""
    if path.is_dir():
        entries: Sequence[Entry] = module_files(path, "", exclude=exclude, skip=skip)
    else:
        entries = (disk_file(path.name, path, mode=FILE_MODE),)
    return BundledPackage(package=None, files=by_path(_file(entry) for entry in entries))


def _file(entry: Entry) -> BundleFile:
    return BundleFile(entry.path, entry.sha256, entry.size, entry.mode & 0o111 != 0, source=entry.source)
