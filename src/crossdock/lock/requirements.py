"""What uv does not carry over from requirements files: which files they include, and the hashes they demand."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import LockError
from crossdock.lock.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_INCLUDE = re.compile(r"(?:-r|--requirement|(?P<bound>-c|--constraint))(?:\s+|=\s*)?(?P<path>\S.*)")
_HASH = re.compile(r"--hash(?:=|\s+)(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9a-fA-F]+)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def included_files(files: Iterable[Path]) -> list[Path]:
    """Return requirements and constraints files together with all that they include, each once, in order.

    Paths in a file are relative to it, as pip and uv have it; URLs are passed over. Raise `LockError` (E-SOURCE-READ)
    for a pipe or a device: it is read more than once, and may never end.
    """
    return _included(files, bounds=True)


def requirement_files(files: Iterable[Path]) -> list[Path]:
    """Return what `included_files` does without constraints: those ask for nothing."""
    return _included(files, bounds=False)


def _included(files: Iterable[Path], *, bounds: bool) -> list[Path]:
    found: dict[Path, None] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop(0)
        if path in found or not _is_regular(path):
            continue
        found[path] = None
        for line in _lines(read_text(path)):
            match = _INCLUDE.fullmatch(line)
            if match and "://" not in match["path"] and (bounds or not match["bound"]):
                # Without its `..`s a path is the same each time a circle comes round to it.
                waiting.append(Path(os.path.normpath(path.parent / match["path"].strip("'\""))))
    return list(found)


def _is_regular(path: Path) -> bool:
    """Tell whether there is a file, whose text can be had; what is absent or a directory is told by uv."""
    if path.is_file() or path.is_dir() or not path.exists():
        return path.is_file()
    raise LockError(
        f"`{path}` is a pipe or a device and no file",
        code="E-SOURCE-READ",
        hint="requirements are read more than once, and a pipe gives them once: write them to a file",
    )


def demanded_hashes(files: Iterable[Path]) -> dict[str, frozenset[str]]:
    """Return the hashes that requirements files give, by normalized name, as `algorithm:hex`."""
    demanded: dict[str, set[str]] = {}
    for path in included_files(files):
        for line in _lines(read_text(path)):
            name = _NAME.match(line)
            hashes = {f"{match['algorithm']}:{match['hex'].lower()}" for match in _HASH.finditer(line)}
            if name and hashes:
                demanded.setdefault(re.sub(r"[-_.]+", "-", name[0]).lower(), set()).update(hashes)
    return {name: frozenset(hashes) for name, hashes in demanded.items()}


def keep_demanded(
    packages: Iterable[Mapping[str, Any]], demanded: Mapping[str, frozenset[str]]
) -> list[dict[str, Any]]:
    """Drop the files whose hash a requirements file does not list; refuse a package of which none is left.

    uv resolves such a file but locks whatever the index has (uv 0.13: `pip compile` checks no hashes).
    """
    return [
        _kept(package, demanded[package["name"]]) if package["name"] in demanded else dict(package)
        for package in packages
    ]


def _kept(package: Mapping[str, Any], hashes: frozenset[str]) -> dict[str, Any]:
    kept = {key: value for key, value in package.items() if key not in ("wheels", "sdist", "archive")}
    wheels = [wheel for wheel in package.get("wheels", ()) if _listed(wheel, hashes)]
    if wheels:
        kept["wheels"] = wheels
    for key in ("sdist", "archive"):
        if key in package and _listed(package[key], hashes):
            kept[key] = package[key]
    if not kept.keys() & {"wheels", "sdist", "archive"}:
        raise LockError(
            f"no file of `{package['name']} {package.get('version', '')}` has a hash that the requirements list",
            code="E-LOCK-HASH",
            places=sorted(hashes),
            hint="the index has other files than when the hashes were written: find out why before new ones",
        )
    return kept


def _listed(file: Mapping[str, Any], hashes: frozenset[str]) -> bool:
    return any(f"{algorithm}:{value.lower()}" in hashes for algorithm, value in file["hashes"].items())


def _lines(text: str) -> Iterator[str]:
    """Yield logical lines: continuations joined, comments gone (pip's requirements file format)."""
    for line in re.sub(r"\\\n[ \t]*", " ", text).splitlines():
        plain = re.sub(r"(^|\s+)#.*$", "", line).strip()
        if plain:
            yield plain
