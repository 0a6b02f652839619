"""`--add PATH:DEST[:MODE]`: files and directories that the user puts at a place of the image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.ship.entries import disk_file
from crossdock.ship.image.entries import merged
from crossdock.ship.sources import added_directory, file_mode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crossdock.ship.entries import Entry

#: The last `:/` begins DEST, so that a drive (`C:\\x:/etc/x`, `C:/x:/etc/x`) belongs to PATH.
_WORDS = re.compile(r"(?P<source>.+):(?P<destination>/[^:]*)(:(?P<mode>[^:]*))?")
#: No setuid, setgid or sticky bit.
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What is added: `source` on this disk, an absolute `destination`, and the files' mode, None for theirs."""

    source: Path
    destination: str
    mode: int | None = None


def parse_added(text: str, directory: Path) -> Added:
    """Read `PATH:DEST[:MODE]`, PATH seen from `directory`; raise `UsageError` for anything else."""
    found = _WORDS.fullmatch(text)
    if found is None:
        raise _refused(f"--add wants PATH:DEST or PATH:DEST:MODE, DEST absolute: `{text}`")
    return added(found["source"], found["destination"], found["mode"], directory)


def added(source: str, destination: str, mode: str | None, directory: Path) -> Added:
    """Check the three parts, `source` seen from `directory`."""
    if mode is not None and not _MODE.fullmatch(mode):
        raise _refused(f"not a mode of files: `{mode}`", hint="three octal digits, for example `640`")
    parts = destination.removeprefix("/").removesuffix("/").split("/")
    if not destination.startswith("/") or (
        destination != "/" and any(part in ("", ".", "..") for part in parts)
    ):
        raise _refused(f"not an absolute path of the image: `{destination}`")
    return Added(
        source=directory / source, destination=destination, mode=None if mode is None else int(mode, 8)
    )


def added_entries(things: Iterable[Added]) -> tuple[Entry, ...]:
    """Return the files of all `things`, sorted by place.

    A directory's contents come to lie in DEST, a file becomes DEST, or lies in it if DEST ends with a slash.
    Empty directories are not kept. Raise `UsageError` for what is not there, `ImageError` for what cannot be in an
    image and for two files at one place.
    """
    return merged(*(_entries(one) for one in things))


def _entries(one: Added) -> tuple[Entry, ...]:
    place = one.destination.strip("/")
    if one.source.is_dir():
        return added_directory(one.source, place, mode=one.mode)
    if not one.source.is_file():
        raise _refused(f"nothing to add at `{one.source}`", hint="it must be a file or a directory")
    if one.destination.endswith("/"):
        place = f"{place}/{one.source.name}" if place else one.source.name
    return (disk_file(place, one.source, mode=file_mode(one.source) if one.mode is None else one.mode),)


def _refused(message: str, *, hint: str | None = None) -> UsageError:
    return UsageError(message, code="E-IMAGE-ADD", hint=hint)
