"""What all forms of the report say alike: words of a cell, findings grouped, a summary in one line (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossdock.lock.plan import State
from crossdock.ship.check.model import Kind
from crossdock.ship.report.words import counted, human_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.lock.plan import Cell
    from crossdock.ship.check.model import Finding, Report

WORDS = {
    State.WHEEL: "wheel",
    State.PURE_SDIST: "pure sdist",
    State.NATIVE_SDIST: "compiled",
    State.SDIST: "sdist",
    State.NOT_NEEDED: "-",
    State.IMPOSSIBLE: "impossible",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Findings of one kind with one text and the same targets: the packages, in the grid's order."""

    kind: Kind
    text: str
    where: str
    fails: bool
    packages: tuple[str, ...]


def cell_words(cell: Cell | None) -> str:
    """Return what a target gets, in a word or two; `?` where the lock does not serve it."""
    if cell is None:
        return "?"
    platform = platform_of(cell)
    return "any" if platform == "any" else WORDS[cell.state]


def platform_of(cell: Cell) -> str:
    """Return the platform of a cell's wheel as its tag says it, empty where there is none."""
    return cell.tag.split("-", 2)[2] if cell.tag is not None else ""


def totals_words(report: Report, column: int) -> str:
    """Return what one target adds up to: `41 wheels, 1 compiled, 61.0 MiB`."""
    if column in report.grid.refused:
        return "refused"
    totals = report.grid.totals[column]
    parts = [
        f"{count} {WORDS[state]}{'s' if state is State.WHEEL and count != 1 else ''}"
        for state in WORDS
        if (count := totals.counts.get(state, 0)) and state is not State.NOT_NEEDED
    ]
    return ", ".join([*parts, human_size(totals.size)])


def summary(report: Report) -> str:
    """Return the outcome in one line."""
    what = f"{counted(len(report.grid.rows), 'package')} for {counted(len(report.names), 'target')}"
    failing = [one for one in report.findings if one.fails]
    others = len(report.findings) - len(failing)
    told = f"{counted(others, 'finding')} that {'does' if others == 1 else 'do'} not fail it"
    if not failing:
        return f"{what}: passed" + (f", {told}" if others else "")
    by_kind = [f"{count} {kind}" for kind in Kind if (count := sum(one.kind is kind for one in failing))]
    return f"{what}: failed ({', '.join(by_kind)})" + (f", {told}" if others else "")


def grouped(report: Report) -> tuple[Group, ...]:
    """Return the findings, those together that say the same of several packages.

    What could not be found out is mostly so for all files: the targets of such packages are told together.
    """
    found: dict[tuple[Kind, str, tuple[int, ...], bool], list[Finding]] = {}
    for one in report.findings:
        columns = () if one.kind is Kind.UNKNOWN else one.columns
        found.setdefault((one.kind, one.text, columns, one.fails), []).append(one)
    return tuple(_group(report, findings) for findings in found.values())


def _group(report: Report, findings: Sequence[Finding]) -> Group:
    first = findings[0]
    rows = dict.fromkeys(one.row for one in findings if one.row is not None)
    columns = tuple(sorted({column for one in findings for column in one.columns}))
    return Group(
        kind=first.kind,
        text=first.text,
        where=report.where(replace(first, columns=columns)),
        fails=first.fails,
        packages=tuple(map(report.label, rows)),
    )


def kinds_of(report: Report) -> Mapping[tuple[int, int], dict[Kind, list[str]]]:
    """Return the kinds and texts of the findings of each cell, by (row, column); `unknown` is no finding of a cell."""
    found: dict[tuple[int, int], dict[Kind, list[str]]] = {}
    for one in report.findings:
        if one.row is not None and one.kind is not Kind.UNKNOWN:
            for column in one.columns:
                found.setdefault((one.row, column), {}).setdefault(one.kind, []).append(one.text)
    return found


def marks_of(report: Report) -> tuple[frozenset[tuple[int, int]], frozenset[int]]:
    """Return the cells that are marked in a plain table, and the rows whose licence is."""
    kinds = kinds_of(report)
    licences = {row for (row, _column), found in kinds.items() if Kind.LICENCE in found}
    return frozenset(cell for cell, found in kinds.items() if found.keys() - {Kind.LICENCE}), frozenset(
        licences
    )
