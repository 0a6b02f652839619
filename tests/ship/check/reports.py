"""Reports for the tests of their forms: a lock of a few packages on three targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lock.locks import linux, lock, macos, package, windows

from crossdock.lock.plan import make_plan
from crossdock.lock.select import Selection, select
from crossdock.ship.check.judge import judged
from crossdock.ship.check.model import Declared, FileFacts, Policy, Report

if TYPE_CHECKING:
    from crossdock.errors import CrossdockError
    from crossdock.target.model import Target

ENTRIES = [
    package("native", "2.0", "cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-win_amd64", sdist=True),
    package("pure", "1.0", "py3-none-any"),
    package("source", "1.0", sdist=True),
    package("winonly", "1.0", "py3-none-any", marker="sys_platform == 'win32'"),
    package("nowhere", "1.0", "cp312-cp312-win_amd64"),
]
MIT = Declared(expression="MIT", source="the wheel's metadata")


def make_report(
    policy: Policy | None = None,
    facts: dict[str, FileFacts] | None = None,
    *,
    entries: list[dict[str, Any]] | None = None,
    targets: tuple[Target, ...] = (),
) -> Report:
    """Return the report of a lock; `facts` are those of the packages by name, a file under MIT for the others."""
    made = lock(*(entries or ENTRIES))
    outcomes: list[tuple[Target, Selection | CrossdockError]] = [
        (target, select(made, target)) for target in targets or (linux(), macos(), windows())
    ]
    grid = make_plan(outcomes, is_pure=lambda one: one.name == "source")
    known = {
        (at, column): (facts or {}).get(row.name, FileFacts(licence=MIT, upload_time="2026-01-02T03:04:05Z"))
        for at, row in enumerate(grid.rows)
        for column, cell in enumerate(row.cells)
        if cell is not None and cell.filename is not None
    }
    return judged(Report(grid=grid, facts=known, policy=policy or Policy()))
