"""A pure Python source distribution becomes a wheel, and only if the wheel proves to be pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.canonical import (
    BuiltWheel,
    members_of,
    prove_same_project,
    without_release,
    write_wheel,
)
from crossdock.build.hosted import build_wheel
from crossdock.build.sandbox.scratch import scratch_directory
from crossdock.build.source import extract, project_in
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.archive.sdist import Sdist
    from crossdock.archive.wheel import Wheel
    from crossdock.build.backend import BuildTools

__all__ = ["BuiltWheel", "Locked", "build_pure_directory", "build_pure_sdist"]


_HINT = (
    "cross-building is switched off: allow it, or lock a version that has a wheel for the target"
    " (`crossdock plan` names the newest)"
)


class Locked(NamedTuple):
    """What a build must come out as: the lock's project, and where it lies in an archive or tree (PEP 751)."""

    name: str
    version: str | None = None
    subdirectory: str | None = None
    #: An archive of any source tree (`packages.archive`), not a source distribution with PKG-INFO.
    is_tree: bool = False


def build_pure_sdist(
    sdist: Sdist, tools: BuildTools, *, python: str, log: Path, locked: Locked | None = None
) -> BuiltWheel:
    """Build an opened source distribution; raise `BuildError` if it is native or does not build.

    It must come out as `locked` says, by default as the source distribution's own name and version. `log` takes the
    backend's output.

    It is refused before its code runs if its sources say that it compiles something, and after if the
    wheel holds a binary or is tagged for a platform: a host binary never goes on.
    """
    if sdist.native_sources:
        raise BuildError(
            f"`{sdist.filename}` is not pure Python: it must be cross-built",
            code="E-BUILD-NATIVE",
            places=list(sdist.native_sources[:5]),
            hint=_HINT,
        )
    with scratch_directory() as work:
        locked = locked or Locked(sdist.name, str(sdist.version))
        source = work / f"{locked.name}-{locked.version or 'source'}"
        extract(sdist, source)
        return _build(source, work, tools, python=python, log=log, what=sdist.filename, locked=locked)


def build_pure_directory(
    directory: Path, tools: BuildTools, *, python: str, log: Path, locked: Locked | None = None
) -> BuiltWheel:
    """Build a source tree on this disk, from a copy, under the same rules."""
    from crossdock.build.tree import copy_tree, native_reasons, source_tree

    files = source_tree(directory)
    what = locked.name if locked is not None else directory.resolve().name
    # Of a project in a subdirectory what lies at the top says nothing.
    reasons = () if locked is not None and locked.subdirectory else native_reasons(files, directory)
    if reasons:
        raise BuildError(
            f"`{what}` is not pure Python: it must be cross-built",
            code="E-BUILD-NATIVE",
            places=list(reasons[:5]),
            hint=_HINT,
        )
    with scratch_directory() as work:
        # Not the directory's own name: that is the host's, and a setup.py may ask for it.
        source = work / "source"
        copy_tree(files, source)
        return _build(source, work, tools, python=python, log=log, what=what, locked=locked, trusted=True)


def _build(
    source: Path,
    work: Path,
    tools: BuildTools,
    *,
    python: str,
    log: Path,
    what: str,
    locked: Locked | None,
    trusted: bool = False,
) -> BuiltWheel:
    from crossdock.build.produced import open_produced  # only when something is built
    from crossdock.safepath import PathRules

    project = source if locked is None else project_in(source, what, locked.name, locked.subdirectory)
    path = build_wheel(project, work, tools, python=python, log=log, trusted=trusted)
    with open_produced(path, what, rules=PathRules.ANY) as wheel:
        if locked is not None:
            prove_same_project(wheel, what, locked.name, locked.version)
        _prove_pure(wheel, what)
        return BuiltWheel(filename=path.name, content=_canonical(wheel))


def _prove_pure(wheel: Wheel, what: str) -> None:
    from crossdock.inspect.binary import read_binary

    platforms = sorted({tag.platform for tag in wheel.tags} - {"any"})
    binaries = [
        str(file.member.name) for file in wheel.files if read_binary(wheel.read(file), str(file.path))
    ]
    if platforms or binaries or not wheel.root_is_purelib:
        raise BuildError(
            f"`{what}` was taken for pure Python, but its wheel is not: it must be cross-built",
            code="E-BUILD-NOT-PURE",
            places=[*(f"tagged for {name}" for name in platforms), *binaries[:5]],
            hint=_HINT,
        )


def _canonical(wheel: Wheel) -> bytes:
    """Return the wheel written anew, stored, so that no backend or zlib shows in it."""
    wheel_file = f"{wheel.dist_info}/WHEEL"
    members = (
        one._replace(content=without_release(one.content)) if one.name == wheel_file else one
        for one in members_of(wheel)
    )
    return write_wheel(members, wheel.dist_info)
