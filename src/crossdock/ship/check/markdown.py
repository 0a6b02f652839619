"""The report of `crossdock check` as Markdown, for a job's summary or a comment (pure).

GitHub's and GitLab's dialect: tables, and `<details>` for what is long. Names are anybody's words: all that Markdown
or HTML would read is escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.ship.check.words import cell_words, grouped, marks_of, summary, totals_words
from crossdock.ship.report.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.ship.check.model import Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")
#: Stands after what a finding is about.
_MARK = "&nbsp;⚠"


def markdown(report: Report) -> str:
    """Return the document, with a newline at its end."""
    lines = [f"### {'✅' if report.passed else '❌'} crossdock check: {_said(summary(report))}", ""]
    lines += _findings(report)
    lines += _details("Every package on every target", _grid(report, range(len(report.grid.rows))))
    lines += _details("Licences", _licences(report))
    return "\n".join(lines).rstrip("\n") + "\n"


def _findings(report: Report) -> list[str]:
    groups = grouped(report)
    if not groups:
        return []
    rows = [
        (
            "**fails**" if group.fails else "",
            str(group.kind),
            ", ".join(map(_said, group.packages)) or "the lock",
            _said(group.where),
            _said(group.text),
        )
        for group in groups
    ]
    return [*_table(("", "finding", "package", "targets", "why"), rows), ""]


def _grid(report: Report, rows: Iterable[int]) -> list[str]:
    marked, refused = marks_of(report)
    heads = ["package", *map(_said, report.names), "licence"]
    body = []
    for at in rows:
        row = report.grid.rows[at]
        cells = [
            _said(cell_words(cell)) + (_MARK if (at, column) in marked else "")
            for column, cell in enumerate(row.cells)
        ]
        licences = "; ".join(_said(one.text) for one in report.licences(at)) + (
            _MARK if at in refused else ""
        )
        body.append([_said(report.label(at)), *cells, licences])
    totals = [_said(totals_words(report, column)) for column in range(len(report.names))]
    return _table(heads, [*body, ["**total**", *totals, ""]])


def _licences(report: Report) -> list[str]:
    rows = [
        (_said(text), str(len(found)), ", ".join(_said(report.grid.rows[row].name) for row in found))
        for text, found in report.licence_counts()
    ]
    return _table(("licence", "packages", "which"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"| {' | '.join('---' for _ in heads)} |",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _details(title: str, lines: list[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def _said(text: str) -> str:
    """Return a text as Markdown shows it as it is, in one line."""
    # A backslash keeps nobody from being notified: GitHub looks for names after it.
    return _SPECIAL.sub(r"\\\1", plain(text)).replace("@", "@\u2060")
