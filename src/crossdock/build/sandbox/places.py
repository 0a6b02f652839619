"""Which place inside belongs to which path of the host, and that no link of a build leads from one to another."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.build.sandbox.model import Mount


def place_of(path: Path | str, mounts: Sequence[Mount]) -> str:
    """Return where `path` of the host lies in the tree that `mounts` make; raises ValueError if nowhere."""
    wanted = Path(os.path.abspath(path))  # noqa: PTH100  Path.resolve would follow a venv's links
    best: tuple[int, str] | None = None
    for mount in mounts:
        for source in {Path(os.path.abspath(mount.source)), mount.source.resolve()}:  # noqa: PTH100
            if wanted.is_relative_to(source):
                rest = wanted.relative_to(source).as_posix()
                place = mount.place if rest == "." else f"{mount.place.rstrip('/')}/{rest}"
                if best is None or len(source.parts) > best[0]:
                    best = (len(source.parts), place)
    if best is None:
        raise ValueError(f"{wanted} is in none of the sandbox's mounts")
    return best[1]


def check_places(mounts: Sequence[Mount]) -> None:
    """Refuse mounts that a build can lead elsewhere by a link that it leaves behind.

    Two ways are closed: a place below a writable mount (bubblewrap makes missing mount points, and follows links when
    it does), and a source below another mount's writable source. No build runs while this looks.
    """
    for mount in mounts:
        for outer in mounts:
            if outer is mount or not outer.writable:
                continue
            if mount.place.startswith(outer.place.rstrip("/") + "/"):
                followed(outer, mount.place)
            if mount.source != outer.source and mount.source.is_relative_to(outer.source):
                _walk(outer.source, mount.source.relative_to(outer.source).parts, mount.place)


def outer_mount(place: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the innermost mount around `place`."""
    around = [mount for mount in mounts if place.startswith(mount.place.rstrip("/") + "/")]
    return max(around, key=lambda mount: len(mount.place), default=None)


def followed(outer: Mount, place: str) -> Path:
    """Return the host's path of `place`, which lies below `outer`; no link of a build is on the way."""
    below = [part for part in place[len(outer.place.rstrip("/")) :].split("/") if part]
    if not outer.writable:
        return outer.source.joinpath(*below)
    return _walk(outer.source, below, place)


def _walk(start: Path, parts: Sequence[str], place: str) -> Path:
    path = start
    for part in parts:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise BuildError(
                f"`{place}` of the sandbox is no place to mount any more: a build has put something else there",
                code="E-BUILD-SANDBOX",
                places=[f"{path}: {stat.filemode(mode)}"],
            )
    return path
