"""The user's own code: which form it has, and its wheel where it is a project."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from crossdock.errors import BuildError, ShipError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossdock.archive.wheel import Wheel
    from crossdock.build.metadata import ProjectMetadata
    from crossdock.lock.model import LockedPackage
    from crossdock.target.model import Target

T = TypeVar("T")

#: Refusals of a build that mean: this is not pure Python.
_NATIVE = frozenset({"E-BUILD-NATIVE", "E-BUILD-NOT-PURE"})


class Form(StrEnum):
    """The forms that a user's own code comes in."""

    NONE = "none"
    PROJECT = "project"
    MODULES = "modules"
    SCRIPT = "script"


def form_of(path: Path | None, metadata: ProjectMetadata) -> Form:
    """Tell what lies at `path`: a script, or a directory, whose pyproject.toml says `metadata`; None is nothing."""
    if path is None:
        return Form.NONE
    if path.is_dir():
        return Form.PROJECT if metadata.is_package else Form.MODULES
    return Form.SCRIPT


def built_project(build: Callable[[], T], name: str) -> T:
    """Return a project's wheel as `build` makes it; raise `ShipError` if it compiles code, which is switched off."""
    try:
        return build()
    except BuildError as error:
        if error.code not in _NATIVE:
            raise
        raise ShipError(
            f"`{name or 'the project'}` compiles code: a wheel built on this machine is not for the target",
            code="E-APP-NATIVE",
            places=error.places,
            hint="cross-building is switched off: allow it, or build its wheel for each target elsewhere",
        ) from error


def check_python(wheel: Wheel, target: Target) -> None:
    """Refuse a wheel that the target's Python would not take: built for another, or by its Requires-Python."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from crossdock.target.tags import tag_ranks

    python = target.python
    reason = ""
    if not wheel.tags & tag_ranks(target).keys():
        reason = f"its tags are {', '.join(sorted(map(str, wheel.tags)))}"
    try:
        wanted = SpecifierSet(wheel.requires_python or "")
    except InvalidSpecifier:
        wanted = SpecifierSet()
    patches = [python.patch] if python.patch is not None else range(100)
    if not any(wanted.contains(f"{python.short}.{patch}", prereleases=True) for patch in patches):
        reason = f"it requires Python {wheel.requires_python}"
    if reason:
        raise ShipError(
            f"`{wheel.name}` is not for Python {python.short}: {reason}",
            code="E-APP-PYTHON",
            hint="choose the Python of the targets by `--python`",
        )


def is_project_itself(package: LockedPackage, lock_directory: Path | None, project: Path) -> bool:
    """Tell whether a lock's package is the project at `project`, which is shipped as the application.

    Locks of projects name it as the directory `.`, editable or not; its version may be absent.
    """
    directory = package.directory
    if directory is None or lock_directory is None:
        return False
    place = lock_directory / directory.path
    if directory.subdirectory:
        place /= directory.subdirectory
    return place.resolve() == project.resolve()
