"""A directory on this disk becomes files of an image: which of them, and with which modes."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.outputs import is_output
from crossdock.errors import ShipError
from crossdock.safepath import show
from crossdock.ship.entries import FILE_MODE, PROGRAM_MODE, disk_file, made_link, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from crossdock.ship.entries import Entry

_CACHES = frozenset({"__pycache__", "node_modules"})
_CACHE_SUFFIXES = (".pyc", ".pyo", ".egg-info")
#: At the top of a project: what its packages were chosen by. A new lock must not change the application's layer.
_LOCKS = re.compile(r"pylock(\.[^.]+)?\.toml|(uv|poetry|pdm|Pipfile)\.lock")
#: RFC 7468, and OpenSSH's; indented in YAML, and behind a quotation mark in JSON (keys of clouds' service accounts).
_PRIVATE_KEY = re.compile(rb"(?m)(?:^[ \t]*|\")-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")
#: Sources and texts speak of keys without being one.
_MAY_SPEAK_OF_KEYS = (".py", ".pyi", ".md", ".rst", ".html")
#: Never wanted, even of a directory that was named.
_NEVER_ADDED = frozenset({".DS_Store", ".git", ".hg", ".svn", "__pycache__"})


def module_files(
    directory: Path, below: str, *, exclude: Sequence[str] = (), skip: Collection[Path] = ()
) -> tuple[Entry, ...]:
    """Return the files of an application's directory as they lie below `below` in the image, sorted.

    Left out are: names that begin with a dot (settings of tools, and secrets such as `.env`), caches,
    environments, OCI layouts, shipments and wheelhouses of ours, locks at the top, what a pattern of `exclude` names (a file's
    or directory's name, or its path from `directory`), and the paths of `skip`: outputs of this run.
    `.gitignore` is not read: an image must not depend on git. Links that stay inside are kept, others are refused,
    and so are private keys. Modes are 0755 for programs and 0644 for all else.
    """
    patterns = [pattern.removeprefix("./").rstrip("/") for pattern in exclude]
    outputs = {os.path.realpath(path) for path in skip}

    def wanted(place: Path, path: str) -> bool:
        name = place.name
        if name.startswith(".") or name in _CACHES or name.endswith(_CACHE_SUFFIXES):
            return False
        if path == name and _LOCKS.fullmatch(name):
            return False
        if any(fnmatchcase(path, pattern) or fnmatchcase(name, pattern) for pattern in patterns):
            return False
        if os.path.realpath(place) in outputs:
            return False
        return place.is_symlink() or not (place.is_dir() and is_output(place))

    return _files(directory, below, wanted, keys=False, mode=None)


def added_directory(source: Path, below: str, *, mode: int | None) -> tuple[Entry, ...]:
    """Return a directory that the user named, whole but for version control and bytecode, sorted.

    `mode` is the files', None for theirs. Links are treated as in `module_files`; private keys are taken.
    """
    return _files(source, below, lambda place, _path: place.name not in _NEVER_ADDED, keys=True, mode=mode)


def file_mode(place: Path) -> int:
    """Return 0755 for a program and 0644 for all else: of the host's modes only an x bit counts."""
    try:
        return PROGRAM_MODE if place.stat().st_mode & 0o111 else FILE_MODE
    except OSError as error:
        raise unreadable(error) from error


def _files(
    directory: Path, below: str, wanted: Callable[[Path, str], bool], *, keys: bool, mode: int | None
) -> tuple[Entry, ...]:
    root = Path(os.path.realpath(directory))
    found: dict[str, Entry] = {}
    for place, path in _walk(root, "", wanted):
        inside = f"{below}/{path}" if below else path
        if place.is_symlink():
            found[path] = made_link(inside, _link(place, path, root))
        elif place.is_file():
            look = None if keys or path.endswith(_MAY_SPEAK_OF_KEYS) else _no_key(path)
            found[path] = disk_file(inside, place, mode=file_mode(place) if mode is None else mode, look=look)
        else:
            raise ShipError(
                f"`{show(path)}` is no file, directory or link",
                code="E-APP-FILE",
                hint="leave it out by `exclude`",
            )
    _check_links(found)
    return tuple(found[path] for path in sorted(found))


def _walk(directory: Path, below: str, wanted: Callable[[Path, str], bool]) -> Iterator[tuple[Path, str]]:
    """Give every wanted path that is no directory; links are not followed."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208  # the names are all that is needed
    except OSError as error:
        raise unreadable(error) from error
    for name in names:
        place, path = directory / name, f"{below}{name}"
        if not wanted(place, path):
            continue
        if place.is_dir() and not place.is_symlink():
            yield from _walk(place, f"{path}/", wanted)
        else:
            yield place, path


def _link(place: Path, path: str, root: Path) -> str:
    """Return what a link says, relative, or refuse one that leads out of `root`."""
    target = Path(os.path.realpath(place))
    if not target.is_relative_to(root) or not target.exists():
        where = "to nothing" if target.is_relative_to(root) else "out of the directory"
        raise ShipError(
            f"the link `{show(path)}` leads {where}",
            code="E-APP-LINK",
            hint="put a copy in its place, or leave it out by `exclude`",
        )
    return Path(os.path.relpath(target, os.path.realpath(place.parent))).as_posix()


def _check_links(found: dict[str, Entry]) -> None:
    """Refuse links to what is not shipped: they would lead to nothing in the image."""
    directories = {""}
    for path in found:
        parent = path.rpartition("/")[0]
        while parent not in directories:
            directories.add(parent)
            parent = parent.rpartition("/")[0]
    for path, entry in found.items():
        if entry.link:
            target = os.path.normpath(f"{path.rpartition('/')[0]}/{entry.link}".lstrip("/"))
            target = "" if target == "." else target.replace(os.sep, "/")
            if target not in found and target not in directories:
                raise ShipError(
                    f"the link `{show(path)}` leads to `{show(target)}`, which is left out",
                    code="E-APP-LINK",
                    hint="put a copy in its place, or leave the link out by `exclude`",
                )


def _no_key(path: str) -> Callable[[bytes], None]:
    def look(content: bytes) -> None:
        if _PRIVATE_KEY.search(content):
            raise ShipError(
                f"`{show(path)}` holds a private key",
                code="E-APP-SECRET",
                hint="move it away, leave it out by `exclude`, or say that you mean it by `--add`",
            )

    return look
