"""What packages say of each other: Depends, Provides, Conflicts, Breaks (Debian policy, section 7)."""

from __future__ import annotations

import re
from typing import NamedTuple

from crossdock.errors import FetchError
from crossdock.net.debian.versions import satisfies, split_version
from crossdock.safepath import show

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"(?:[ \t\n]*\((?P<operator><<|<=|=|>=|>>)[ \t\n]*(?P<version>[^\s()]+)\))?"
)
_MOST = 2000


class Relation(NamedTuple):
    """A package by name, perhaps of an architecture (`any`), perhaps in some versions only."""

    name: str
    qualifier: str = ""
    operator: str = ""
    version: str = ""

    def admits(self, version: str) -> bool:
        """Tell whether a version is one that is meant."""
        return not self.operator or satisfies(version, self.operator, self.version)

    def __str__(self) -> str:
        qualifier = f":{self.qualifier}" if self.qualifier else ""
        return f"{self.name}{qualifier}" + (f" ({self.operator} {self.version})" if self.operator else "")


def parse_groups(text: str) -> tuple[tuple[Relation, ...], ...]:
    """Read a list of dependencies, each a group of alternatives; raise `FetchError` (E-DEBIAN-FORMAT)."""
    if not text.strip():
        return ()
    parts = text.strip().rstrip(",").split(",")
    if len(parts) > _MOST:
        raise FetchError(f"a package has {len(parts)} dependencies", code="E-DEBIAN-FORMAT")
    return tuple(tuple(_relation(one, text) for one in part.split("|")) for part in parts)


def parse_relations(text: str) -> tuple[Relation, ...]:
    """Read a list without alternatives, as Provides and Conflicts are."""
    return tuple(relation for group in parse_groups(text) for relation in group)


def _relation(text: str, whole: str) -> Relation:
    found = _RELATION.fullmatch(text.strip())
    if found is None:
        raise FetchError(
            f"a dependency cannot be read: `{show(text.strip() or whole)}`", code="E-DEBIAN-FORMAT"
        )
    if found["version"]:
        split_version(found["version"])
    return Relation(found["name"], found["qualifier"] or "", found["operator"] or "", found["version"] or "")
