"""For rules_pycross: a pylock.toml (PEP 751) with every wheel of every platform, and those built here as local ones.

Source: rules_pycross 2.0, docs/ext_pylock.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError
from crossdock.lock.emit import lock_text
from crossdock.ship.bazel.adapters.model import plain_url
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
    """Return the lock, and the fragment for MODULE.bazel.

    Raise `UsageError` (E-BAZEL-PYLOCK) where glibc and musl have different versions: no marker tells one from the other.
    """
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
    keys = sorted({(one.package, one.version) for one in hub.wheels.values()})
    _refuse_forks_by_libc(hub, keys)
    table = {
        "lock-version": "1.0",
        "created-by": "crossdock",
        "environments": _markers(hub.platforms),
        "packages": [_package(hub, *key) for key in keys],
    }
    return lock_text(table).encode()


def _refuse_forks_by_libc(hub: Hub, keys: Iterable[tuple[str, str]]) -> None:
    seen: dict[tuple[str, str], tuple[str, ForPlatform]] = {}
    for name, version in keys:
        for one in _takers(hub, name, version):
            marker = environment_marker(one.platform.target)
            other, before = seen.setdefault((name, marker), (version, one))
            if other != version:
                raise UsageError(
                    f"`{name}` is {other} for `{before.platform.target.name}` and {version} for "
                    f"`{one.platform.target.name}`, and no marker of a pylock.toml tells glibc from musl",
                    code="E-BAZEL-PYLOCK",
                    hint="lock one version for both, or leave `--adapter rules_pycross` out",
                )


def _markers(platforms: Iterable[ForPlatform]) -> list[str]:
    # No marker tells one libc from another: two platforms may have the same.
    return list(dict.fromkeys(environment_marker(one.platform.target) for one in platforms))


def _takers(hub: Hub, name: str, version: str) -> list[ForPlatform]:
    """Return the platforms that take a package in this version."""
    return [
        one for one in hub.platforms if name in one.wheels and hub.wheels[one.wheels[name]].version == version
    ]


def _package(hub: Hub, name: str, version: str) -> dict[str, Any]:
    takers = _takers(hub, name, version)
    row: dict[str, Any] = {"name": name, "version": version, **_marker(hub, name, version)}
    needs = {
        (need, hub.wheels[one.wheels[need]].version) for one in takers for need in one.needs.get(name, ())
    }
    if needs:
        row["dependencies"] = [_dependency(hub, *need) for need in sorted(needs)]
    wheels = [one for one in hub.wheels.values() if (one.package, one.version) == (name, version)]
    row["wheels"] = [_wheel(one) for one in _by_filename(wheels)]
    return row


def _marker(hub: Hub, name: str, version: str) -> dict[str, str]:
    """Return the marker of the platforms that take a package in this version, nothing where all do."""
    takers = _takers(hub, name, version)
    if len(takers) == len(hub.platforms):
        return {}
    markers = _markers(takers)
    return {"marker": markers[0] if len(markers) == 1 else " or ".join(f"({one})" for one in markers)}


def _dependency(hub: Hub, name: str, version: str) -> dict[str, str]:
    """Return what leads to a package's entry.

    A key tells entries apart by having the same value in both (PEP 751, packages.dependencies). The marker does so, and
    rules_pycross goes by no other: it passes over that of the entry, and would want colorama of tqdm on Linux too
    (pycross/private/pylock_lock_model.bzl).
    """
    versions = {one.version for one in hub.wheels.values() if one.package == name}
    told = {"version": version} if len(versions) > 1 else {}
    return {"name": name, **told, **_marker(hub, name, version)}


def _by_filename(wheels: Sequence[BazelWheel]) -> list[BazelWheel]:
    return sorted(wheels, key=lambda one: one.filename)


def _wheel(one: BazelWheel) -> dict[str, Any]:
    place = {"url": plain_url(one.urls[0])} if one.urls else {"path": f"{WHEELS}/{one.filename}"}
    return {"name": one.filename, **place, "size": one.size, "hashes": {"sha256": one.sha256}}
