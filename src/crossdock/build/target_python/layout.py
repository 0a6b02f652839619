"""What every provider makes: a tree in the store with headers, libraries, and a record of what they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossdock.build.model import TargetPython
from crossdock.build.target_python.names import multiarch, platform_tag, python_name, soabi
from crossdock.build.target_python.pyconfig import read_pyconfig
from crossdock.build.target_python.variables import portable_variables
from crossdock.errors import BuildError
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.store import Store
    from crossdock.target.model import Target

#: Raised when the same files would be laid out otherwise.
FORM = 2
_KIND = "target-python"
_RECORD = "crossdock-target-python.json"
#: As an error shows, and no program ever has so many: a directory that is no Python's is refused early.
_MOST_FILES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a provider found: files by their path below `include/pythonX.Y`, and of `libs/`, and its variables."""

    provider: str
    detail: str
    headers: Mapping[str, bytes]
    libraries: Mapping[str, bytes] = field(default_factory=dict)
    built: Mapping[str, Any] = field(default_factory=dict)


class NotKeptError(Exception):
    """The store has no such tree, or no longer."""


def keep(parts: Parts, target: Target, store: Store) -> tuple[TargetPython, str]:
    """Write the parts into the store, once, and return them with the key of their tree."""
    _check(parts, target)
    files = {f"include/{python_name(target)}/{path}": content for path, content in parts.headers.items()}
    files |= {f"libs/{path}": content for path, content in parts.libraries.items()}
    defines = read_pyconfig(parts.headers["pyconfig.h"].decode("utf-8", "replace"))
    variables = portable_variables(defines, parts.built)
    digest = _digest(files, variables)
    record = {
        "provider": parts.provider,
        "detail": parts.detail,
        "digest": digest,
        "variables": variables,
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    }

    def make(place: Path) -> None:
        for path, content in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
        (place / _RECORD).write_bytes(seal(record))

    key = f"{FORM} {parts.provider} {parts.detail} {digest}"
    return _read(store.tree(_KIND, key, make, prove=prove)), key


def kept(key: str, store: Store) -> TargetPython | None:
    """Return what `keep` wrote under a key, or None."""

    def make(_place: Path) -> None:
        raise NotKeptError

    try:
        return _read(store.tree(_KIND, key, make, prove=prove))
    except NotKeptError:
        return None


def prove(place: Path) -> bool:
    """Tell whether every file of a tree is as it was written."""
    record = read_sealed(place / _RECORD)
    try:
        return isinstance(record, dict) and all(
            hashlib.sha256((place / path).read_bytes()).hexdigest() == digest
            for path, digest in record["files"].items()
        )
    except (OSError, LookupError):
        return False


def _read(place: Path) -> TargetPython:
    record = read_sealed(place / _RECORD)
    if not isinstance(record, dict):
        raise NotKeptError
    return TargetPython(
        directory=place,
        variables=record["variables"],
        provider=record["provider"],
        detail=record["detail"],
        digest=record["digest"],
    )


def _digest(files: Mapping[str, bytes], variables: Mapping[str, Any]) -> str:
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path}\0{hashlib.sha256(files[path]).hexdigest()}\n".encode())
    found.update(json.dumps(variables, sort_keys=True).encode())
    return found.hexdigest()


def _check(parts: Parts, target: Target) -> None:
    """Raise `BuildError` where the files cannot be those of the target's Python."""
    where = f"{parts.detail} ({parts.provider})"
    missing = sorted({"Python.h", "pyconfig.h", "patchlevel.h"} - set(parts.headers))
    if missing or len(parts.headers) > _MOST_FILES:
        raise BuildError(
            f"{where} is not a Python to build against: {', '.join(missing) or 'too many files'}"
            + (" missing" if missing else ""),
            code="E-BUILD-TARGET-PYTHON",
        )
    wrong = [
        *_version_wrong(parts, target),
        *_pyconfig_wrong(parts, target),
        *_variables_wrong(parts, target),
    ]
    if wrong:
        raise BuildError(
            f"{where} is not the Python of the target, CPython {target.python.short}"
            f"{' free-threaded' if target.python.free_threaded else ''} for {platform_tag(target)}",
            code="E-BUILD-TARGET-PYTHON",
            places=wrong,
            hint="give the directory of a Python of that version and CPU, or none: its headers are found then",
        )


def _version_wrong(parts: Parts, target: Target) -> list[str]:
    found = read_pyconfig(parts.headers["patchlevel.h"].decode("utf-8", "replace"))
    version = (found.get("PY_MAJOR_VERSION"), found.get("PY_MINOR_VERSION"))
    wanted = (str(target.python.major), str(target.python.minor))
    return [] if version == wanted else [f"patchlevel.h is of {found.get('PY_VERSION')}"]


def _pyconfig_wrong(parts: Parts, target: Target) -> list[str]:
    from crossdock.build.target_python.table import decisive_for

    found = read_pyconfig(parts.headers["pyconfig.h"].decode("utf-8", "replace"))
    return [
        f"pyconfig.h: {name} is {found.get(name) or 'not defined'}, the target has {wanted or 'it not defined'}"
        for name, wanted in decisive_for(target).items()
        # A name that this version does not know says nothing; a size is always there.
        if (name in found or name.startswith("SIZEOF_")) and found.get(name) != wanted
    ]


def _variables_wrong(parts: Parts, target: Target) -> list[str]:
    wanted = {"SOABI": soabi(target), "MULTIARCH": multiarch(target)}
    return [
        f"{name} is {parts.built[name]}, the target's is {value}"
        for name, value in wanted.items()
        if parts.built.get(name) not in {None, "", value}
    ]
