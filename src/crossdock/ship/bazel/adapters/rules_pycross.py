"""For rules_pycross: a pylock.toml (PEP 751) with every wheel of every platform, and those built here as local ones.

Source: rules_pycross 2.0, docs/ext_pylock.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.lock.emit import lock_text
from crossdock.ship.bazel.lockfile import WHEELS
from crossdock.ship.wheelhouse.lockfile import environment_marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.ship.bazel.adapters.model import Request
    from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub

_FRAGMENT = """\
# For MODULE.bazel. Written by `crossdock bazel`.
pylock = use_extension("@rules_pycross//pycross/extensions:pylock.bzl", "pylock")
pylock.workspace(
    name = "{hub}",
{local}    lock_file = "//{package}:pylock.toml",
)
pylock.repo(
    dependency_groups = [
        "default",
        "transitive",
    ],
    workspace = "{hub}",
)

# Everything has a wheel: what had none was built.
pylock.package(
    name = "*",
    build_mode = "never",
    workspace = "{hub}",
)
use_repo(pylock, "{hub}")
"""


def files(request: Request) -> dict[str, bytes]:
    """Return the lock, and the fragment for MODULE.bazel."""
    hub = request.hub
    local = sorted(
        f"//{request.package}:{WHEELS}/{one.filename}" for one in hub.wheels.values() if not one.urls
    )
    rows = "".join(f'        "{label}",\n' for label in local)
    fragment = _FRAGMENT.format(
        hub=hub.name, package=request.package, local=f"    local_wheels = [\n{rows}    ],\n" if local else ""
    )
    return {"pylock.toml": _lock(hub), "rules_pycross.MODULE.bazel": fragment.encode()}


def _lock(hub: Hub) -> bytes:
    table = {
        "lock-version": "1.0",
        "created-by": "crossdock",
        "environments": _markers(hub.platforms),
        "packages": [
            _package(hub, *key) for key in sorted({(w.package, w.version) for w in hub.wheels.values()})
        ],
    }
    return lock_text(table).encode()


def _markers(platforms: Iterable[ForPlatform]) -> list[str]:
    # No marker tells one libc from another: two platforms may have the same.
    return list(dict.fromkeys(environment_marker(one.platform.target) for one in platforms))


def _package(hub: Hub, name: str, version: str) -> dict[str, Any]:
    wheels = [one for one in hub.wheels.values() if (one.package, one.version) == (name, version)]
    own = {one.repository for one in wheels}
    takers = [one for one in hub.platforms if one.wheels.get(name) in own]
    row: dict[str, Any] = {"name": name, "version": version}
    if len(takers) < len(hub.platforms):
        markers = _markers(takers)
        row["marker"] = markers[0] if len(markers) == 1 else " or ".join(f"({one})" for one in markers)
    needs = sorted({need for one in takers for need in one.needs.get(name, ())})
    if needs:
        row["dependencies"] = [{"name": need} for need in needs]
    row["wheels"] = [_wheel(one) for one in _by_filename(wheels)]
    return row


def _by_filename(wheels: Sequence[BazelWheel]) -> list[BazelWheel]:
    return sorted(wheels, key=lambda one: one.filename)


def _wheel(one: BazelWheel) -> dict[str, Any]:
    place = {"url": one.urls[0]} if one.urls else {"path": f"{WHEELS}/{one.filename}"}
    return {"name": one.filename, **place, "size": one.size, "hashes": {"sha256": one.sha256}}
