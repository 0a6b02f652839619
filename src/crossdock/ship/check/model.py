"""The report of `crossdock check` as values: the grid, what is known of each file, and what is found (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from crossdock.lock.plan import Cell, PlanGrid, Row


class Kind(StrEnum):
    """What a finding is about."""

    #: Nothing can be shipped: no file fits, or nothing may or can be built of the source.
    IMPOSSIBLE = "impossible"
    #: No wheel fits, and the source distribution has to be compiled.
    NATIVE = "native"
    #: No wheel fits.
    NO_WHEEL = "no-wheel"
    #: The index took the file back (PEP 592), or put the project into quarantine (PEP 792).
    YANKED = "yanked"
    #: The licence is not one that the policy takes.
    LICENCE = "licence"
    #: Uploaded after the date that the policy names.
    NEWER = "newer"
    #: The policy asks for something that could not be found out.
    UNKNOWN = "unknown"


#: What each kind means, in the words of a legend.
MEANING = {
    Kind.IMPOSSIBLE: "nothing can be shipped",
    Kind.NATIVE: "no wheel, must be compiled",
    Kind.NO_WHEEL: "no wheel, built without a compiler",
    Kind.YANKED: "taken back by its index",
    Kind.LICENCE: "licence not accepted",
    Kind.NEWER: "newer than the date",
    Kind.UNKNOWN: "could not be found out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The licence that a file's metadata declares.

    `expression` is SPDX, or empty; then `words` is what the metadata says instead. Both are empty where it says
    nothing, or where it is not known: then `unknown` says why. `source` says where it was read.
    """

    expression: str = ""
    words: tuple[str, ...] = ()
    source: str = ""
    unknown: str = ""

    @property
    def text(self) -> str:
        """What is shown of it."""
        if self.expression:
            return self.expression
        if self.words:
            return " / ".join(f"“{word}”" for word in self.words)
        return f"not known: {self.unknown}" if self.unknown else "none declared"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; what is not known is left out."""
        values = {
            "expression": self.expression,
            "words": list(self.words),
            "source": self.source,
            "unknown": self.unknown,
        }
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of one file. `upload_time` as the index writes it (PEP 700), empty where nobody says.

    `yanked` is the reason, possibly empty, or None; it means nothing where `index_unknown` says why the index could
    not tell. `on_index` is False for what lies on none: source trees, archives that the lock names by URL.
    """

    licence: Declared = field(default_factory=Declared)
    upload_time: str = ""
    yanked: str | None = None
    index_unknown: str = ""
    on_index: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; what is not known is left out."""
        values: dict[str, Any] = {"licence": self.licence.to_json()}
        if self.upload_time:
            values["upload_time"] = self.upload_time
        if self.yanked is not None:
            values["yanked"] = self.yanked or True
        if self.index_unknown:
            values["index_unknown"] = self.index_unknown
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is found, and which of it fails the check. `newer_than` is the last moment that counts as old enough."""

    fail_on: frozenset[Kind] = frozenset({Kind.IMPOSSIBLE})
    newer_than: datetime | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "fail_on": [str(kind) for kind in Kind if kind in self.fail_on],
            "newer_than": None if self.newer_than is None else moment(self.newer_than),
            "allow_licences": list(self.allow),
            "deny_licences": list(self.deny),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is so for one package on some targets (their columns, in order); `row` is its place in the grid."""

    kind: Kind
    text: str
    columns: tuple[int, ...]
    row: int | None = None
    fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The grid with the facts of each cell by (row, column), the policy, and what it found."""

    grid: PlanGrid
    facts: Mapping[tuple[int, int], FileFacts]
    policy: Policy
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing fails."""
        return not any(one.fails for one in self.findings)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the targets."""
        return tuple(target.name or target.key[:12] for target in self.grid.targets)

    def label(self, row: int | None) -> str:
        """Return a package as it is named in a report: `lxml 6.0.2`; empty for a target as a whole."""
        if row is None:
            return ""
        found = self.grid.rows[row]
        return f"{found.name} {found.version or ''}".rstrip()

    def where(self, finding: Finding) -> str:
        """Return the targets of a finding in words."""
        if len(finding.columns) == len(self.grid.targets) > 1:
            return "all targets"
        return ", ".join(self.names[column] for column in finding.columns)

    def cells(self) -> Iterator[tuple[int, int, Row, Cell]]:
        """Give every cell that has something in it, row by row."""
        for at, row in enumerate(self.grid.rows):
            for column, cell in enumerate(row.cells):
                if cell is not None:
                    yield at, column, row, cell

    def licences(self, row: int) -> tuple[Declared, ...]:
        """Return the licences of a package's files, each once, in the order of the targets."""
        found = {
            facts.licence.text: facts.licence
            for column in range(len(self.grid.targets))
            if (facts := self.facts.get((row, column))) is not None
        }
        return tuple(found.values())

    def licence_counts(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return each licence with the rows that have it, the most frequent first."""
        found: dict[str, list[int]] = {}
        for row in range(len(self.grid.rows)):
            for licence in self.licences(row):
                found.setdefault(licence.text, []).append(row)
        order = sorted(found.items(), key=lambda item: (-len(item[1]), item[0].casefold()))
        return tuple((text, tuple(rows)) for text, rows in order)

    def uploaded(self, row: int) -> str:
        """Return the day (UTC) on which the newest of a package's files was uploaded, empty where nobody says."""
        return max(
            (
                facts.upload_time[:10]
                for column in range(len(self.grid.targets))
                if (facts := self.facts.get((row, column))) is not None
            ),
            default="",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready values, targets by name."""
        document = self.grid.to_json()
        for at, package in enumerate(document["packages"]):
            package["licences"] = [licence.to_json() for licence in self.licences(at)]
            for column, name in enumerate(self.names):
                facts = self.facts.get((at, column))
                if facts is not None and name in package["targets"]:
                    package["targets"][name] |= facts.to_json()
        return {
            "passed": self.passed,
            "policy": self.policy.to_json(),
            "findings": [self._finding(one) for one in self.findings],
            **document,
        }

    def _finding(self, one: Finding) -> dict[str, Any]:
        row = None if one.row is None else self.grid.rows[one.row]
        return {
            "kind": str(one.kind),
            "fails": one.fails,
            "package": None if row is None else row.name,
            "version": None if row is None else row.version,
            "targets": [self.names[column] for column in one.columns],
            "text": one.text,
        }


def moment(when: datetime) -> str:
    """Return a moment as RFC 3339 writes it, in UTC, to the second."""
    from datetime import UTC

    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
