"""What a lock comes to for some targets, without fetching it: the grid, and of each file licence, age and yanking."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossdock.errors import BuildError, CrossdockError
from crossdock.lock.plan import State, make_plan
from crossdock.lock.select import Kind, Selection
from crossdock.pipeline.licences import OTHER_BYTES, Licences
from crossdock.ship.check.model import FileFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.lock.model import Lock, LockedFile, LockedPackage
    from crossdock.lock.plan import Cell, PlanGrid
    from crossdock.lock.select import Choice
    from crossdock.net.pages import ProjectFile
    from crossdock.pipeline.hands import Means
    from crossdock.target.model import Target

_OFFLINE = "the index was not asked (offline)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the files: `files_of` lists an index's files of a package, None where nobody may be asked.

    `licences` are the user's own words by package; `fetch` allows to fetch files whose licence lies nowhere else.
    """

    files_of: Callable[[str], Iterable[ProjectFile]] | None
    licences: Mapping[str, str] = field(default_factory=dict)
    fetch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The grid, and what is known of the file in each cell, by (row, column)."""

    grid: PlanGrid
    facts: Mapping[tuple[int, int], FileFacts]


def grid_of(
    outcomes: Sequence[tuple[Target, Selection | CrossdockError]],
    is_pure: Callable[[LockedPackage], bool | None],
    *,
    builds: bool,
) -> PlanGrid:
    """Return the plan, in which nothing counts as built that nobody may or can build; `builds`: cross builds may run."""
    grid = make_plan(outcomes, is_pure=is_pure)
    refusals = [_no_build(target, builds=builds) for target in grid.targets]
    rows = tuple(
        replace(
            row,
            cells=tuple(
                cell if cell is None else _without_build(cell, refusal)
                for cell, refusal in zip(row.cells, refusals, strict=True)
            ),
        )
        for row in grid.rows
    )
    return replace(grid, rows=rows)


def _no_build(target: Target, *, builds: bool) -> str:
    """Say why nothing is compiled for a target, empty if it is."""
    if not builds:
        return "cross builds are switched off"
    from crossdock.build.target_python.names import platform_tag

    try:
        platform_tag(target)
    except BuildError as error:
        return error.message
    return ""


def _without_build(cell: Cell, refusal: str) -> Cell:
    if not refusal or cell.state is not State.NATIVE_SDIST:
        return cell
    return replace(cell, state=State.IMPOSSIBLE, reason=f"{cell.reason}, and {refusal}")


def check(
    lock: Lock,
    grid: PlanGrid,
    outcomes: Sequence[tuple[Target, Selection | CrossdockError]],
    means: Means,
    question: Question,
) -> Checked:
    """Return the grid with what is known of each file that it ships; what cannot be had is told as not known."""
    chosen = _chosen(grid, outcomes)
    names = sorted({choice.name for choice in chosen.values() if _on_index(choice)})
    indexed = _Indexed(question.files_of, names, jobs=means.jobs)
    licences = Licences(lock, means, own=question.licences, fetch=question.fetch)
    distinct = {_key(choice): choice for choice in chosen.values()}
    with ThreadPoolExecutor(max(1, min(means.jobs, len(distinct)))) as pool:
        found = pool.map(lambda choice: _facts(choice, indexed, licences), distinct.values())
        facts = dict(zip(distinct, found, strict=True))
    facts = _with_sisters(distinct, licences.completed(distinct, facts))
    return Checked(grid=grid, facts={cell: facts[_key(choice)] for cell, choice in chosen.items()})


def _with_sisters(choices: Mapping[str, Choice], facts: Mapping[str, FileFacts]) -> dict[str, FileFacts]:
    """Return the facts; a source distribution that nobody read has the licence of its release's wheel, and says so."""
    of_wheels = {
        choices[key].package.position: one.licence
        for key, one in facts.items()
        if choices[key].kind is Kind.WHEEL and not one.licence.unknown
    }
    done = dict(facts)
    for key, one in facts.items():
        licence = of_wheels.get(choices[key].package.position)
        if one.licence.unknown and choices[key].kind is Kind.SDIST and licence is not None:
            source = f"{licence.source}, of a wheel of the same release"
            done[key] = replace(one, licence=replace(licence, source=source))
    return done


def _key(choice: Choice) -> str:
    """Return what is the same for all targets that get the same file."""
    return f"{choice.package.position} {choice.file.digest if choice.file is not None else ''}"


def _chosen(
    grid: PlanGrid, outcomes: Sequence[tuple[Target, Selection | CrossdockError]]
) -> dict[tuple[int, int], Choice]:
    """Return what is shipped, by the place in the grid, whose rows are the needed packages in the lock's order."""
    by_column = [
        {choice.package.position: choice for choice in outcome.choices}
        if isinstance(outcome, Selection)
        else {}
        for _target, outcome in outcomes
    ]
    positions = sorted(set().union(*by_column))
    return {
        (row, column): choice
        for row, position in enumerate(positions)
        for column, choices in enumerate(by_column)
        if (choice := choices.get(position)) is not None
        and (cell := grid.rows[row].cells[column]) is not None
        and cell.state is not State.IMPOSSIBLE
    }


def _on_index(choice: Choice) -> bool:
    """Tell whether an index lists it: source trees and archives that the lock names by URL lie on none."""
    return choice.kind in (Kind.WHEEL, Kind.SDIST)


def _facts(choice: Choice, indexed: _Indexed, licences: Licences) -> FileFacts:
    file = choice.file
    if file is None or not _on_index(choice):
        return FileFacts(licence=licences.of(choice, None, index_says=""), on_index=False)
    listed, unknown = indexed.file(choice.name, file)
    quarantined = indexed.quarantined(choice.name)
    return FileFacts(
        licence=licences.of(choice, listed, index_says=unknown),
        upload_time=file.upload_time or (listed.upload_time if listed is not None else None) or "",
        yanked=quarantined or (None if listed is None else listed.yanked),
        index_unknown="" if quarantined else unknown,
    )


class _Indexed:
    """What the index says of the files of some packages, each package asked for once."""

    def __init__(
        self, files_of: Callable[[str], Iterable[ProjectFile]] | None, names: Sequence[str], *, jobs: int
    ) -> None:
        self._files: dict[str, Mapping[str, ProjectFile] | CrossdockError] = {}
        if files_of is None or not names:
            return

        def asked(name: str) -> Mapping[str, ProjectFile] | CrossdockError:
            try:
                return {file.filename: file for file in files_of(name)}
            except CrossdockError as error:
                return error

        with ThreadPoolExecutor(max(1, min(jobs, len(names)))) as pool:
            self._files = dict(zip(names, pool.map(asked, names), strict=True))

    def file(self, name: str, wanted: LockedFile) -> tuple[ProjectFile | None, str]:
        """Return what the index lists under a file's name with the same bytes; or None, and why it is not known."""
        files = self._files.get(name)
        if files is None:
            return None, _OFFLINE
        if isinstance(files, CrossdockError):
            return None, f"{files.message} [{files.code}]"
        found = files.get(wanted.filename)
        if found is None:
            return None, "its index does not list the file"
        digest = wanted.digest
        if found.hashes.get(digest.algorithm, digest.hex) != digest.hex:
            return None, OTHER_BYTES
        return found, ""

    def quarantined(self, name: str) -> str | None:
        """Return that a project is in quarantine (PEP 792), as the index says it, else None."""
        files = self._files.get(name)
        if isinstance(files, CrossdockError) and files.code == "E-INDEX-QUARANTINED":
            return files.message
        return None
