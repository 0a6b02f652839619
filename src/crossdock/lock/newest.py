"""The newest version that has a wheel for a target, out of what an index lists (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crossdock.lock.rank import tag_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.version import Version

    from crossdock.target.model import Target


class IndexedFile(Protocol):
    """What an index says of a file, as far as it counts here (the simple repository API)."""

    @property
    def filename(self) -> str:
        """The file's name."""

    @property
    def requires_python(self) -> str | None:
        """The specifier of Python versions, None where there is none."""

    @property
    def yanked(self) -> bool | str | None:
        """Whether the file was taken back (PEP 592), or the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A version with a fitting wheel."""

    version: str
    filename: str
    tag: str

    def to_json(self) -> dict[str, str]:
        """Return JSON-ready values."""
        return {"version": self.version, "file": self.filename, "tag": self.tag}


def newest_with_wheel(files: Iterable[IndexedFile], target: Target) -> Newest | None:
    """Return the newest version of `files` (one package's) that has a wheel for `target`.

    Yanked files do not count, pre-releases only if there is nothing else, and neither do files whose
    `Requires-Python` the target does not meet.
    """
    return next(iter(versions_with_wheel(files, target)), None)


def versions_with_wheel(files: Iterable[IndexedFile], target: Target) -> list[Newest]:
    """Return all versions with a wheel for `target`, the newest first, pre-releases after all others."""
    best: dict[Version, tuple[int, Newest]] = {}
    for version, rank, found in _fitting(files, target):
        if version not in best or rank < best[version][0]:
            best[version] = (rank, found)
    order = sorted(best, key=lambda version: (not version.is_prerelease, version), reverse=True)
    return [best[version][1] for version in order]


def _fitting(files: Iterable[IndexedFile], target: Target) -> Iterator[tuple[Version, int, Newest]]:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = tag_ranks(target)
    for file in files:
        if not file.filename.endswith(".whl") or file.yanked is True or isinstance(file.yanked, str):
            continue
        try:
            _, version, _, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            # An index lists what was uploaded over twenty years; a wheel nobody can name is not a candidate.
            continue
        found = min(
            (
                (ranks[key], str(tag))
                for tag in tags
                if (key := (tag.interpreter, tag.abi, tag.platform)) in ranks
            ),
            default=None,
        )
        if found is not None and _python_allows(file.requires_python, target):
            yield version, found[0], Newest(version=str(version), filename=file.filename, tag=found[1])


def _python_allows(requires_python: str | None, target: Target) -> bool:
    if not requires_python:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from crossdock.target.markers import satisfies

    try:
        specifier = SpecifierSet(requires_python)
    except InvalidSpecifier:
        # Old uploads carry broken ones; pip and uv read them as if there were none.
        return True
    return satisfies(specifier, target).truth is not False
