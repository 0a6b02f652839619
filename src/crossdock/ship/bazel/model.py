"""What a Bazel workspace is told: platforms, wheels by hash, who needs whom for each platform, and layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BazelPlatform:
    """A target as Bazel knows it: a name that is a label's, and the constraint values that tell it from others.

    `constraints` are labels; one that begins with `:` lies in the generated `platforms` package, one that begins with `//`
    in the workspace.
    """

    name: str
    target: Target
    constraints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What Bazel must know of a wheel's content; paths are below the directory it is extracted to.

    `build_files` would make packages of directories, `namespaces` are import packages without `__init__.py`,
    `imports` the directories to import from, `modules` the import names that lead to it.
    """

    build_files: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    imports: tuple[str, ...] = (".",)
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BazelWheel:
    """A wheel as a repository: `package` is its normalized name, `size` in bytes.

    `urls` is where it is fetched from; where that is nowhere, it lies beside the lock. `built_from` is set for what
    was built here, as in a wheelhouse. `direct_url` is the content of its direct_url.json (PEP 610), empty without.
    """

    repository: str
    package: str
    version: str
    filename: str
    sha256: str
    size: int
    urls: tuple[str, ...]
    inside: Inside
    built_from: Mapping[str, str] | None = None
    direct_url: str = ""
    allow_bad_record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPlatform:
    """What one platform takes: repositories by package, what each needs and which of its extras are wanted, layers."""

    platform: BazelPlatform
    wheels: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    extras: Mapping[str, tuple[str, ...]]
    #: Packages that need each other in a circle, each group sorted.
    circles: tuple[tuple[str, ...], ...]
    #: Repositories of each layer of wheels, the lowest first, as `crossdock image` has them.
    layers: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """All that the generated files say: the hub's name, its wheels by repository, and its platforms."""

    name: str
    prefix: str
    wheels: Mapping[str, BazelWheel]
    platforms: Sequence[ForPlatform]
    notes: Sequence[str] = field(default=())

    @property
    def packages(self) -> dict[str, dict[str, str]]:
        """For each package, sorted, the platforms that have it and their repositories."""
        found: dict[str, dict[str, str]] = {}
        for one in self.platforms:
            for package, repository in one.wheels.items():
                found.setdefault(package, {})[one.platform.name] = repository
        return dict(sorted(found.items()))
