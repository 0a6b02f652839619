"""Whose lock a lock of the wheelhouse is, and what it loses: nothing replaces another's, or a part of it, in silence."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.archive.names import canonical
from crossdock.cli.console import warn
from crossdock.errors import ShipError
from crossdock.ship.wheelhouse.directory import lock_file
from crossdock.ship.wheelhouse.merged import dropped_targets, other_origins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.ship.wheelhouse.model import Manifest

#: Begins the origin of a lock of a project, of one whose SOURCE alone is known; the whole of one that was named.
_PROJECT, _SOURCE, _NAMED = "project ", "source ", "name"


def origin_of(project: str | None, directory: Path, words: Sequence[str], *, named: bool) -> str:
    """Return whose lock it is, in words that are the same on every machine and after every update.

    A project's name says it. Without one a name that the user gives is his word for it; else it is SOURCE as seen from
    the working directory, with that directory's name, hashed: paths of a machine are nobody's business.
    """
    if project:
        return f"{_PROJECT}{canonical(project)}"
    if named:
        return _NAMED
    seen = [directory.name, *(_seen_from(directory, word) for word in words)]
    return f"{_SOURCE}{sha256(json.dumps(seen).encode()).hexdigest()}"


def _seen_from(directory: Path, word: str) -> str:
    path = directory / word
    try:
        known = "://" not in word and path.exists()
    except (OSError, ValueError):
        known = False  # a requirement, too long for a path
    return os.path.relpath(path, directory).replace(os.sep, "/") if known else word


def refuse_other_origins(old: Manifest, new: Manifest) -> None:
    """Raise `ShipError` (E-WHEELHOUSE-NAME-USED) if a lock would take the place of another project's."""
    for name in other_origins(old, new)[:1]:
        before, now = (_words(one.locks[name].origin) for one in (old, new))
        raise ShipError(
            f"`{lock_file(name)}` of the wheelhouse is that of {before}, and this one is that of {now}",
            code="E-WHEELHOUSE-NAME-USED",
            hint="`--name NAME` gives this one a name of its own; --replace puts it in the other's place",
        )


def _words(origin: str) -> str:
    if origin.startswith(_PROJECT):
        return f"the project `{origin.removeprefix(_PROJECT)}`"
    if origin == _NAMED:
        return "what was called so by --name"
    return f"a SOURCE without project ({origin.removeprefix(_SOURCE)[:12]})"


def warn_of_dropped_targets(old: Manifest, new: Manifest) -> None:
    """Warn of targets that a lock was for, and no longer is."""
    for name, targets in dropped_targets(old, new).items():
        warn(
            f"`{lock_file(name)}` is no longer for {', '.join(targets)}: a run replaces the last one; "
            "name all targets in one run to keep them"
        )
