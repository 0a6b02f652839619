"""The facts behind `crossdock check`: what an index says of locked files, and where it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import linux, lock, macos, package, windows

from crossdock.errors import FetchError
from crossdock.lock.plan import State
from crossdock.lock.select import select
from crossdock.net.pages import ProjectFile
from crossdock.pipeline import Means
from crossdock.pipeline.check import Checked, Question, check, grid_of
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from crossdock.lock.model import Lock
    from crossdock.target.model import Target

LOCK = lock(
    package("lib", "1.0", "cp312-cp312-manylinux_2_17_aarch64", sdist=True),
    package("pure", "1.0", "py3-none-any"),
)


def never(*_: object) -> None:
    raise AssertionError


@pytest.fixture
def means(tmp_path: Path) -> Means:
    """What works on an empty store, with nothing else to be had."""
    return Means(
        store=Store.open(tmp_path, warn=never),
        http=never,  # type: ignore[arg-type]
        tools=never,  # type: ignore[arg-type]
        python_for=never,  # type: ignore[arg-type]
        reporter=lambda: None,
        warn=never,
        offline=True,
    )


def checked(
    made: Lock, means: Means, files_of: Callable[[str], Iterable[ProjectFile]] | None, *targets: Target
) -> Checked:
    outcomes = [(target, select(made, target)) for target in targets or (linux(),)]
    grid = grid_of(outcomes, lambda _: None, builds=True)
    return check(made, grid, outcomes, means, Question(files_of=files_of))


def listed(filename: str, **more: object) -> ProjectFile:
    return ProjectFile(filename=filename, url=f"https://index.test/{filename}", **more)  # type: ignore[arg-type]


def test_each_package_is_asked_for_once(means: Means) -> None:
    asked: list[str] = []

    def files_of(name: str) -> list[ProjectFile]:
        asked.append(name)
        return [listed("pure-1.0-py3-none-any.whl", upload_time="2026-01-02T00:00:00Z")]

    found = checked(LOCK, means, files_of, linux(), macos(), windows())
    assert sorted(asked) == ["lib", "pure"]
    assert found.facts[1, 0].upload_time == "2026-01-02T00:00:00Z"
    assert found.facts[0, 0].index_unknown == "its index does not list the file"


def test_a_project_in_quarantine_counts_as_taken_back(means: Means) -> None:
    def files_of(name: str) -> list[ProjectFile]:
        if name == "pure":
            raise FetchError("`pure` is quarantined by its index", code="E-INDEX-QUARANTINED")
        raise FetchError("no index has `lib`", code="E-INDEX-UNKNOWN")

    found = checked(LOCK, means, files_of)
    assert found.facts[1, 0].yanked == "`pure` is quarantined by its index"
    assert found.facts[1, 0].index_unknown == ""
    assert found.facts[0, 0].yanked is None
    assert found.facts[0, 0].index_unknown == "no index has `lib` [E-INDEX-UNKNOWN]"


def test_the_locks_own_time_goes_before_the_indexs(means: Means) -> None:
    entry = package("pure", "1.0", "py3-none-any")
    entry["wheels"][0]["upload-time"] = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    found = checked(
        lock(entry),
        means,
        lambda _: [listed("pure-1.0-py3-none-any.whl", upload_time="2020-01-01T00:00:00Z")],
    )
    assert found.facts[0, 0].upload_time.startswith("2026-03-04")


def test_nothing_counts_as_compiled_where_nothing_is(means: Means) -> None:
    from crossdock.target.names import parse_python, parse_target

    android = parse_target("android_24_arm64_v8a", default_python=parse_python("3.13"))
    for target, builds, state in (
        (macos(), True, State.NATIVE_SDIST),
        (macos(), False, State.IMPOSSIBLE),
        (android, True, State.IMPOSSIBLE),
    ):
        grid = grid_of([(target, select(LOCK, target))], lambda _: None, builds=builds)
        cell = grid.rows[0].cells[0]
        assert cell is not None
        assert cell.state is state
        assert (", and " in cell.reason) is (state is State.IMPOSSIBLE)
