"""The benchmarks measure what they say; no time is asserted."""

from __future__ import annotations

import sys
import tomllib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from bench.measure import Contestant, Series, run_once, take_turns
from bench.report import Case, report
from bench.synthetic import lock_text
from packaging.pylock import Pylock

if TYPE_CHECKING:
    from pathlib import Path


def test_the_synthetic_lock_is_a_lock() -> None:
    lock = Pylock.from_dict(tomllib.loads(lock_text(7)))
    assert len(lock.packages) == 7
    assert {len(package.wheels or ()) for package in lock.packages} == {40}
    assert all(package.sdist for package in lock.packages)
    assert [package.marker is not None for package in lock.packages] == [
        True,
        False,
        False,
        False,
        False,
        True,
        False,
    ]


def test_the_peak_is_the_command_s(tmp_path: Path) -> None:
    # More than the command is to have: what starts it must not count.
    ours = b"x" * 450_000_000
    argv = [sys.executable, "-c", "x = bytearray(200_000_000)"]
    assert len(ours) > 400_000_000
    assert 200_000_000 < run_once(Contestant(name="big", argv=argv), directory=tmp_path).peak < 400_000_000


def test_a_command_that_fails_is_no_result(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    with pytest.raises(RuntimeError, match="no such luck"):
        run_once(Contestant(name="failing", argv=argv), directory=tmp_path)


def test_commands_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    order: list[str] = []
    contestants = [
        Contestant(name=name, argv=["/bin/sh", "-c", ":"], prepare=partial(order.append, name))
        for name in ("a", "b")
    ]
    series = take_turns(contestants, rounds=2, directory=tmp_path)
    assert order == ["a", "b"] * 3
    assert [len(one.samples) for one in series] == [2, 2]
    assert all(one.fastest <= one.median <= one.slowest for one in series)


def test_the_page_names_no_place_of_this_machine(tmp_path: Path) -> None:
    argv = [f"{tmp_path}/bin/tool", "install", f"{tmp_path}/tree"]
    contestant = Contestant(name="tool", argv=argv)
    sample = run_once(Contestant(name="tool", argv=["/bin/sh", "-c", ":"]), directory=tmp_path)
    series = Series(contestant=contestant, samples=(sample,))
    page = report(
        [Case(title="Case", text="Text.", series=[series], base="tool", rounds=1, remarks=["Said"])],
        rounds=1,
        facts={"floor": "20", "python": "3", "tools": "tool 1", "lock": "none"},
        shown={f"{tmp_path}/bin/": "", f"{tmp_path}/": ""},
        left_out=["a reason"],
    )
    assert str(tmp_path) not in page
    assert "tool install tree   # tool" in page
    assert "| tool |" in page
    assert "- a reason" in page
