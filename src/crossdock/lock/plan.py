"""The grid package by target: what each gets and why, with totals (pure, given the selections)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock.lock.select import Choice, Kind, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossdock.errors import CrossdockError
    from crossdock.lock.model import LockedPackage
    from crossdock.lock.newest import Newest
    from crossdock.target.model import Target


class State(StrEnum):
    """What a target gets for a package."""

    WHEEL = "wheel"
    PURE_SDIST = "pure-sdist"
    NATIVE_SDIST = "native-sdist"
    #: A source distribution that nothing in the lock tells about.
    SDIST = "sdist"
    NOT_NEEDED = "not-needed"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One package on one target: `size` in bytes, None where the lock does not say.

    `reason` is in words; `newest` the newest version on the index with a fitting wheel, if it was asked for.
    """

    state: State
    reason: str = ""
    filename: str | None = None
    tag: str | None = None
    size: int | None = None
    newest: Newest | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; what is not known is left out."""
        values: dict[str, Any] = {
            "state": str(self.state),
            "file": self.filename,
            "tag": self.tag,
            "size": self.size,
            "reason": self.reason or None,
            "newest_with_wheel": self.newest.to_json() if self.newest else None,
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of the lock and what it is on every target, in the grid's order of targets."""

    name: str
    version: str | None
    marker: str | None
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What one target adds up to; `unknown_sizes` are files of which the lock does not say the size."""

    counts: Mapping[State, int]
    size: int
    unknown_sizes: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, every state with its count."""
        counts = {str(state): self.counts.get(state, 0) for state in State}
        return {**counts, "bytes": self.size, "unknown_sizes": self.unknown_sizes}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGrid:
    """The plan: rows of entries that at least one target needs, columns of targets.

    A target that the lock does not serve at all has its refusal in `refused`, and None in every row.
    """

    targets: tuple[Target, ...]
    rows: tuple[Row, ...]
    refused: Mapping[int, CrossdockError] = field(default_factory=dict)

    @property
    def totals(self) -> tuple[Totals, ...]:
        """The totals of every target, in order."""
        return tuple(self._totals(column) for column in range(len(self.targets)))

    def _totals(self, column: int) -> Totals:
        cells = [cell for row in self.rows if (cell := row.cells[column]) is not None]
        files = [cell for cell in cells if cell.filename is not None]
        return Totals(
            counts=Counter(cell.state for cell in cells),
            size=sum(cell.size or 0 for cell in files),
            unknown_sizes=sum(cell.size is None for cell in files),
        )

    @property
    def possible(self) -> bool:
        """Whether every target is served and nothing in it is impossible."""
        return not self.refused and all(
            cell is None or cell.state is not State.IMPOSSIBLE for row in self.rows for cell in row.cells
        )

    def without_wheel(self) -> tuple[tuple[Row, int], ...]:
        """Return the rows and columns where no wheel fits: what `newest_with_wheel` is worth asking for."""
        lacking = (State.IMPOSSIBLE, State.NATIVE_SDIST, State.SDIST)
        return tuple(
            (row, column)
            for row in self.rows
            for column, cell in enumerate(row.cells)
            if cell is not None and cell.state in lacking
        )

    def with_newest(self, newest: Mapping[tuple[str, int], Newest]) -> PlanGrid:
        """Return the grid with what the index has, by (package name, column)."""
        rows = tuple(
            replace(
                row,
                cells=tuple(
                    replace(cell, newest=newest[row.name, column])
                    if cell is not None and (row.name, column) in newest
                    else cell
                    for column, cell in enumerate(row.cells)
                ),
            )
            for row in self.rows
        )
        return replace(self, rows=rows)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON-ready values, targets by name."""
        names = [target.name or target.key for target in self.targets]
        return {
            "targets": [
                {
                    "name": name,
                    "assumed": list(target.assumed),
                    **({"refused": _refusal(self.refused[i])} if i in self.refused else {}),
                    "totals": total.to_json(),
                }
                for i, (name, target, total) in enumerate(zip(names, self.targets, self.totals, strict=True))
            ],
            "packages": [
                {
                    "name": row.name,
                    "version": row.version,
                    "marker": row.marker,
                    "targets": {
                        name: cell.to_json()
                        for name, cell in zip(names, row.cells, strict=True)
                        if cell is not None
                    },
                }
                for row in self.rows
            ],
        }


def _refusal(error: CrossdockError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "places": list(error.places),
        "hint": error.hint,
    }


def make_plan(
    outcomes: Sequence[tuple[Target, Selection | CrossdockError]],
    *,
    is_pure: Callable[[LockedPackage], bool | None] = lambda _: None,
) -> PlanGrid:
    """Lay selections side by side; an error in place of a selection is that target's refusal.

    `is_pure` is asked for source distributions that the lock itself does not tell about.
    """
    purity = _Evidence(is_pure)
    columns = [_column(outcome, purity) for _, outcome in outcomes]
    needed = {
        package.position: package
        for _, outcome in outcomes
        if isinstance(outcome, Selection)
        for package in (choice.package for choice in outcome.choices)
    }
    return PlanGrid(
        targets=tuple(target for target, _ in outcomes),
        rows=tuple(
            Row(
                name=package.name,
                version=package.version,
                marker=str(package.marker) if package.marker else None,
                cells=tuple(column.get(position) if column is not None else None for column in columns),
            )
            for position, package in sorted(needed.items())
        ),
        refused={i: outcome for i, (_, outcome) in enumerate(outcomes) if not isinstance(outcome, Selection)},
    )


def _column(outcome: Selection | CrossdockError, purity: _Evidence) -> dict[int, Cell] | None:
    if not isinstance(outcome, Selection):
        return None
    cells = {choice.package.position: _cell(choice, purity) for choice in outcome.choices}
    for package in outcome.unneeded:
        cells[package.position] = Cell(state=State.NOT_NEEDED, reason=f"only where {package.marker}")
    return cells


def _cell(choice: Choice, purity: _Evidence) -> Cell:
    state = _state(choice, purity)
    file = choice.file
    return Cell(
        state=state,
        reason=choice.reason,
        filename=file.filename if file is not None else None,
        tag=choice.tag,
        size=file.size if file is not None else None,
    )


def _state(choice: Choice, purity: _Evidence) -> State:
    if choice.kind in (Kind.NONE, Kind.VCS):
        return State.IMPOSSIBLE
    if choice.tag is not None:
        return State.WHEEL
    pure = purity.of(choice.package)
    if pure is None:
        return State.SDIST
    return State.PURE_SDIST if pure else State.NATIVE_SDIST


class _Evidence:
    """What tells a pure source distribution from a native one, asked once for each package."""

    def __init__(self, is_pure: Callable[[LockedPackage], bool | None]) -> None:
        self._is_pure = is_pure
        self._known: dict[int, bool | None] = {}

    def of(self, package: LockedPackage) -> bool | None:
        if package.position not in self._known:
            evidence = purity_from_wheels(package)
            self._known[package.position] = self._is_pure(package) if evidence is None else evidence
        return self._known[package.position]


def purity_from_wheels(package: LockedPackage) -> bool | None:
    """Tell from the wheels of the same version whether a source distribution builds a pure one.

    A wheel for any platform shows that it can; wheels for platforms only, that it does not. Without wheels
    there is no evidence: None.
    """
    if not package.wheels:
        return None
    return any(wheel.platforms == ("any",) for wheel in package.wheels)
