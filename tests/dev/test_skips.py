"""A test that was left out is seen, and fails the run where nothing may be left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_INNER = """
import pytest


def test_one() -> None:
    pytest.skip({reason!r})


def test_two() -> None:
    pass
"""


def _run(tmp_path: Path, reason: str, **settings: str) -> subprocess.CompletedProcess[str]:
    test = tmp_path / "test_inner.py"
    test.write_text(_INNER.format(reason=reason))
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "CROSSDOCK_NO_SKIPS")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.conftest",
            "-c",
            ROOT / "pyproject.toml",
            test,
        ],
        cwd=ROOT,
        env={**environ, **settings},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("settings", "reason", "status"),
    [
        ({}, "qemu-aarch64-static is not installed", 0),
        ({"CI": "true"}, "qemu-aarch64-static is not installed", 1),
        ({"CROSSDOCK_NO_SKIPS": "1"}, "qemu-aarch64-static is not installed", 1),
        ({"CI": "true", "CROSSDOCK_NO_SKIPS": "0"}, "qemu-aarch64-static is not installed", 0),
        ({"CI": "true"}, "no Python 3.14 on this machine", 0),
    ],
)
def test_skips_fail_a_run_that_may_leave_nothing_out(
    tmp_path: Path, settings: dict[str, str], reason: str, status: int
) -> None:
    done = _run(tmp_path, reason, **settings)
    assert done.returncode == status, done.stdout
    assert f"1 x {'FAILED, this machine should run it: ' if status else ''}{reason}" in done.stdout
    assert "1 passed, 1 skipped" in done.stdout.splitlines()[-1]
