"""Images for Lambda that really run: AWS's own client asks a stub of the runtime API, and calls the handler."""

from __future__ import annotations

import json
import platform
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_live import crossdock
from tests.support.podman import require_podman, running
from tests.support.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.index, pytest.mark.slow]

HOST = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"
LAMBDA = {"arm64": "arm64", "amd64": "x86_64"}
APP = """
import platform
import sys

import markupsafe._speedups as fast


def handler(event, context):
    return [event["name"], platform.machine(), sys.version_info[1], __file__, fast.__file__.split("/markupsafe")[0]]
"""
#: What AWS's own does: start the client with the runtime's directory on its path. There is no shell in this base.
ENTRYPOINT = """#!/usr/bin/python3.11
import os
import sys

os.chdir(os.environ["LAMBDA_TASK_ROOT"])
os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", sys.argv[1]])
"""


def answer(archive: Path, image_platform: str, seconds: float) -> Any:
    """Start an image, hand it one event, and return what it answers."""
    with (
        RuntimeApi(b'{"name": "world"}') as api,
        running(
            f"oci-archive:{archive}",
            image_platform,
            environ={"AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_FUNCTION_NAME": "test"},
        ) as (process, log),
    ):
        end = time.monotonic() + seconds
        while not api.wait(0.2):
            said = log.read_text(errors="replace")[-3000:]
            assert process.poll() is None, f"ended with status {process.returncode}:\n{said}"
            assert time.monotonic() < end, f"no answer after {seconds} s:\n{said}"
        assert api.answer is not None
        kind, body = api.answer
        assert kind == "response", body
        return json.loads(body)


def project(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("markupsafe==3.0.2\n")


@pytest.mark.emulation
def test_on_debians_base_the_pinned_client_runs_under_qemu(tmp_path: Path) -> None:
    require_podman("linux/arm64")
    project(tmp_path)
    target = "lambda-python3.11-arm64"
    source = ("lambda", "-r", "requirements.txt", "--app", "app", "--for", target)
    words = (*source, "--image", "--handler", "main.handler")
    done = crossdock(tmp_path, *words, "--base", "debian:bookworm", "-o", "f.tar")
    assert "awslambdaric, which the base lacks too" in done.stderr
    assert "wants" not in done.stderr
    assert answer(tmp_path / "f.tar", "linux/arm64", 300) == [
        "world", "aarch64", 11, "/app/src/main.py", "/app/lib/python3.11/site-packages",
    ]  # fmt: skip


def test_a_lock_with_an_old_part_of_the_client_and_the_same_again(tmp_path: Path) -> None:
    project(tmp_path)
    target = ("--for", "lambda-python3.11-arm64")
    (tmp_path / "requirements.txt").write_text("simplejson==3.18.4\n")
    crossdock(tmp_path, "lock", "-r", "requirements.txt", *target, "-o", "pylock.toml")
    source = ("lambda", "pylock.toml", "--app", "app", *target)
    words = (*source, "--image", "--handler", "main.handler", "--base", "debian:bookworm")
    done = crossdock(tmp_path, *words, "-o", "first.tar")
    assert "awslambdaric wants simplejson>=3.20.1, and the lock has 3.18.4" in done.stderr
    again = crossdock(tmp_path, *words, "-o", "again.tar", "--offline")
    # What the lock comes to is remembered, the client with it.
    assert "is added" not in again.stderr
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    # The zip of the same lock has no client.
    crossdock(tmp_path, *source, "-o", "f.zip")
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("awslambdaric")]


def test_on_a_base_shaped_as_awss_its_runtime_finds_the_function(tmp_path: Path) -> None:
    require_podman(f"linux/{HOST}")
    project(tmp_path)
    (tmp_path / "entrypoint").write_text(ENTRYPOINT)
    target = f"lambda-python3.11-{LAMBDA[HOST]}"
    crossdock(tmp_path, "install", "awslambdaric==4.2.2", "--for", target, "-t", "runtime")
    crossdock(
        tmp_path,
        *("image", "-r", "requirements.txt", "--app", "none", "--for", target, "-o", "base.tar"),
        *("--base", "debian:bookworm", "--add", "runtime:/var/runtime"),
        *("--add", "entrypoint:/lambda-entrypoint.sh:755", "--entrypoint", "/lambda-entrypoint.sh"),
        *("-e", "LAMBDA_TASK_ROOT=/var/task", "-e", "LAMBDA_RUNTIME_DIR=/var/runtime"),
    )
    crossdock(
        tmp_path,
        *("lambda", "-r", "requirements.txt", "--app", "app", "--for", target, "--image"),
        *("--handler", "main.handler", "--base", "base.tar", "-o", "f.tar"),
    )
    machine = platform.machine()
    assert answer(tmp_path / "f.tar", f"linux/{HOST}", 60) == [
        "world", machine, 11, "/var/task/main.py", "/var/task",
    ]  # fmt: skip
