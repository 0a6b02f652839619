"""What may be removed from a wheelhouse that its manifest does not name: what has one of our forms, and nothing else.

A directory is somebody's disk. A file whose name no run of ours would have written is left alone wherever it lies, and
no link is followed.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from crossdock.archive.names import canonical, is_name
from crossdock.ship.wheelhouse.manifest import MANIFEST, is_distribution_name
from crossdock.ship.wheelhouse.pages import HTML, JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

SIMPLE, FILES = "simple", "files"
#: What the name of a METADATA beside its wheel ends in (PEP 658).
METADATA = ".metadata"
#: Begins the name of a directory in which a delta is unpacked.
STAGING = ".crossdock-import-"
#: Says that a directory is a wheelhouse: written before anything else, and it stays.
MARKER = ".crossdock-wheelhouse"

#: What `write_stream` calls a file that it has not finished: `.NAME.PID.crossdock`.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9]+\.crossdock")
_LOCK = re.compile(r"pylock(?:\.[A-Za-z0-9_-]+)?\.toml")
#: `tempfile.mkdtemp` ends its names with eight of these; below lie the members of a delta by their number.
_STAGING = re.compile(re.escape(STAGING) + r"[a-z0-9_]{8}")
_STAGED = re.compile(r"[0-9]+")


def is_staging(name: str) -> bool:
    """Tell whether a directory is called as those are in which deltas are unpacked."""
    return _STAGING.fullmatch(name) is not None


def is_temporary_of(name: str, wanted: str) -> bool:
    """Tell whether a file is called as one that would have become `wanted`."""
    found = _TEMPORARY.fullmatch(name)
    return found is not None and found["name"] == wanted


def unknown(root: Path, known: Collection[str]) -> Iterator[Path]:
    """Give the files of our forms below `root` whose paths are not `known`: left by a run that was killed, or unneeded."""
    for folder, is_ours in ((FILES, _is_of_files), (SIMPLE, _is_page)):
        for project in _folders(_entries(root / folder)):
            if is_name(project.name) and canonical(project.name) == project.name:
                held = _ours(_entries(project), is_ours)
                yield from (path for path in held if path.relative_to(root).as_posix() not in known)
    yield from _ours(_entries(root / SIMPLE), lambda name: _begun(name, _is_page))
    # The wheelhouse itself may be a link: that is how its user names it.
    top = sorted(root.iterdir())
    yield from _ours(top, lambda name: _begun(name, _is_of_root))
    for place in _folders(top):
        if is_staging(place.name):
            yield from _ours(_entries(place), lambda name: _STAGED.fullmatch(name) is not None)


def _ours(entries: Iterable[Path], is_ours: Callable[[str], bool]) -> Iterator[Path]:
    return (path for path in entries if is_ours(path.name) and stat.S_ISREG(path.lstat().st_mode))


def _folders(entries: Iterable[Path]) -> list[Path]:
    return [path for path in entries if stat.S_ISDIR(path.lstat().st_mode)]


def _entries(place: Path) -> list[Path]:
    """Return what lies in a directory, nothing for what is none or a link to one."""
    try:
        return sorted(place.iterdir()) if stat.S_ISDIR(place.lstat().st_mode) else []
    except FileNotFoundError:
        return []


def _begun(name: str, is_ours: Callable[[str], bool]) -> bool:
    found = _TEMPORARY.fullmatch(name)
    return found is not None and is_ours(found["name"])


def _is_of_files(name: str) -> bool:
    return is_distribution_name(name.removesuffix(METADATA)) or _TEMPORARY.fullmatch(name) is not None


def _is_page(name: str) -> bool:
    return name in {HTML, JSON} or is_temporary_of(name, HTML) or is_temporary_of(name, JSON)


def _is_of_root(name: str) -> bool:
    return name in {MANIFEST, MARKER} or _LOCK.fullmatch(name) is not None
