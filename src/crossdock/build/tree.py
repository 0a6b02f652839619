"""A source tree on this disk: which of its files a build sees, and a digest over them."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.build.outputs import is_output
from crossdock.digest import Digest
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Never part of a build: version control, environments, caches. Wherever they lie.
_SKIPPED = frozenset({
    ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn",
    ".tox", ".venv", "__pycache__", "node_modules",
})  # fmt: skip
#: What earlier builds left: stale files of it would come into the wheel (setuptools takes `build/lib` as it is).
_LEFT_BY_BUILDS = frozenset({"build", "dist"})
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".egg-info")
_CHUNK = 1 << 20


class TreeFile(NamedTuple):
    """A file below a source tree; `link` is what a symbolic link says, else None."""

    path: str  # with forward slashes
    place: Path
    executable: bool
    link: str | None


def source_tree(directory: Path) -> tuple[TreeFile, ...]:
    """Return the files of a project that a build sees, sorted by path.

    `.gitignore` is not read: what is built must not depend on git. Environments, OCI layouts, shipments and
    wheelhouses of ours are known by a file in them; `build` and `dist` at the top are left out unless they are packages or hold
    the build backend. Sockets and devices are passed over. Raise `BuildError` for what cannot be read.
    """
    if not directory.is_dir():
        raise BuildError(f"no source tree at `{directory}`", code="E-BUILD-NO-SOURCE")
    try:
        return tuple(sorted(_walk(directory, "", _in_tree_backend(directory))))
    except OSError as error:
        raise _unreadable(error) from error


def _walk(directory: Path, below: str, kept: frozenset[str]) -> Iterator[TreeFile]:
    with os.scandir(directory) as found:
        for entry in found:
            path = f"{below}{entry.name}"
            if entry.name in _SKIPPED or entry.name.endswith(_SKIPPED_SUFFIXES):
                continue
            if entry.is_symlink():
                yield TreeFile(path, Path(entry.path), executable=False, link=os.readlink(entry.path))  # noqa: PTH115
            elif entry.is_dir():
                place = Path(entry.path)
                if not _is_left_over(place, path, kept):
                    yield from _walk(place, f"{path}/", kept)
            elif entry.is_file():
                yield TreeFile(path, Path(entry.path), bool(entry.stat().st_mode & 0o111), None)


def _is_left_over(place: Path, path: str, kept: frozenset[str]) -> bool:
    if is_output(place):
        return True
    return path in _LEFT_BY_BUILDS and path not in kept and not (place / "__init__.py").is_file()


def _pyproject(directory: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # The build says it better.


def _in_tree_backend(directory: Path) -> frozenset[str]:
    pyproject = _pyproject(directory)
    system = pyproject.get("build-system")
    if not isinstance(system, dict) or "backend-path" not in system:
        return frozenset()
    from crossdock.archive.native import scripts_named

    return frozenset(name.partition("/")[0] for name in scripts_named(pyproject))


def tree_digest(files: Sequence[TreeFile], directory: Path) -> Digest | None:
    """Return a digest over names, x bits and contents, None if a link leads out of `directory`.

    What lies behind such a link may change unseen, so nothing may be remembered under the digest.
    """
    root = os.path.realpath(directory)
    rows: list[tuple[str, bool, str]] = []
    for file in files:
        if file.link is not None:
            if os.path.commonpath([root, os.path.realpath(file.place)]) != root:
                return None
            rows.append((file.path, False, f"link {file.link}"))
        else:
            rows.append((file.path, file.executable, _hash(file.place)))
    return Digest.of(json.dumps(rows).encode())


def _hash(path: Path) -> str:
    hasher = sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
    except OSError as error:
        raise _unreadable(error) from error
    return hasher.hexdigest()


def copy_tree(files: Sequence[TreeFile], destination: Path) -> None:
    """Copy `files` to a new directory, modes 0644 and 0755."""
    destination.mkdir()
    try:
        for file in files:
            place = destination / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.link is not None:
                place.symlink_to(file.link)
            else:
                shutil.copyfile(file.place, place)
                place.chmod(0o755 if file.executable else 0o644)
    except OSError as error:
        raise _unreadable(error) from error


def native_reasons(files: Sequence[TreeFile], directory: Path) -> tuple[str, ...]:
    """Return why a build of the tree compiles native code, empty if nothing says so; none of its code runs."""
    from crossdock.archive.native import native_evidence

    texts, pyproject = _scripts(files, directory)
    return native_evidence((file.path for file in files), texts, pyproject)


def platform_reasons(files: Sequence[TreeFile], directory: Path) -> tuple[str, ...]:
    """Return what a build of the tree asks of the machine that it runs on; none of its code runs."""
    from crossdock.archive.native import platform_questions

    return platform_questions(*_scripts(files, directory))


def _scripts(files: Sequence[TreeFile], directory: Path) -> tuple[dict[str, str], dict[str, Any]]:
    from crossdock.archive.native import scripts_named, texts_needed

    pyproject = _pyproject(directory)
    more = scripts_named(pyproject)
    texts = {
        file.path: file.place.read_text(encoding="utf-8", errors="replace")
        for file in files
        if file.link is None and (texts_needed(file.path) or file.path.startswith(more))
    }
    return texts, pyproject


def _unreadable(error: OSError) -> BuildError:
    return BuildError(
        f"cannot read the source tree: {(error.strerror or str(error)).lower()}",
        code="E-BUILD-NO-SOURCE",
        places=[str(error.filename)] if error.filename else [],
    )


def stated_name(directory: Path) -> str | None:
    """Return the name that a project's files state: pyproject.toml, PKG-INFO, setup.cfg, or a literal in setup.py."""
    pyproject = _pyproject(directory)
    for table in (pyproject.get("project"), _poetry_of(pyproject)):
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            return str(table["name"])
    for read in (_name_of_pkg_info, _name_of_setup_cfg, _name_of_setup_py):
        try:
            found = read(directory)
        except (OSError, ValueError, RecursionError, SyntaxError):
            continue
        if found:
            return found
    return None


def _poetry_of(pyproject: dict[str, Any]) -> object:
    tool = pyproject.get("tool")
    return tool.get("poetry") if isinstance(tool, dict) else None


def _name_of_pkg_info(directory: Path) -> str | None:
    from email.parser import HeaderParser

    return HeaderParser().parsestr((directory / "PKG-INFO").read_text(encoding="utf-8"))["Name"]


def _name_of_setup_cfg(directory: Path) -> str | None:
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string((directory / "setup.cfg").read_text(encoding="utf-8"))
    except Error:
        return None
    return parser.get("metadata", "name", fallback=None)


def _name_of_setup_py(directory: Path) -> str | None:
    import ast

    for node in ast.walk(ast.parse((directory / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setup"):
            for keyword in node.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return None
