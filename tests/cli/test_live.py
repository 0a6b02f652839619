"""The main job on real input: wheels of the configured index, installed for linux/arm64 and imported there."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import CROSSDOCK, names_below

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.emulation import ForeignPython


def crossdock(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the index settings of this machine and a store of its own."""
    environ = {**os.environ, "CROSSDOCK_STORE": str(tmp_path / "store")}
    done = subprocess.run(
        [CROSSDOCK, *words], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.index
@pytest.mark.emulation
@pytest.mark.slow
def test_numpy_and_lxml_for_arm64_are_imported_there(tmp_path: Path, arm64: ForeignPython) -> None:
    target = ["--for", "linux/arm64", "--python", arm64.minor]
    crossdock(tmp_path, "lock", "numpy", "lxml", *target)
    done = crossdock(tmp_path, "install", ".", *target, "-t", "out")
    assert "binaries fit" in done.stderr
    crossdock(tmp_path, "verify", "out", *target)
    modules = [name for name in names_below(tmp_path / "out") if name.endswith(".so")]
    assert modules
    code = (
        "import numpy, platform; from lxml import etree;"
        "print(platform.machine(), numpy.arange(12).reshape(3, 4).sum(), etree.fromstring('<a><b/></a>')[0].tag)"
    )
    ran = arm64.run("-c", code, path=tmp_path / "out")
    assert (ran.returncode, ran.stdout) == (0, "aarch64 66 b\n"), ran.stderr
    crossdock(tmp_path, "install", ".", *target, "-t", "again", "--offline")
    assert names_below(tmp_path / "again") == names_below(tmp_path / "out")
