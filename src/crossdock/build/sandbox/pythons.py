"""The host's Python as a build sees it: its program and standard library, not its headers and not its packages."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.sandbox import libraries
from crossdock.build.sandbox.model import Mount
from crossdock.build.sandbox.view import host_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Prefixes that a Python shares with everything else on a host (/usr/local: docker's images of Python).
_SHARED = (Path("/usr"), Path("/usr/local"))

#: Links to half of X11, for windows that no build opens.
_UNWANTED_MODULE = "_tkinter"


def with_pythons(mounts: Sequence[Mount]) -> tuple[list[Mount], list[str]]:
    """Return `mounts` with what mounted Pythons need, and the places below them that are to be hidden.

    A mount of a Python's prefix (it has bin/python3...) brings the host's libraries that its modules are linked to.
    Of /usr and /usr/local only the Python is shown.
    """
    found: dict[str, Mount] = {}
    hidden: list[str] = []
    for mount in mounts:
        if mount.writable or not _programs(mount.source):
            found[mount.place] = mount
            continue
        shared = mount.source in _SHARED and mount.place == os.fspath(mount.source)
        parts = list(_parts(mount.source)) if shared else [mount]
        found |= {part.place: part for part in parts if part.place not in host_view().shown}
        hidden += _development(mount)
        for place, path in _libraries(mount.source).items():
            if place not in host_view().shown:
                found.setdefault(place, Mount(source=path, place=place))
    return list(found.values()), hidden


@cache
def _programs(prefix: Path) -> tuple[Path, ...]:
    return tuple(path for path in sorted((prefix / "bin").glob("python3*")) if "-" not in path.name)


@cache
def _libraries(prefix: Path) -> dict[str, Path]:
    modules = [
        path
        for path in prefix.glob("lib*/python3*/lib-dynload/*.so")
        if not path.name.startswith(_UNWANTED_MODULE)
    ]
    needed = libraries.closure([*_programs(prefix), *modules])
    # What lies in the prefix is found there, by the path in the program; but not where others look too.
    return {
        place: path for place, path in needed.items() if prefix in _SHARED or not path.is_relative_to(prefix)
    }


def _parts(prefix: Path) -> Iterator[Mount]:
    for path in (*_programs(prefix), *prefix.glob("bin/python"), *prefix.glob("lib*/python3*")):
        yield Mount(source=path.resolve(), place=os.fspath(path))


def _development(mount: Mount) -> list[str]:
    """Return the places below a Python's prefix that answer for the host: headers, how to link, installed packages."""
    patterns = ("include", "lib*/pkgconfig", "lib*/python3*/config-*", "lib*/python3*/*-packages")
    found = [path for pattern in patterns for path in sorted(mount.source.glob(pattern)) if path.is_dir()]
    place = mount.place.rstrip("/")
    return [f"{place}/{path.relative_to(mount.source).as_posix()}" for path in found]
