"""The host's Python as a build sees it: its program and standard library, not its headers and not its packages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.sandbox import libraries
from crossdock.build.sandbox.elf_needs import needs_of
from crossdock.build.sandbox.model import Mount
from crossdock.build.sandbox.view import host_view

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Prefixes in which the dynamic linker looks by itself (/usr/local: docker's images of Python).
_SHARED = (Path("/usr"), Path("/usr/local"))

#: Links to half of X11, for windows that no build opens.
_UNWANTED_MODULE = "_tkinter"

_PROGRAM = re.compile(r"python3(\.\d+t?)?", re.ASCII)
_STANDARD_LIBRARY = re.compile(r"python3\.\d+t?", re.ASCII)


def with_pythons(mounts: Sequence[Mount]) -> tuple[list[Mount], list[str]]:
    """Return `mounts` with what mounted Pythons need, and the places below them that are to be hidden.

    Of a Python's prefix (it has bin/python3...) only the Python is shown: its programs, its standard library, the shared
    libraries of the prefix that these are linked to, and those of the host. What else lies there is the user's: a prefix
    may be /usr/local, a home, or the environment of some other tool.
    """
    found: dict[str, Mount] = {}
    hidden: list[str] = []
    for mount in mounts:
        if not _is_python(mount):
            found[mount.place] = mount
            continue
        parts = {part.place: part for part in python_parts(mount)}
        found |= {place: part for place, part in parts.items() if place not in host_view().shown}
        hidden += _development(mount)
        for place, path in _libraries(mount.source).items():
            if place not in host_view().shown:
                found.setdefault(place, Mount(source=path, place=place))
    return list(found.values()), hidden


def python_parts(mount: Mount) -> list[Mount]:
    """Return the mounts that stand for a Python's prefix; any other mount stands for itself."""
    if not _is_python(mount):
        return [mount]
    prefix, place = mount.source, mount.place.rstrip("/")
    own = () if prefix in _SHARED else _own_libraries(prefix)
    paths = (*_programs(prefix), *prefix.glob("bin/python"), *_standard_libraries(prefix), *own)
    return [
        Mount(source=path.resolve(), place=f"{place}/{path.relative_to(prefix).as_posix()}") for path in paths
    ]


def _is_python(mount: Mount) -> bool:
    return not mount.writable and (mount.python or bool(_programs(mount.source)))


@cache
def _programs(prefix: Path) -> tuple[Path, ...]:
    return tuple(path for path in sorted((prefix / "bin").glob("python3*")) if _PROGRAM.fullmatch(path.name))


def _standard_libraries(prefix: Path) -> list[Path]:
    return [path for path in sorted(prefix.glob("lib*/python3*")) if _STANDARD_LIBRARY.fullmatch(path.name)]


@cache
def _own_libraries(prefix: Path) -> tuple[Path, ...]:
    """Return the shared libraries in a prefix that its Python is linked to, which finds them by a path of its own."""
    folders = [path for path in (prefix / "lib", prefix / "lib64") if path.is_dir()]
    # macOS: what its programs need is not read here.
    found = dict.fromkeys(path for folder in folders for path in folder.glob("*.dylib"))
    left = [*_programs(prefix), *_modules(prefix), *prefix.glob("lib*/libpython3*.so.*")]
    found |= dict.fromkeys(path for path in left if path.name.startswith("libpython3"))
    while left:
        for name in needs_of(left.pop()).libraries:
            more = [folder / name for folder in folders if (folder / name).is_file()]
            left += [path for path in more if path not in found]
            found |= dict.fromkeys(more)
    return tuple(found)


@cache
def _libraries(prefix: Path) -> dict[str, Path]:
    needed = libraries.closure([*_programs(prefix), *_modules(prefix)])
    # What lies in the prefix is found there, by the path in the program; but not where others look too.
    return {
        place: path for place, path in needed.items() if prefix in _SHARED or not path.is_relative_to(prefix)
    }


def _modules(prefix: Path) -> list[Path]:
    return [
        path
        for path in prefix.glob("lib*/python3*/lib-dynload/*.so")
        if not path.name.startswith(_UNWANTED_MODULE)
    ]


def _development(mount: Mount) -> list[str]:
    """Return the places below a Python's prefix that answer for the host: headers, how to link, installed packages."""
    patterns = ("include", "lib*/pkgconfig", "lib*/python3*/config-*", "lib*/python3*/*-packages")
    found = [path for pattern in patterns for path in sorted(mount.source.glob(pattern)) if path.is_dir()]
    place = mount.place.rstrip("/")
    return [f"{place}/{path.relative_to(mount.source).as_posix()}" for path in found]
