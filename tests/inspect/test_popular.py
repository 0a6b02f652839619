"""No false alarm: real wheels, each for the target that its own tag names."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.target.model import Python

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[2] / "dev" / "audit_popular.py"
#: Small packages whose wheels were looked at by a person and found in order.
SOUND = (
    "markupsafe", "charset-normalizer", "greenlet", "msgpack", "ujson", "propcache", "frozenlist", "multidict",
    "httptools", "rpds-py", "bcrypt", "xxhash", "mmh3", "wrapt", "simplejson", "setproctitle", "kiwisolver",
)  # fmt: skip
A_DAY_S_SAMPLE = 3


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_popular", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.index
@pytest.mark.slow
def test_wheels_of_popular_packages_fit_the_targets_they_name(script: ModuleType, tmp_path: Path) -> None:
    python = Python(minor=12)
    day = dt.datetime.now(tz=dt.UTC).date().toordinal()
    names = [SOUND[(day * A_DAY_S_SAMPLE + number) % len(SOUND)] for number in range(A_DAY_S_SAMPLE)]
    counts: Counter[str] = Counter()
    findings: list[Any] = []
    for name in names:
        for wheel in script.lock(name, python, tmp_path):
            if targets := script.targets_of(wheel["name"], python):
                findings += script.report(wheel, targets, tmp_path, counts)
    if not counts["wheels"]:
        pytest.skip(f"NO WHEEL COULD BE FETCHED of {names}: nothing was audited")
    assert findings == []


def test_targets_are_told_from_wheel_names(script: ModuleType) -> None:
    def told(name: str, python: Python) -> list[tuple[str, str, str]]:
        targets = script.targets_of(name, python)
        return [(str(one.os), str(one.arch), str(one.libc or one.os_version)) for one in targets]

    python = Python(minor=12)
    assert told("x-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", python) == [
        ("linux", "x86_64", "glibc2.17")
    ]
    assert told("x-1-cp39-abi3-macosx_10_9_universal2.whl", python) == [
        ("macos", "x86_64", "(10, 9)"),
        ("macos", "aarch64", "(11, 0)"),
    ]
    assert told("x-1-cp312-cp312-win_arm64.whl", python) == [("windows", "aarch64", "None")]
    assert told("x-1-cp311-cp311-win_arm64.whl", python) == []
    assert told("x-1-py3-none-any.whl", python) == []
