"""Names and versions in file names: wheels (binary distribution format) and source distributions (PEP 625)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Self

from crossdock.archive.limits import DEFAULT_LIMITS
from crossdock.archive.refusal import refuse

if TYPE_CHECKING:
    from packaging.tags import Tag

#: Longer ones are refused before a parser sees them.
MAX_FILENAME = 512
MAX_VERSION = 128

_RUNS = re.compile(r"[-_.]+")
_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)
_VERSION = re.compile(r"[A-Z0-9](?:[A-Z0-9.!+_-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)
_WHEEL = re.compile(
    r"(?P<name>[A-Z0-9](?:[A-Z0-9._]*[A-Z0-9])?)-(?P<version>[A-Z0-9][A-Z0-9.!+_]*)"
    r"(?:-(?P<build>[0-9][A-Z0-9._]*))?"
    r"-(?P<python>[A-Z0-9_.]+)-(?P<abi>[A-Z0-9_.]+)-(?P<platform>[A-Z0-9_.]+)\.whl",
    re.IGNORECASE | re.ASCII,
)


def canonical(name: str) -> str:
    """Return a project's name normalised (PEP 503)."""
    return _RUNS.sub("-", name).lower()


def is_name(name: str) -> bool:
    """Tell whether `name` is a valid project name (core metadata, Name)."""
    return len(name) <= MAX_FILENAME and _NAME.fullmatch(name) is not None


def is_version(version: str) -> bool:
    """Tell whether `version` is short and plain enough to be given to a parser of versions."""
    return len(version) <= MAX_VERSION and _VERSION.fullmatch(version) is not None


def same_version(one: str, other: str) -> bool:
    """Tell whether two spellings are one version (PEP 440); False where one is no version at all."""
    if one == other:
        return True
    try:
        from packaging.version import InvalidVersion, Version  # most spellings are the same
    except ImportError:
        # Only the packer of layers that Bazel runs is without it, and it is given wheels that were judged before.
        return True
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """What a wheel's file name says: `name-version(-build)-python-abi-platform.whl`."""

    filename: str
    #: As spelled in the file name; `canonical` compares.
    name: str
    version: str
    build: str
    #: Every `python-abi-platform` that the compressed tags multiply out to, lower case.
    tag_names: frozenset[str]

    @classmethod
    def parse(cls, filename: str, *, limit: int = DEFAULT_LIMITS.tags) -> Self:
        """Read a wheel's file name; raise `ArchiveError` (`E-WHEEL-FILENAME`) for anything else.

        `limit` caps what the compressed tags multiply out to.
        """
        found = _WHEEL.fullmatch(filename) if len(filename) <= MAX_FILENAME else None
        if found is None or not is_version(found["version"]):
            refuse(
                filename,
                "E-WHEEL-FILENAME",
                "not a wheel's file name (name-version(-build)-python-abi-platform.whl)",
                hint="give the wheel the name it has on its index: it says what the wheel is for",
            )
        return cls(
            filename=filename,
            name=found["name"],
            version=found["version"],
            build=found["build"] or "",
            tag_names=expand_tag("-".join(found.group("python", "abi", "platform")), filename, limit=limit),
        )

    @property
    def canonical_name(self) -> str:
        """The project's name, normalised (PEP 503)."""
        return canonical(self.name)

    @property
    def tags(self) -> frozenset[Tag]:
        """The tags as `packaging` has them."""
        from packaging.tags import Tag  # 10 ms that reading a wheel does not need

        return frozenset(Tag(*one.split("-")) for one in self.tag_names)


def expand_tag(tag: str, filename: str, *, limit: int = DEFAULT_LIMITS.tags) -> frozenset[str]:
    """Return every tag that a compressed one stands for (PEP 425); raise `ArchiveError` above `limit`."""
    parts = [part.split(".") for part in tag.lower().split("-")]
    if len(parts) != 3 or not all(all(part) for part in parts):  # noqa: PLR2004  # python, abi, platform
        refuse(filename, "E-WHEEL-TAG", f"not a tag: `{tag[:140]}`")
    count = len(parts[0]) * len(parts[1]) * len(parts[2])
    if count > limit:
        refuse(filename, "E-WHEEL-TAG-LIMIT", f"a tag that stands for {count}, more than {limit}")
    return frozenset("-".join(one) for one in product(*parts))
