"""lock.json: what the generated Starlark reads, and people review. The same bytes wherever it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub

#: The form of lock.json; the Starlark beside it reads this one.
FORM = 1
#: Where a wheel lies that no URL leads to, below the directory of the lock.
WHEELS = "wheels"


def lock_bytes(hub: Hub, files: Iterable[str]) -> bytes:
    """Return the lock as JSON: sorted, nothing of the host and no time in it. `files` are those beside it."""
    document = {
        "form": FORM,
        "hub": hub.name,
        "prefix": hub.prefix,
        "targets": {one.platform.name: _platform(one) for one in hub.platforms},
        "wheels": {name: _wheel(one) for name, one in sorted(hub.wheels.items())},
        "packages": hub.packages,
        "files": sorted(files),
    }
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def _platform(one: ForPlatform) -> dict[str, Any]:
    from crossdock.ship.image.environment import python_directory

    target = one.platform.target
    return {
        "target": target.name,
        "constraints": list(one.platform.constraints),
        "python": python_directory(target.python),
        "needs": {package: list(found) for package, found in one.needs.items()},
        "circles": [list(group) for group in one.circles],
        "layers": [list(group) for group in one.layers],
    }


def _wheel(one: BazelWheel) -> dict[str, Any]:
    row: dict[str, Any] = {
        "package": one.package,
        "version": one.version,
        "filename": one.filename,
        "sha256": one.sha256,
    }
    said: dict[str, Any] = {
        "urls": list(one.urls),
        "build_files": list(one.inside.build_files),
        "namespaces": list(one.inside.namespaces),
        "imports": [name for name in one.inside.imports if name != "."],
        "built_from": None if one.built_from is None else dict(one.built_from),
        "direct_url": one.direct_url,
        "allow_bad_record": one.allow_bad_record,
    }
    row |= {key: value for key, value in said.items() if value}
    if not one.urls:
        row["file"] = f"{WHEELS}/{one.filename}"
    return row
