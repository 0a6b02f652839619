"""The report of `crossdock check` on a terminal: the grid, the licences, and what was found."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import click

from crossdock.cli.console import paint, printable
from crossdock.lock.plan import State
from crossdock.ship.check.words import cell_words, grouped, marks_of, summary, totals_words

if TYPE_CHECKING:
    from crossdock.lock.plan import Cell
    from crossdock.ship.check.model import Report
    from crossdock.ship.check.words import Group

_COLOURS = {
    State.WHEEL: "green",
    State.PURE_SDIST: "green",
    State.NATIVE_SDIST: "yellow",
    State.SDIST: "yellow",
    State.NOT_NEEDED: "dim",
    State.IMPOSSIBLE: "red",
}
#: A licence's words are cut here in the table; below it they stand in full.
_LICENCE_WIDTH = 32
#: Where lines of findings and licences are wrapped.
_WIDTH = 110
#: Packages named in one line of a finding.
_MOST_NAMES = 12


def print_report(report: Report) -> None:
    """Print it on standard output."""
    _print_grid(report)
    click.echo("")
    for column, name in enumerate(report.names):
        click.echo(printable(f"{name}: {totals_words(report, column)}"))
    _print_licences(report)
    groups = grouped(report)
    if groups:
        click.echo("")
    for group in groups:
        _print_group(group)
    click.echo("")
    click.echo(paint(printable(summary(report)), "green" if report.passed else "red", sys.stdout))


def _print_grid(report: Report) -> None:
    marked, refused = marks_of(report)
    table = [["package", *report.names, "licence"]]
    colours = [["bold"] * len(table[0])]
    for at, row in enumerate(report.grid.rows):
        cells = [
            cell_words(cell) + (" !" if (at, column) in marked else "")
            for column, cell in enumerate(row.cells)
        ]
        licence = "; ".join(one.text for one in report.licences(at))
        table.append([report.label(at), *cells, _cut(licence) + (" !" if at in refused else "")])
        colours.append(["", *(_colour(cell) for cell in row.cells), ""])
    table = [[printable(text) for text in line] for line in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line, shades in zip(table, colours, strict=True):
        parts = (
            paint(text.ljust(width), shade, sys.stdout) if shade else text.ljust(width)
            for text, width, shade in zip(line, widths, shades, strict=True)
        )
        click.echo("  ".join(parts).rstrip())


def _colour(cell: Cell | None) -> str:
    return "dim" if cell is None else _COLOURS[cell.state]


def _cut(text: str) -> str:
    return text if len(text) <= _LICENCE_WIDTH else f"{text[: _LICENCE_WIDTH - 1]}…"


def _print_licences(report: Report) -> None:
    click.echo("\nlicences:")
    for text, rows in report.licence_counts():
        names = ", ".join(report.grid.rows[row].name for row in rows)
        _print_wrapped(f"  {text} ({len(rows)}): {names}", indent="      ")


def _print_group(group: Group) -> None:
    word = paint("fails", "red", sys.stdout) if group.fails else "note "
    names = ", ".join(group.packages[:_MOST_NAMES]) or "the lock"
    if len(group.packages) > _MOST_NAMES:
        names += f" and {len(group.packages) - _MOST_NAMES} more"
    _print_wrapped(f"{word}  {group.kind}: {names} on {group.where}: {group.text}", indent="       ")


def _print_wrapped(text: str, *, indent: str) -> None:
    lines = textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    for line in lines:
        click.echo(line if "\x1b" in line and line.startswith("\x1b[31mfails") else printable(line))
