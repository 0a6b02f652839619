"""The report of `crossdock check` as one page that needs nothing but itself: the grid, what was found, licences.

No script: the filter is a row of radio buttons, and the style sheet hides the rows that lack their word.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from crossdock.lock.plan import State
from crossdock.ship.check.model import MEANING, Kind, moment
from crossdock.ship.check.words import cell_words, platform_of, summary, totals_words
from crossdock.ship.report.drawing import swatch
from crossdock.ship.report.page import document, figures
from crossdock.ship.report.words import counted, human_size, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.lock.plan import Cell
    from crossdock.ship.check.model import Declared, Finding, Report

_LEGEND = (
    ("s-wheel", "a wheel for the platform"),
    ("s-any", "a wheel for any platform"),
    ("s-pure-sdist", "built from source, nothing compiled"),
    ("s-native-sdist", "compiled from source"),
    ("s-sdist", "a source tree"),
    ("s-impossible", "impossible"),
    ("s-not-needed", "not needed there"),
)
_LACKING = (Kind.IMPOSSIBLE, Kind.NATIVE, Kind.NO_WHEEL)
#: What is shown in the cell of one target; the other findings are a package's.
_OF_CELLS = (*_LACKING, Kind.YANKED)


def page(report: Report) -> str:
    """Return the page."""
    made = _Page(report)
    return document(
        "crossdock check",
        header=[
            "<h1>What the lock comes to</h1>",
            f'<p class="outcome {"good" if report.passed else "bad"}">{_said(summary(report))}</p>',
            *_policy(report),
        ],
        main=[
            *figures(_cards(report)),
            "<h2>Packages on targets</h2>",
            *_legend(report),
            *made.filters(),
            *made.grid(),
            "<h2>What was found</h2>",
            *made.findings(),
            "<h2>Licences</h2>",
            *_licences(report),
        ],
        footer="Licences are what the packages' own metadata declares; libraries inside wheels may have others.",
        styles=["grid.css"],
    )


class _Page:
    """The parts that refer to each other: a cell leads to its reason, a filter to the rows with its word."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._of_row: dict[int, list[tuple[int, Finding]]] = {}
        for number, one in enumerate(report.findings):
            if one.row is not None:
                self._of_row.setdefault(one.row, []).append((number, one))
        self._words = {
            row: set().union(*(_classes(one) for _number, one in found))
            for row, found in self._of_row.items()
        }

    def filters(self) -> list[str]:
        """Return radio buttons and their labels, with how many rows of the grid each leaves."""
        rows = len(self._report.grid.rows)
        words = list(self._words.values())
        shown = [("all", "all packages", rows), ("found", "with findings", len(words))]
        shown.append(("fails", "that fail", sum("fails" in one for one in words)))
        shown += [(str(kind), MEANING[kind], sum(str(kind) in one for one in words)) for kind in Kind]
        shown = [item for item in shown if item[0] == "all" or item[2]]
        inputs = (
            f'<input class="pick" type="radio" name="show" id="show-{word}" aria-label="{_said(said)}"'
            f"{' checked' if word == 'all' else ''}>"
            for word, said, _count in shown
        )
        labels = (
            f'<label for="show-{word}">{_said(said)}<b>{count}</b></label>' for word, said, count in shown
        )
        return [*inputs, '<div class="filters">', *labels, "</div>"]

    def grid(self) -> list[str]:
        """Return the grid; each cell's reason is its title, and one with a finding leads to that."""
        report = self._report
        names = [*map(_breakable, report.names), "licence", "uploaded"]
        heads = "".join(f'<th scope="col">{name}</th>' for name in names)
        totals = "".join(f"<td>{_said(totals_words(report, at))}</td>" for at in range(len(report.names)))
        return [
            '<div class="scroll grid" tabindex="0" role="region" aria-label="Packages on targets"><table>',
            f'<thead><tr><th scope="col">package</th>{heads}</tr></thead>',
            "<tbody>",
            *map(self._row, range(len(report.grid.rows))),
            "</tbody>",
            f'<tfoot><tr><th scope="row">total</th>{totals}<td></td><td></td></tr></tfoot>',
            "</table></div>",
        ]

    def _row(self, at: int) -> str:
        report, row = self._report, self._report.grid.rows[at]
        cells = "".join(self._cell(at, column, cell) for column, cell in enumerate(row.cells))
        marker = f' title="{_said(f"only where {row.marker}")}"' if row.marker else ""
        words = " ".join(sorted(self._words.get(at, ())))
        licences = "<br>".join(map(_licence, report.licences(at)))
        return (
            f'<tr class="{words}"><th scope="row"{marker}>{_said(row.name)}'
            f"<small>{_said(row.version or '')}</small></th>{cells}"
            f"{self._whole(at, Kind.LICENCE, 'licences', licences)}"
            f"{self._whole(at, Kind.NEWER, 'day', _said(report.uploaded(at)))}</tr>"
        )

    def _whole(self, at: int, kind: Kind, css: str, shown: str) -> str:
        """Return the cell of what is mostly so for a package as a whole: its licence, its day."""
        found = [(number, one) for number, one in self._of_row.get(at, ()) if one.kind is kind]
        if not found:
            return f'<td class="{css}">{shown}</td>'
        title = _said("\n".join(f"{one.text} ({self._report.where(one)})" for _number, one in found))
        bad = " bad" if any(one.fails for _number, one in found) else ""
        return f'<td class="{css} seen{bad}" title="{title}"><a href="#f{found[0][0]}">{shown}</a></td>'

    def _cell(self, at: int, column: int, cell: Cell | None) -> str:
        if cell is None:
            return '<td class="cell s-not-needed" title="the lock does not serve this target">?</td>'
        found = [(number, one) for number, one in self._of_row.get(at, ()) if column in one.columns]
        own = [(number, one) for number, one in found if one.kind in _OF_CELLS]
        words = _said("not needed" if cell.state is State.NOT_NEEDED else cell_words(cell))
        shown = f'<a href="#f{own[0][0]}">{words}</a>' if own else words
        yanked = any(one.kind is Kind.YANKED for _number, one in own)
        bad = " bad" if any(one.fails for _number, one in own) else ""
        title = _title(cell, [one for _number, one in found])
        return (
            f'<td class="cell {_state_class(cell)}{bad}" title="{_said(title)}">{shown}{_size(cell)}'
            f"{_platform(cell)}{'<b>yanked</b>' if yanked else ''}</td>"
        )

    def findings(self) -> list[str]:
        """Return the table of findings, those that fail first."""
        report = self._report
        if not report.findings:
            return ['<p class="none">Nothing.</p>']
        rows = (
            f'<tr id="f{at}" class="{" ".join(sorted(_classes(one)))}">'
            f'<td><span class="word{" bad" if one.fails else ""}">{"fails" if one.fails else "note"}</span></td>'
            f'<td class="word">{one.kind}</td><td>{_said(report.label(one.row) or "the lock")}</td>'
            f"<td>{_said(report.where(one))}</td><td>{_said(one.text)}</td></tr>"
            for at, one in enumerate(report.findings)
        )
        return _table(("", "finding", "package", "targets", "why"), rows)


def _classes(one: Finding) -> set[str]:
    return {"found", str(one.kind), *(("fails",) if one.fails else ())}


def _state_class(cell: Cell) -> str:
    return "s-any" if platform_of(cell) == "any" else f"s-{cell.state}"


def _size(cell: Cell) -> str:
    if cell.size is None or cell.state is State.NOT_NEEDED:
        return ""
    return f" <small>{human_size(cell.size)}</small>"


def _platform(cell: Cell) -> str:
    """Return what a wheel's tag says of its platform, below the cell's word."""
    platform = platform_of(cell)
    return f"<i>{_said(platform)}</i>" if platform not in {"", "any"} else ""


def _title(cell: Cell, found: Sequence[Finding]) -> str:
    lines = [cell.filename or "", cell.reason]
    # What it lacks is the cell's own reason already.
    lines += [f"{one.kind}: {one.text}" for one in found if one.kind not in _LACKING]
    return "\n".join(line for line in lines if line)


def _licence(licence: Declared) -> str:
    source = f' title="{_said(f"from {licence.source}")}"' if licence.source else ""
    return f"<span{source}>{_said(licence.text)}</span>"


def _policy(report: Report) -> list[str]:
    policy = report.policy
    kinds = ", ".join(str(kind) for kind in Kind if kind in policy.fail_on) or "nothing"
    parts = [f"Fails on: {kinds}."]
    if policy.newer_than is not None:
        parts.append(f"Newer means uploaded after {moment(policy.newer_than)}.")
    if policy.allow:
        parts.append(f"Licences allowed: {', '.join(policy.allow)}.")
    if policy.deny:
        parts.append(f"Licences denied: {', '.join(policy.deny)}.")
    return [f'<p class="soft">{_said(" ".join(parts))}</p>']


def _cards(report: Report) -> Iterable[tuple[str, str, str]]:
    lacking = len({one.row for one in report.findings if one.kind in _LACKING and one.row is not None})
    failing = sum(one.fails for one in report.findings)
    yield "Packages", str(len(report.grid.rows)), f"for {counted(len(report.names), 'target')}"
    yield "Findings that fail", str(failing), f"of {counted(len(report.findings), 'finding')}"
    yield "Lacking a wheel somewhere", str(lacking), "reasons below" if lacking else "every one has its wheel"
    known = [text for text, _rows in report.licence_counts() if not text.startswith("not known")]
    yield "Licences", str(len(known)), "declared in different words"


def _legend(report: Report) -> list[str]:
    there = {_state_class(cell) for _at, _column, _row, cell in report.cells()}
    rows = [f"<li>{swatch(css)}{said}</li>" for css, said in _LEGEND if css in there]
    return ['<ul class="legend">', *rows, "</ul>"]


def _licences(report: Report) -> list[str]:
    rows = (
        f'<tr><td>{_said(text)}</td><td class="number">{len(found)}</td>'
        f"<td>{_said(', '.join(report.grid.rows[row].name for row in found))}</td></tr>"
        for text, found in report.licence_counts()
    )
    lines = _table(("licence", "packages", "which"), rows)
    # Outside the filter's reach: its rows are licences.
    return ["<section>", *lines, "</section>"]


def _table(heads: Sequence[str], rows: Iterable[str]) -> list[str]:
    words = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return [
        '<div class="scroll plain"><table>',
        f"<thead><tr>{words}</tr></thead>",
        "<tbody>",
        *rows,
        "</tbody>",
        "</table></div>",
    ]


def _breakable(name: str) -> str:
    """Return a target's name that may be broken after its separators: columns are narrow."""
    return "".join(f"{_said(one)}<wbr>" if one in "/-_" else _said(one) for one in name)


def _said(text: str) -> str:
    """Return a text for HTML; a name is anybody's word, and may hold what no page can."""
    return escape("\n".join(map(plain, text.split("\n"))))
