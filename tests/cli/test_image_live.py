"""The main job on real input: the example service as one image for two platforms, answering on both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.world import CROSSDOCK
from tests.support.podman import fetch, require_podman, serving
from tests.support.registry import DockerRegistry

EXAMPLE = Path(__file__).parents[2] / "examples" / "service"


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_the_example_service_answers_on_both_platforms(tmp_path: Path) -> None:
    require_podman("linux/arm64")
    shutil.copytree(EXAMPLE, tmp_path / "service")
    environ = {**os.environ, "CROSSDOCK_STORE": str(tmp_path / "store")}
    with DockerRegistry(tmp_path / "registry") as registry:
        ref = f"{registry.address}/orders:1.0"
        argv = [str(CROSSDOCK), "image", "./service", "--push", ref, "--report", "report.html"]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for platform, machine in (("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")):
            with serving(f"docker://{ref}", platform, path="/health") as url:
                health = json.loads(fetch(f"{url}/health"))
                assert (health["machine"], health["python"][:4]) == (machine, "3.11")
                assert json.loads(fetch(f"{url}/compute"))["solution"] == [1.0, 2.0]
    assert "numpy" in (tmp_path / "report.html").read_text()
