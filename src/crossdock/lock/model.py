"""A lock as a value: every candidate file of every package, as `pylock.toml` (PEP 751) lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from crossdock.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """A wheel, source distribution or archive as locked: its name on disk, where it is, its size and digest.

    One of `url` and `path` is set; `path` is relative to the lock file, with forward slashes, unless the
    lock itself says an absolute one. `size` is in bytes, None where the lock does not say.
    """

    filename: str
    digest: Digest
    url: str | None = None
    path: str | None = None
    size: int | None = None
    #: When the index got it, as PEP 700 writes times; None where the lock does not say.
    upload_time: str | None = None
    #: Where the project lies inside an archive (PEP 751 `packages.archive.subdirectory`).
    subdirectory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWheel(LockedFile):
    """A wheel with the compressed tag set of its file name taken apart (binary distribution format)."""

    build: tuple[int, str]
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def tag(self) -> str:
        """The compressed tag as the file name spells it, for example `cp312-abi3-manylinux_2_17_aarch64`."""
        return f"{'.'.join(self.pythons)}-{'.'.join(self.abis)}-{'.'.join(self.platforms)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedDirectory:
    """A source tree on this disk; `path` is relative to the lock file."""

    path: str
    editable: bool = False
    subdirectory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedVcs:
    """A commit of a repository."""

    type: str
    commit: str
    url: str | None = None
    path: str | None = None
    subdirectory: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that was passed over, and the reason in words."""

    filename: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LockedPackage:
    """One `[[packages]]` entry; `position` is its place in the file, `version` None for some source trees."""

    position: int
    name: str
    version: str | None = None
    marker: Marker | None = None
    requires_python: SpecifierSet | None = None
    index: str | None = None
    wheels: tuple[LockedWheel, ...] = ()
    sdist: LockedFile | None = None
    archive: LockedFile | None = None
    directory: LockedDirectory | None = None
    vcs: LockedVcs | None = None
    #: Wheels that no version of the standards we implement can name, with the reason (wheel variants).
    unreadable: tuple[Rejection, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def place(self) -> str:
        """Where it stands in the lock, for messages: `packages[3]`."""
        return f"packages[{self.position}]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lock:
    """A lock file's content; `directory` is what its relative paths start from, None for bytes from nowhere."""

    packages: tuple[LockedPackage, ...]
    created_by: str
    lock_version: str = "1.0"
    requires_python: SpecifierSet | None = None
    environments: tuple[Marker, ...] = ()
    extras: tuple[str, ...] = ()
    dependency_groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()
    filename: str = "pylock.toml"
    directory: Path | None = None
    #: What a reader should tell the user, for example a minor version of the format that is newer than ours.
    notes: tuple[str, ...] = ()

    def named(self, name: str) -> tuple[LockedPackage, ...]:
        """Return the entries of the package with this normalized name."""
        return tuple(package for package in self.packages if package.name == name)
