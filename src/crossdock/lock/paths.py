"""Local files in a lock: relative to it, never where they lie on this machine (PEP 751, `packages.*.path`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from crossdock.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Mapping


def relative_to_lock(table: Mapping[str, Any], *, start: Path, lock_directory: Path) -> dict[str, Any]:
    """Return a copy of a lock table for a lock file in `lock_directory`.

    Paths in `table` are absolute or relative to `start`. `file:` URLs become paths, and user names and
    passwords are taken out of the other URLs: a lock is shared.
    """
    packages = []
    for package in table.get("packages", ()):
        copy = dict(package)
        for key in ("archive", "sdist", "directory", "vcs"):
            if key in copy:
                copy[key] = _entry(copy[key], start, lock_directory)
        if "wheels" in copy:
            copy["wheels"] = [_entry(wheel, start, lock_directory) for wheel in copy["wheels"]]
        if "index" in copy:
            _index(copy, lock_directory)
        packages.append(copy)
    return {**table, "packages": packages}


def _entry(entry: Mapping[str, Any], start: Path, lock_directory: Path) -> dict[str, Any]:
    copy = dict(entry)
    url = copy.get("url")
    if isinstance(url, str) and url.startswith("file:"):
        parts = urlsplit(url)
        del copy["url"]
        from urllib.request import url2pathname  # 15 ms to import

        copy["path"] = url2pathname(parts.path)
    elif isinstance(url, str):
        copy["url"] = without_credentials(url)
    if isinstance(copy.get("path"), str):
        copy["path"] = _relative(start / copy["path"], lock_directory)
    return copy


def _index(package: dict[str, Any], lock_directory: Path) -> None:
    index = package["index"]
    if isinstance(index, str) and index.startswith("file:"):
        # `packages.index` is a hint for other tools; a directory on this machine is none.
        del package["index"]
    elif isinstance(index, str) and "://" not in index and Path(index).is_absolute():
        package["index"] = _relative(Path(index), lock_directory)
    elif isinstance(index, str):
        package["index"] = without_credentials(index)


def _relative(path: Path, lock_directory: Path) -> str:
    try:
        relative = os.path.relpath(path.absolute(), lock_directory.absolute())
    except ValueError as error:  # another drive of Windows
        raise LockError(
            f"`{path}` cannot be named from where the lock lies",
            code="E-LOCK-PATH",
            hint="put the lock and the file on one drive",
        ) from error
    return relative.replace(os.sep, "/")


def without_credentials(url: str) -> str:
    """Return `url` without user information; what git needs to log in by (`git@`) stays for ssh."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or parts.scheme.endswith("ssh"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
