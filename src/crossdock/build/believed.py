"""Wheels that another machine built, and what it says of them: held against each other before anything is kept."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from crossdock.archive.names import canonical, is_name, is_version, same_version
from crossdock.build.crossed import PROVENANCE, PROVENANCE_LIMIT
from crossdock.errors import ArchiveError, BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.archive.wheel import Wheel

#: A file's digest, or a directory's.
_IDENTITY = re.compile(r"(?:tree )?sha256:[0-9a-f]{64}", re.ASCII)


def prove_built_for(content: bytes, filename: str, ask: Mapping[str, Any]) -> None:
    """Prove that a wheel is sound, of the project that was asked for, and says that it was built for the question.

    Raise `ArchiveError` for no sound wheel, `BuildError` (E-BUILD-OTHER-PROJECT) for another than was asked for.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.build.produced import LIMITS
    from crossdock.safepath import PathRules

    with Wheel.open(content, filename, rules=PathRules.POSIX, limits=LIMITS) as wheel:
        told = _provenance(wheel)
        same = canonical(wheel.name) == canonical(ask["name"])
        if ask["version"] is not None:
            same = same and same_version(wheel.version, ask["version"])
    source = told.get("source")
    digest = source.get("digest") if isinstance(source, dict) else None
    if not same or digest != (ask["source"] or "unknown") or told.get("target") != ask["target"]:
        raise BuildError(f"`{filename}` is not what was asked for", code="E-BUILD-OTHER-PROJECT")


def _provenance(wheel: Wheel) -> dict[str, Any]:
    name = f"{wheel.dist_info}/{PROVENANCE}"
    for file in wheel.files:
        if file.member.name == name and file.size <= PROVENANCE_LIMIT:
            try:
                found = json.loads(wheel.read(file))
            except (ValueError, RecursionError) as error:
                raise ArchiveError(f"`{name}` cannot be read", code="E-WHEEL-METADATA") from error
            return found if isinstance(found, dict) else {}
    return {}


def is_ask(value: object) -> bool:
    """Tell whether a value read from a file has what `ask_of` returns, as far as anything looks at it."""
    if not isinstance(value, dict):
        return False
    name, version, source, below = (value.get(key) for key in ("name", "version", "source", "subdirectory"))
    return (
        {"form", "crossdock", "name", "version", "source", "settings", "target", "zig"} <= value.keys()
        and isinstance(name, str)
        and is_name(name)
        and (version is None or (isinstance(version, str) and is_version(version)))
        and isinstance(source, str)
        and _IDENTITY.fullmatch(source) is not None
        and (below is None or isinstance(below, str))
        and isinstance(value["settings"], dict)
        and _is_target(value["target"])
    )


def _is_target(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    python, libc = value.get("python"), value.get("libc")
    return (
        all(isinstance(value.get(key), str) for key in ("os", "arch"))
        and isinstance(python, dict)
        and all(isinstance(python.get(key), int) for key in ("major", "minor", "free_threaded"))
        and "libc" in value
        and (libc is None or (isinstance(libc, dict) and isinstance(libc.get("kind"), str)))
    )


def is_report(value: object) -> bool:
    """Tell whether a value from elsewhere has the shape of `report_json`."""
    if not isinstance(value, dict):
        return False
    tags, floor, grafted = value.get("tags"), value.get("floor"), value.get("grafted")
    return (
        isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
        and (floor is None or (isinstance(floor, dict) and _texts(floor, "version") and "set_by" in floor))
        and isinstance(grafted, list)
        and all(
            isinstance(one, dict) and _texts(one, "path", "soname") and "package" in one for one in grafted
        )
        and isinstance(value.get("findings"), list)
        and all(isinstance(one, dict) for one in value["findings"])
    )


def _texts(value: dict[str, Any], *keys: str) -> bool:
    return all(isinstance(value.get(key), str) for key in keys)
