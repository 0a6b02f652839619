"""Functions for another CPU, under qemu: Debian's Python, and one that lies as uv's do with Debian's C library."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.trial.worlds import machine_means

from crossdock.target.names import parse_target
from crossdock.trial import invoke
from crossdock.trial.invoke import Trial, try_function
from crossdock.trial.root import SYSTEM, foreign_root

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.trial.means import TrialMeans
    from crossdock.trial.outcome import Outcome

pytestmark = [pytest.mark.index, pytest.mark.emulation, pytest.mark.slow]

#: The CPU that this machine has not, in the words of AWS, of wheels and of Debian.
AWS, CPU, DEBIAN = (
    ("x86_64", "x86_64", "amd64")
    if platform.machine() in ("aarch64", "arm64")
    else ("arm64", "aarch64", "arm64")
)
TARGET = parse_target(f"lambda-python3.11-{AWS}")
FUNCTION = """
import distutils, hashlib, os, platform, sqlite3, ssl, sys, time
def tell(event, context):
    return [platform.machine(), platform.python_version_tuple()[:2], sys.prefix, event]
def fail(event, context): raise ValueError("no")
def hang(event, context):
    open("pid", "w").write(str(os.getpid()))
    time.sleep(600)
def crash(event, context):
    import ctypes
    ctypes.string_at(0)
"""


@pytest.fixture(scope="module")
def means() -> TrialMeans:
    return machine_means()


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "app.py").write_text(FUNCTION)
    return folder


def tried(task: Path, means: TrialMeans, handler: str, timeout: int = 30) -> Outcome:
    trial = Trial(target=TARGET, task=task, handler=handler, event=b'{"a": 1}', timeout=timeout)
    return try_function(trial, means)


def test_debians_python(task: Path, means: TrialMeans) -> None:
    outcome = tried(task, means, "app.tell")
    assert outcome.ok, outcome
    assert json.loads(outcome.body)[:2] == [CPU, ["3", "11"]]
    assert (outcome.how, "Debian bookworm" in outcome.note) == ("qemu", True)
    outcome = tried(task, means, "app.fail")
    assert (outcome.ok, outcome.error_type) == (False, "ValueError")
    outcome = tried(task, means, "app.crash")
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 502, "Runtime.ExitError")


def test_one_that_hangs_is_ended(task: Path, means: TrialMeans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoke, "_SLOWER", 1)
    begin = time.monotonic()
    outcome = tried(task, means, "app.hang", timeout=10)
    assert (outcome.ok, outcome.error_type) == (False, "Sandbox.Timedout")
    assert time.monotonic() - begin < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int((task / "pid").read_text()), 0)


def test_a_python_of_uvs_with_debians_c_library(
    task: Path, means: TrialMeans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv's own download is not asked: Debian's Python is laid out as uv unpacks one, and found there."""
    packages = (*SYSTEM, "python3.11", "python3-distutils")
    system = foreign_root("bookworm", packages, DEBIAN, means)

    def unpacked(name: str, directory: Path) -> Path:
        place = directory / f"{name.replace('3.11', '3.11.2')}"
        shutil.copytree(system / "usr" / "lib" / "python3.11", place / "lib" / "python3.11", symlinks=True)
        (place / "bin").mkdir()
        shutil.copy2(system / "usr" / "bin" / "python3.11", place / "bin")
        # Debian's extension modules need these, uv's bring them.
        libraries = tmp_path / "task" / "lib"
        libraries.mkdir()
        for pattern in (
            "libexpat*",
            "libsqlite3*",
            "libssl*",
            "libcrypto*",
            "libffi*",
            "liblzma*",
            "libbz2*",
        ):
            for path in (system / "usr" / "lib" / f"{CPU}-linux-gnu").glob(pattern):
                shutil.copy2(path, libraries)
        return directory

    monkeypatch.setattr("crossdock.build.target_python.table.debian_suites", lambda _version: ())
    means.store.drop_tree("trial-python", f"cpython-3.11-linux-{CPU}-gnu")
    outcome = tried(task, replace(means, uv_python=unpacked), "app.tell")
    assert outcome.ok, outcome
    machine, version, prefix, event = json.loads(outcome.body)
    assert (machine, version, event) == (CPU, ["3", "11"], {"a": 1})
    assert prefix.endswith(f"/root/cpython-3.11.2-linux-{CPU}-gnu")
    means.store.drop_tree("trial-python", f"cpython-3.11-linux-{CPU}-gnu")
