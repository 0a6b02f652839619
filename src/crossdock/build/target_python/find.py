"""Which Python's headers a build for a target is compiled against: the first that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.target_python.layout import FORM, keep, kept
from crossdock.build.target_python.names import multiarch, platform_tag
from crossdock.build.target_python.table import facts_digest
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from crossdock.build.model import TargetPython, World
    from crossdock.build.target_python.layout import Parts
    from crossdock.target.model import Target

_FACT = "target-python"
#: Headers made of the host's are looked for elsewhere again after so many seconds: the network may be back.
_MAKESHIFT = 86400


def find_target_python(target: Target, world: World) -> TargetPython:
    """Return the development files of the target's Python.

    In this order: the directory that the user gave; python-build-standalone's through uv; Debian's of the
    architecture; the host's headers of the same minor version, with what differs changed. What was found stays,
    so that the next build is of the same. Raise `BuildError`: E-BUILD-TARGET for a target that nothing is built
    for, E-BUILD-TARGET-PYTHON, E-BUILD-PYTHON.
    """
    platform_tag(target)
    if world.target_python is not None:
        from crossdock.build.target_python.given import from_directory

        return keep(from_directory(world.target_python, target), target, world.store)[0]
    key = _key(target)
    known = _known(key, world)
    if known is not None:
        return known
    with world.store.locked(f"target-python-{key}"):
        known = _known(key, world)  # another process may have found it while we waited
        return known if known is not None else _found(key, target, world)


def _key(target: Target) -> str:
    """Return all that headers depend on, our tables too: neither the floor of the C library nor a patch release does."""
    libc = target.libc.kind if target.libc is not None else ""
    return f"{FORM} {facts_digest()} {target.os} {target.arch} {libc} {target.python.short} {target.python.free_threaded} {multiarch(target)}"


def _known(key: str, world: World) -> TargetPython | None:
    fact = world.store.get_fact(_FACT, key)
    if not isinstance(fact, list) or len(fact) != 2:  # noqa: PLR2004 - the tree's key, and until when it serves
        return None
    return kept(fact[0], world.store) if fact[1] == 0 or world.now < fact[1] else None


def _found(key: str, target: Target, world: World) -> TargetPython:
    for provider in _PROVIDERS:
        parts = provider(target, world)
        if parts is None:
            continue
        try:
            python, tree = keep(parts, target, world.store)
        except BuildError as error:
            if provider is _PROVIDERS[-1]:
                raise
            world.warn(f"{error.message}: other headers are taken")
            continue
        makeshift = parts.provider == "host-headers"
        world.store.put_fact(_FACT, key, [tree, int(world.now) + _MAKESHIFT if makeshift else 0])
        return python
    raise BuildError(
        f"there is no CPython {target.python.short} for {platform_tag(target)} to build against",
        code="E-BUILD-TARGET-PYTHON",
        hint="give a directory with its headers by `--target-python DIR`",
    )


def _standalone(target: Target, world: World) -> Parts | None:
    from crossdock.build.target_python.standalone import from_standalone

    return from_standalone(target, world)


def _debian(target: Target, world: World) -> Parts | None:
    from crossdock.build.target_python.debian import from_debian

    return from_debian(target, world)


def _host(target: Target, world: World) -> Parts | None:
    from crossdock.build.target_python.host import from_host

    return from_host(target, world)


_PROVIDERS = (_standalone, _debian, _host)
