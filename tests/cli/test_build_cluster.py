"""Builds on a cluster: a real scheduler and two workers on loopback, one of which is killed in mid-build."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_build_native import build, run
from tests.support.crossbuild import CROSSDOCK, fresh_store, native_project_sdist, variables, wait_for
from tests.support.emulation import require_foreign_python

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.index, pytest.mark.slow]


class Cluster:
    """A scheduler and its workers; each worker has a store of its own."""

    def __init__(self, root: Path, stores: list[Path], stack: ExitStack) -> None:
        self._root = root
        self._stack = stack
        file = root / "scheduler.json"
        self._start(
            "scheduler", ["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
        )
        wait_for("the scheduler", lambda: file.is_file() and file.stat().st_size > 0)
        self.address = json.loads(file.read_text())["address"].removeprefix("tcp://")
        self.workers: list[tuple[subprocess.Popen[bytes], Path]] = []
        for number, store in enumerate(stores):
            words = [
                "worker",
                f"tcp://{self.address}",
                "--nthreads",
                "1",
                "--no-nanny",
                "--host",
                "127.0.0.1",
            ]
            words += ["--local-directory", str(root / f"local-{number}"), "--no-dashboard"]
            self.workers.append((self._start(f"worker-{number}", words, store), store))
        logs = [root / f"worker-{number}.log" for number in range(len(stores))]
        wait_for("the workers", lambda: all(b"Registered to" in log.read_bytes() for log in logs))

    def _start(self, name: str, words: list[str], store: Path | None = None) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._root / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [Path(sys.executable).with_name("dask"), *words], cwd=self._root, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True, env=variables(store or self._root / "none"),
        )  # fmt: skip
        self._stack.callback(self._end, process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@pytest.fixture
def minor() -> str:
    return require_foreign_python("arm64").minor


@pytest.fixture
def cluster(tmp_path: Path, minor: str) -> Iterator[Cluster]:
    stores = [fresh_store(minor, tmp_path / f"store-{number}") for number in range(2)]
    (tmp_path / "cluster").mkdir()
    with ExitStack() as stack:
        yield Cluster(tmp_path / "cluster", stores, stack)


def sleeping(store: Path) -> bool:
    """Whether a build runs on the worker with this store."""
    return any("SLEEPING" in path.read_text() for path in (store / "logs").glob("*.log"))


def test_a_killed_worker_costs_no_build_and_no_byte(tmp_path: Path, minor: str, cluster: Cluster) -> None:
    sdists = [native_project_sdist(tmp_path, name) for name in ("one", "two")]
    target = ["--for", "linux/arm64", "--python", minor, "-C", "sleep=6", "--json"]
    client = tmp_path / "client"
    asked = subprocess.Popen(
        [CROSSDOCK, "build", *sdists, *target, "--executor", f"dask://{cluster.address}", "-o", "spread"],
        cwd=tmp_path, env=variables(client), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        wait_for("a build on each worker", lambda: all(sleeping(store) for _worker, store in cluster.workers))
        victim, _store = cluster.workers[0]
        os.kill(victim.pid, signal.SIGKILL)
        out, said = asked.communicate(timeout=300)
    finally:
        asked.kill()
    assert asked.returncode == 0, said
    rows = json.loads(out)["built"]
    assert [row["from_store"] for row in rows] == [False, False]
    # The other worker did both.
    logs = {path.name for path in (cluster.workers[1][1] / "logs").glob("*.log")}
    assert {Path(row["log"]).name for row in rows} == logs
    assert all("SLEEPING" in Path(row["log"]).read_text() for row in rows)
    here = build(cluster.workers[0][1], tmp_path, *sdists, *target[:-1], "-o", "here", "--rebuild")
    assert [row["sha256"] for row in here] == [row["sha256"] for row in rows]
    again = build(client, tmp_path, *sdists, *target[:-1], "-o", "again", "--offline")
    assert [row["from_store"] for row in again] == [True, True]


def test_an_error_there_is_told_as_one_here(tmp_path: Path, minor: str, cluster: Cluster) -> None:
    sdist = native_project_sdist(tmp_path, "broken", core="#include <no/such.h>\n")
    target = ["--for", "linux/arm64", "--python", minor, "--executor", f"dask://{cluster.address}"]
    client = tmp_path / "client"
    done = run(client, tmp_path, "build", sdist, *target, status=1)
    assert "[E-BUILD-BACKEND]" in done.stderr
    assert "no/such.h" in done.stderr
    (log,) = (client / "logs").iterdir()
    assert f"the whole output: {log}" in done.stderr
    assert "no/such.h" in log.read_text()
    assert not [store for _worker, store in cluster.workers if str(store) in done.stderr]


def test_nobody_answers(tmp_path: Path) -> None:
    sdist = native_project_sdist(tmp_path, "lonely")
    words: list[str | Path] = [
        "build",
        sdist,
        "--for",
        "linux/arm64",
        "--python",
        "3.12",
        "--executor",
        "dask://127.0.0.1:9",
    ]
    done = run(tmp_path / "store", tmp_path, *words, status=1)
    assert "no scheduler answers at `127.0.0.1:9`" in done.stderr
    assert "[E-BUILD-EXECUTOR]" in done.stderr
