"""Targets from a file: TOML of our own, and the JSON that pex writes for a complete platform."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossdock.errors import TargetError
from crossdock.target.model import MARKER_VARIABLES
from crossdock.target.names import parse_python, parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.target.model import Python, Target

_KEYS = ("platform", "python", "markers", "base-libraries")
#: A pex file lists every tag: some 2,000 lines; no target file is larger than this.
_LIMIT = 4 << 20

#: Of pex's environment these are the Python's, which the tags and its version say.
_OF_PYTHON = (
    "implementation_name",
    "platform_python_implementation",
    "python_full_version",
    "python_version",
)


def load_target(content: bytes, *, filename: str, default_python: Python | None = None) -> Target:
    """Read a target file by its ending, `.json` (pex) or TOML; raise `TargetError` naming the file and key."""
    if len(content) > _LIMIT:
        raise TargetError(f"`{filename}` is larger than a target file can be", code="E-TARGET-FILE")
    import json
    import tomllib

    name = filename.rpartition(".")[0] or filename
    try:
        if filename.endswith(".json"):
            return _pex(json.loads(content), name)
        table = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TargetError(f"`{filename}` cannot be read: {error}", code="E-TARGET-FILE") from error
    return target_from_table(table, name=name, default_python=default_python)


def target_from_table(table: Mapping[str, Any], *, name: str, default_python: Python | None = None) -> Target:
    """Read a target from a table, of a file or of `[tool.crossdock.target.NAME]`.

    `platform` is any name that `--for` takes; `python`, `markers` (PEP 508 variables) and `base-libraries`
    (sonames) add to it.
    """
    for key in table:
        if key not in _KEYS:
            raise TargetError(
                f"target `{name}` has an unknown key `{key}`",
                code="E-TARGET-FILE",
                hint=f"known: {', '.join(_KEYS)}",
            )
    platform, python = table.get("platform"), table.get("python")
    if not isinstance(platform, str) or not isinstance(python, str | None):
        raise TargetError(
            f'target `{name}` needs `platform`, a string like "linux/arm64"; `python` is one too',
            code="E-TARGET-FILE",
        )
    target = parse_target(platform, default_python=parse_python(python) if python else default_python)
    libraries = table.get("base-libraries")
    if libraries is not None and not (
        isinstance(libraries, list) and all(isinstance(item, str) for item in libraries)
    ):
        raise TargetError(f"target `{name}`: `base-libraries` is a list of sonames", code="E-TARGET-FILE")
    overrides = {**dict(target.marker_overrides), **_overrides(table.get("markers", {}), name)}
    return replace(
        target,
        name=name,
        marker_overrides=tuple(sorted(overrides.items())),
        base_libraries=target.base_libraries if libraries is None else frozenset(libraries),
    )


def _overrides(table: object, name: str) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise TargetError(f"target `{name}`: `markers` is a table of strings", code="E-TARGET-FILE")
    for key in table:
        if key not in MARKER_VARIABLES:
            raise TargetError(
                f"target `{name}`: no marker variable `{key}`",
                code="E-TARGET-MARKER",
                hint=f"known: {', '.join(MARKER_VARIABLES)}",
            )
    return table


def _pex(value: Any, name: str) -> Target:
    """Read `{"marker_environment": {...}, "compatible_tags": [...]}`; the best tag with a floor is the place."""
    if not isinstance(value, dict) or not isinstance(value.get("compatible_tags"), list):
        raise TargetError(
            f"`{name}` is not a complete platform of pex: no list `compatible_tags`", code="E-TARGET-FILE"
        )
    declared = value.get("marker_environment") or {}
    if not isinstance(declared, dict):
        raise TargetError(f"`{name}`: `marker_environment` is not a table", code="E-TARGET-FILE")
    for tag in value["compatible_tags"]:
        found = re.fullmatch(r"((?:cp|pp)3\d+)-(\w+)-(\w+)", str(tag))
        # pex lists the bare linux_<arch> first: it says where the file was made, not what the place takes.
        if found is None or found[3].startswith("linux_"):
            continue
        python = _pex_python(found[1], found[2], declared.get("python_full_version"), name)
        target = parse_target(found[3], default_python=python)
        own = dict(target.marker_overrides)
        return replace(
            target, name=name, marker_overrides=tuple(sorted({**own, **_differing(target, declared)}.items()))
        )
    raise TargetError(f"`{name}` lists no tag that names a platform", code="E-TARGET-FILE")


def _pex_python(interpreter: str, abi: str, full: object, name: str) -> Python:
    python = parse_python(abi if interpreter.startswith("pp") else interpreter)
    python = replace(python, free_threaded=abi.startswith("cp") and abi.endswith("t"))
    if not full:
        return python
    # A Python built between two releases says `3.14.0+`.
    said = parse_python(str(full).removesuffix("+"))
    if said.version != python.version:
        raise TargetError(f"`{name}`: tags of {interpreter}, markers of {full}", code="E-TARGET-FILE")
    return replace(python, patch=said.patch, prerelease=said.prerelease)


def _differing(target: Target, declared: Mapping[str, Any]) -> dict[str, str]:
    """Return what the file knows better than the tags: the kernel, a 32-bit system on a 64-bit machine."""
    from crossdock.target.markers import environment

    known = environment(target)
    differing = {
        name: str(declared[name])
        for name in MARKER_VARIABLES
        if declared.get(name) and name not in _OF_PYTHON and str(declared[name]) != known[name]
    }
    for name in ("os_name", "sys_platform"):
        if name in differing:
            raise TargetError(
                f"`{target.name}` is a tag of {known[name]}, the markers say {name} {differing[name]}",
                code="E-TARGET-FILE",
            )
    return differing
