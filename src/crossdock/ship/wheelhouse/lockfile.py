"""A lock whose files are those of the wheelhouse: for pip, uv and crossdock, with no other index."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from crossdock.errors import CrossdockError
from crossdock.lock.emit import lock_text
from crossdock.lock.pylock import read_lock
from crossdock.target.markers import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.lock.model import Lock, LockedPackage
    from crossdock.lock.select import Selection
    from crossdock.ship.wheelhouse.model import Distribution, Manifest
    from crossdock.target.model import Target


#: What tells one machine from another in a marker; no marker tells a libc.
_TELLING = ("implementation_name", "python_version", "sys_platform", "platform_machine")


def rewritten_lock(
    lock: Lock,
    held: Mapping[int, Sequence[Distribution]],
    selections: Sequence[Selection],
    *,
    base_url: str | None = None,
) -> bytes:
    """Return `lock` as pylock.toml (PEP 751) with the distributions of the wheelhouse, by the package's position.

    Markers and requirements of Python stay. Packages of which nothing is held are left out: none of the `selections`
    needs them. So the lock says for which machines it is (`environments`), and has the extras and groups alone that
    were selected: an installer refuses the others instead of installing a part. What was an archive, a directory or a
    commit is its built wheel now. Paths are relative to the wheelhouse; with `base_url` they are URLs below it.
    """
    extras = {extra for one in selections for extra in one.extras}
    groups = {group for one in selections for group in one.groups}
    table: dict[str, Any] = {
        "lock-version": "1.0",
        "created-by": "crossdock",
        "packages": [
            _package(package, held[package.position], base_url)
            for package in lock.packages
            if held.get(package.position)
        ],
    }
    if lock.requires_python is not None:
        table["requires-python"] = str(lock.requires_python)
    said = {
        "environments": list(dict.fromkeys(environment_marker(one.target) for one in selections)),
        "extras": [extra for extra in lock.extras if extra in extras],
        "dependency-groups": [group for group in lock.dependency_groups if group in groups],
        "default-groups": [group for group in lock.default_groups if group in groups],
    }
    table |= {key: values for key, values in said.items() if values}
    return lock_text(table).encode()


def environment_marker(target: Target) -> str:
    """Return the marker that is true of a target's machines, as far as markers can tell them."""
    values = environment(target)
    known = [(name, values[name]) for name in _TELLING if values.get(name)]
    return " and ".join(f"{name} == '{value}'" for name, value in known)


def lock_problem(content: bytes, manifest: Manifest) -> str:
    """Return what is wrong with a lock from elsewhere for the wheelhouse of `manifest`, empty where nothing is.

    It names wheels and source distributions alone, and each path is a file of the wheelhouse with its hash.
    """
    try:
        lock = read_lock(content)
    except (CrossdockError, ValueError) as error:  # the latter: numbers that are too long for an int
        return f"is no lock: {error.message if isinstance(error, CrossdockError) else error}"
    for package in lock.packages:
        if package.archive or package.directory or package.vcs:
            return f"names something else than files of the wheelhouse for `{package.name}`"
        for file in (*package.wheels, *([package.sdist] if package.sdist else [])):
            held = manifest.distributions.get(file.path or "")
            if file.path and (held is None or str(file.digest) != f"sha256:{held.sha256}"):
                return f"names `{file.path[:100]}`, which the wheelhouse has not, or not with that hash"
    return ""


def _package(package: LockedPackage, held: Sequence[Distribution], base_url: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": package.name, "version": package.version or held[0].version}
    if package.marker is not None:
        found["marker"] = str(package.marker)
    if package.requires_python is not None:
        found["requires-python"] = str(package.requires_python)
    if base_url is not None:
        found["index"] = f"{base_url.rstrip('/')}/simple/"
    wheels = [_file(one, base_url) for one in held if one.is_wheel]
    if wheels:
        found["wheels"] = wheels
    for one in held:
        if not one.is_wheel:
            found["sdist"] = _file(one, base_url)
    return found


def _file(one: Distribution, base_url: str | None) -> dict[str, Any]:
    where = {"path": one.path} if base_url is None else {"url": f"{base_url.rstrip('/')}/{quote(one.path)}"}
    found: dict[str, Any] = {
        "name": one.filename,
        **where,
        "size": one.size,
        "hashes": {"sha256": one.sha256},
    }
    if one.upload_time:
        found["upload-time"] = datetime.fromisoformat(one.upload_time)
    return found
