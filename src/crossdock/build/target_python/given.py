"""A directory that the user gives: an installation's prefix, or the root of a system as Debian lays it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.headers import edited, is_header, is_pointer, own_pyconfig
from crossdock.build.target_python.layout import Parts
from crossdock.build.target_python.names import multiarch, python_name, sysconfigdata_name
from crossdock.build.target_python.variables import read_sysconfigdata
from crossdock.errors import BuildError
from crossdock.target.model import Os

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target

_LARGEST = 8 << 20


def from_directory(directory: Path, target: Target) -> Parts:
    """Return the parts of the Python that lies in a directory; `keep` checks that it is the target's.

    Taken are `include/pythonX.Y` and `lib/pythonX.Y/_sysconfigdata*.py` in it or in its `usr`, for Windows `include` and `libs`
    as the installer lays them out. Raise `BuildError` (E-BUILD-TARGET-PYTHON) where there are no such.
    """
    if target.os is Os.WINDOWS:
        return _of_windows(directory, target)
    for prefix in (directory, directory / "usr", directory / "usr" / "local"):
        folder = prefix / "include" / python_name(target)
        if (folder / "Python.h").is_file():
            headers = _headers(folder)
            break
    else:
        raise BuildError(
            f"`{directory}` has no `include/{python_name(target)}/Python.h`",
            code="E-BUILD-TARGET-PYTHON",
            hint=f"give the prefix of a CPython {target.python.short} that was built for the target",
        )
    headers = _with_own_pyconfig(headers, prefix, target)
    return Parts(
        provider="given",
        detail=f"{python_name(target)} of a directory",
        headers=headers,
        built=_variables(prefix, target),
    )


def _headers(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*.h")):
        name = path.relative_to(folder).as_posix()
        if is_header(name) and path.is_file() and path.stat().st_size <= _LARGEST:
            found[name] = path.read_bytes()
    return found


def _with_own_pyconfig(headers: dict[str, bytes], prefix: Path, target: Target) -> dict[str, bytes]:
    text = headers.get("pyconfig.h", b"").decode("utf-8", "replace")
    if not is_pointer(text):
        return headers

    def read(path: str) -> bytes | None:
        place = prefix / "include" / path
        return place.read_bytes() if place.is_file() else None

    own = own_pyconfig(text, (multiarch(target),), read)
    if own is None:
        raise BuildError(
            f"`{prefix}` has no `include/{multiarch(target)}/{python_name(target)}/pyconfig.h`",
            code="E-BUILD-TARGET-PYTHON",
            hint="unpack the package `libpythonX.Y-dev` of the target's architecture there",
        )
    return edited(headers, own.decode("utf-8", "replace"))


def _variables(prefix: Path, target: Target) -> dict[str, Any]:
    """Return the variables of the module that the target's Python would read, else of the only one there is."""
    folder = prefix / "lib" / python_name(target)
    wanted = folder / f"{sysconfigdata_name(target)}.py"
    found = [wanted] if wanted.is_file() else sorted(folder.glob("_sysconfigdata_*.py"))
    if len(found) != 1 or found[0].stat().st_size > _LARGEST:
        return {}
    return read_sysconfigdata(found[0].read_text("utf-8", "replace"), found[0].name)


def _of_windows(directory: Path, target: Target) -> Parts:
    folder = next(
        (one for one in (directory / "include", directory / "Include") if (one / "Python.h").is_file()), None
    )
    if folder is None:
        raise BuildError(
            f"`{directory}` has no `include/Python.h`",
            code="E-BUILD-TARGET-PYTHON",
            hint=f"give the directory of a CPython {target.python.short} as its installer for Windows lays it out",
        )
    libraries = {
        path.name: path.read_bytes()
        for path in sorted((directory / "libs").glob("python3*.lib"))
        if path.is_file()
    }
    return Parts(
        provider="given",
        detail=f"{python_name(target)} of a directory",
        headers=_headers(folder),
        libraries=libraries,
    )
