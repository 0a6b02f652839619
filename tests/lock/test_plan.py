from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.lock.locks import linux, lock, macos, package, windows

from crossdock.errors import LockError
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.newest import Newest
from crossdock.lock.plan import PlanGrid, State, make_plan, purity_from_wheels
from crossdock.lock.select import Selection, select

if TYPE_CHECKING:
    from crossdock.target.model import Target

ENTRIES = [
    package("native", "2.0", "cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-win_amd64", sdist=True),
    package("pure", "1.0", "py3-none-any"),
    package("source", "1.0", sdist=True),
    package("winonly", "1.0", "py3-none-any", marker="sys_platform == 'win32'"),
    package("nowhere", "1.0", "cp312-cp312-win_amd64"),
    package("never", "1.0", "py3-none-any", marker="sys_platform == 'emscripten'"),
]


def grid(*targets: Target, facts: dict[str, bool] | None = None, **options: Any) -> PlanGrid:
    made = lock(*ENTRIES)
    outcomes: list[tuple[Target, Selection | LockError]] = [(t, select(made, t, **options)) for t in targets]
    return make_plan(outcomes, is_pure=lambda p: (facts or {}).get(p.name))


def states(plan: PlanGrid, column: int) -> dict[str, State]:
    return {row.name: cell.state for row in plan.rows if (cell := row.cells[column])}


def test_grid_tells_every_case_apart() -> None:
    plan = grid(linux(), macos(), windows(), facts={"source": True})
    assert states(plan, 0) == {
        "native": State.WHEEL,
        "pure": State.WHEEL,
        "source": State.PURE_SDIST,
        "winonly": State.NOT_NEEDED,
        "nowhere": State.IMPOSSIBLE,
    }
    assert states(plan, 1)["native"] is State.NATIVE_SDIST
    assert states(plan, 2)["nowhere"] is State.WHEEL
    assert not plan.possible
    assert [row.name for row, column in plan.without_wheel() if column == 1] == ["native", "nowhere"]


def test_pure_sdist_needs_no_wheel_but_is_not_asked_about() -> None:
    plan = grid(linux(), facts={"source": True})
    assert [(row.name, column) for row, column in plan.without_wheel()] == [("nowhere", 0)]
    unknown = grid(linux())
    assert states(unknown, 0)["source"] is State.SDIST


def test_purity_is_asked_only_where_the_lock_does_not_tell() -> None:
    asked: list[str] = []
    made = lock(*ENTRIES)
    policy = FormatPolicy.parse(no_binary=["pure", "native"], only_binary=[])
    made_pure = lock(package("pure", "1.0", "py3-none-any", sdist=True), *ENTRIES[:1], *ENTRIES[2:3])

    def is_pure(entry: Any) -> None:
        asked.append(entry.name)

    plan = make_plan([(t, select(made_pure, t, formats=policy)) for t in (linux(), macos())], is_pure=is_pure)
    assert asked == ["source"]
    assert states(plan, 0) == {
        "pure": State.PURE_SDIST,
        "native": State.NATIVE_SDIST,
        "source": State.SDIST,
    }
    assert purity_from_wheels(made.named("source")[0]) is None


def test_totals_count_and_add() -> None:
    [total] = grid(linux()).totals
    assert total.counts[State.WHEEL] == 2
    assert (total.size, total.unknown_sizes) == (3000, 0)
    entry = package("six", "1.0", "py3-none-any")
    del entry["wheels"][0]["size"]
    [total] = make_plan([(linux(), select(lock(entry), linux()))]).totals
    assert (total.size, total.unknown_sizes) == (0, 1)


def test_refused_target_has_its_error_and_no_cells() -> None:
    error = LockError("not for you", code="E-LOCK-PYTHON", hint="lock again")
    good = (linux(), select(lock(*ENTRIES), linux()))
    plan = make_plan([(windows(), error), good])
    assert plan.rows[0].cells[0] is None
    assert plan.refused == {0: error}
    assert not plan.possible
    assert plan.to_json()["targets"][0]["refused"]["code"] == "E-LOCK-PYTHON"


def test_json_says_it_all() -> None:
    plan = grid(linux(), windows()).with_newest(
        {("nowhere", 0): Newest(version="0.9", filename="nowhere-0.9-py3-none-any.whl", tag="py3-none-any")}
    )
    value = json.loads(json.dumps(plan.to_json()))
    assert [target["name"] for target in value["targets"]] == ["box", "windows"]
    by_name = {entry["name"]: entry["targets"] for entry in value["packages"]}
    assert by_name["nowhere"]["box"]["newest_with_wheel"]["version"] == "0.9"
    assert by_name["nowhere"]["box"]["state"] == "impossible"
    assert by_name["native"]["windows"]["tag"] == "cp312-cp312-win_amd64"
    assert by_name["winonly"]["box"] == {
        "state": "not-needed",
        "reason": 'only where sys_platform == "win32"',
    }
    assert "never" not in by_name


@pytest.mark.parametrize("targets", [[], [linux()]])
def test_empty_lock_is_possible(targets: list[Target]) -> None:
    plan = make_plan([(target, select(lock(), target)) for target in targets])
    assert plan.possible
    assert plan.rows == ()
