"""`crossdock plan`: the grid package x target, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size, paint
from crossdock.cli.index import project_files
from crossdock.cli.locking import lock_of, source_of
from crossdock.cli.options import index_options, run_options, source_options, target_options
from crossdock.cli.session import Session
from crossdock.errors import CrossdockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.lock.model import Lock, LockedPackage
    from crossdock.lock.newest import Newest
    from crossdock.lock.plan import Cell, PlanGrid, State
    from crossdock.lock.select import Selection
    from crossdock.target.model import Target

#: The word, the colour and the meaning of every state.
_SHOWN = {
    "wheel": ("wheel", "green"),
    "pure-sdist": ("pure sdist", "green"),
    "native-sdist": ("cross-build", "yellow"),
    "sdist": ("sdist", "yellow"),
    "not-needed": ("-", "dim"),
    "impossible": ("impossible", "red"),
}


@click.command(
    epilog="Example:  crossdock plan . --for linux/arm64 --for musllinux_1_2_x86_64 --for win_arm64 --python 3.13"
)
@source_options
@target_options
@click.option(
    "--newest/--no-newest",
    default=True,
    show_default=True,
    help="Ask the index for the newest version with a wheel where the locked one has none.",
)
@index_options
@run_options
def command(**options: Any) -> int:
    """Show what every target gets for every package, without fetching it; exit status 1 if something is impossible."""
    from crossdock.lock.plan import make_plan

    session = Session(options)
    lock = lock_of(session, source_of(session))
    outcomes = [(target, outcome_of(session, lock, target)) for target in session.targets]
    grid = make_plan(outcomes, is_pure=purity_of(session, lock))
    asked = options["newest"] and not options["offline"] and bool(grid.without_wheel())
    if asked:
        grid = grid.with_newest(newest_of(session, grid))
    if options["as_json"]:
        click.echo(json.dumps(grid.to_json(), indent=2))
    else:
        _print(grid, asked=asked)
    return 0 if grid.possible else 1


def outcome_of(session: Session, lock: Lock, target: Target) -> Selection | CrossdockError:
    """Return what a target gets of the lock, or why the lock does not serve it."""
    try:
        return session.select_for(lock, target)
    except CrossdockError as error:
        return error


def purity_of(session: Session, lock: Lock) -> Callable[[LockedPackage], bool | None]:
    """Return a function that tells by an sdist's content whether it compiles; None where it cannot be fetched."""

    def is_pure(package: LockedPackage) -> bool | None:
        from crossdock.pipeline import sdist_is_pure

        try:
            return sdist_is_pure(lock, package, session.means())
        except CrossdockError as error:
            session.tell(f"cannot look into the source distribution of {package}: {error.message}")
            return None

    return is_pure


def newest_of(session: Session, grid: PlanGrid) -> dict[tuple[str, int], Newest]:
    """Return the newest version with a wheel for each package and column that lacks one, as the index has it now."""
    from crossdock.lock.newest import newest_with_wheel

    files_of = project_files(session)
    found: dict[tuple[str, int], Newest] = {}
    for row, column in grid.without_wheel():
        try:
            newest = newest_with_wheel(files_of(row.name), grid.targets[column])
        except CrossdockError as error:
            session.tell(f"cannot ask the index about {row.name}: {error.message}")
            continue
        if newest is not None:
            found[row.name, column] = newest
    return found


def _print(grid: PlanGrid, *, asked: bool) -> None:
    names = [target.name or target.key[:12] for target in grid.targets]
    table = [["package", *names]]
    colours: list[list[str]] = [["bold"] * (len(names) + 1)]
    for row in grid.rows:
        label = f"{row.name} {row.version or ''}".rstrip()
        table.append([label, *(_cell(cell) for cell in row.cells)])
        colours.append(["", *("dim" if cell is None else _SHOWN[cell.state][1] for cell in row.cells)])
    table.append(["total", *(_totals(grid, column) for column in range(len(names)))])
    colours.append(["bold"] * (len(names) + 1))
    widths = [max(len(line[column]) for line in table) for column in range(len(names) + 1)]
    for line, shades in zip(table, colours, strict=True):
        click.echo(
            "  ".join(
                _painted(text.ljust(width), shade)
                for text, width, shade in zip(line, widths, shades, strict=True)
            ).rstrip()
        )
    _print_reasons(grid, names, asked=asked)


def _painted(text: str, colour: str) -> str:
    import sys

    return paint(text, colour, sys.stdout) if colour else text


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "?"
    word = _SHOWN[cell.state][0]
    if cell.tag is not None:
        platform = cell.tag.split("-", 2)[2]
        word = "any" if platform == "any" else cell.tag
    size = f" {human_size(cell.size)}" if cell.size is not None and cell.state != "not-needed" else ""
    return word + size


def _totals(grid: PlanGrid, column: int) -> str:
    if column in grid.refused:
        return "refused"
    totals = grid.totals[column]
    parts = [
        f"{count} {_SHOWN[state][0]}{'s' if count != 1 and state == 'wheel' else ''}"
        for state, count in sorted(totals.counts.items(), key=_order)
        if state != "not-needed"
    ]
    return ", ".join([*parts, human_size(totals.size)])


def _order(item: tuple[State, int]) -> int:
    return list(_SHOWN).index(item[0])


def _print_reasons(grid: PlanGrid, names: list[str], *, asked: bool) -> None:
    for column, error in grid.refused.items():
        click.echo(f"\n{names[column]}: {error}")
    lines: dict[tuple[str, str, str], list[str]] = {}
    for row, column in grid.without_wheel():
        cell = row.cells[column]
        if cell is not None:
            advice = "; no version on the index has a wheel that fits" if asked else ""
            if cell.newest is not None:
                advice = f"; newest with a wheel: {cell.newest.version} ({cell.newest.tag})"
            key = (
                f"{row.name} {row.version or ''}".rstrip(),
                str(_SHOWN[cell.state][0]),
                cell.reason + advice,
            )
            lines.setdefault(key, []).append(names[column])
    if lines:
        click.echo("")
    for (package, word, reason), targets in lines.items():
        click.echo(f"{package} on {', '.join(targets)}: {word}: {reason}")
