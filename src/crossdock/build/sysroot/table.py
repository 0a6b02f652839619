"""Which system libraries a package of the index needs, as `libraries.toml` tells it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one package needs: Debian's development packages, and variables that tell its build where they are.

    `optional` says that it builds without them as well, with less in it or with copies of its own. `since` is the
    oldest suite whose libraries are new enough for it.
    """

    libraries: tuple[str, ...]
    optional: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    since: str | None = None

    def release(self, architecture: str) -> str | None:
        """Return the first suite from `since` on that has an architecture; None where any suite will do."""
        if self.since is None:
            return None
        names = [one.name for one in suites()]
        later = suites()[names.index(self.since) :]
        return next((one.name for one in later if architecture in one.architectures), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A release of Debian: the glibc that its libraries were built on, and the architectures it has."""

    name: str
    glibc: tuple[int, int]
    architectures: tuple[str, ...]


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Return `libraries.toml`."""
    return tomllib.loads((resources.files(__package__) / "libraries.toml").read_text("utf-8"))


def needs_of(name: str) -> Needs | None:
    """Return what a package needs, None where the table does not say; `name` is normalized here (PEP 503)."""
    found = table()["packages"].get(re.sub(r"[-_.]+", "-", name).lower())
    if found is None:
        return None
    if isinstance(found, list):
        return Needs(libraries=tuple(found))
    return Needs(
        libraries=tuple(found["libraries"]),
        optional=found.get("optional", False),
        environment=found.get("environment", {}),
        since=found.get("since"),
    )


def suites() -> tuple[Suite, ...]:
    """Return the suites that are known, the oldest first."""
    return tuple(
        Suite(
            name=name,
            glibc=_version(one["glibc"]),
            architectures=tuple(one["architectures"]),
        )
        for name, one in table()["suites"].items()
    )


def triplet_of(architecture: str) -> str:
    """Return the multiarch triplet of Debian's architecture (wiki.debian.org/Multiarch/Tuples)."""
    return str(table()["triplets"][architecture])


def left_out() -> frozenset[str]:
    """Return the packages that no sysroot gets, whoever depends on them."""
    return frozenset(name for names in table()["left-out"].values() for name in names)


def _version(text: str) -> tuple[int, int]:
    major, _dot, minor = text.partition(".")
    return int(major), int(minor)
