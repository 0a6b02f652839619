"""The module path of a function, as AWS's own start makes it, with a client that only tells what it sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

START = Path(__file__).parents[2] / "src" / "crossdock" / "trial" / "start.py"
CLIENT = """
import json, sys
def main(arguments):
    import common
    print(json.dumps({"path": sys.path, "arguments": arguments, "common": common.__file__, "exit": str(exit),
        "modules": sorted(sys.modules), "hooked": getattr(sys, "hooked", [])}))
"""
VERSIONED = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write(tmp_path / "client" / "awslambdaric" / "__init__.py")
    write(tmp_path / "client" / "awslambdaric" / "__main__.py", CLIENT)
    write(tmp_path / "client" / "common.py")
    (tmp_path / "task").mkdir()
    return tmp_path


def started(world: Path, *layers: str, handler: str = "app.f", **variables: str) -> dict[str, Any]:
    joined = os.pathsep.join(str(world / layer) for layer in layers)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(START), joined, str(world / "client"), handler],
        env={"LAMBDA_TASK_ROOT": str(world / "task"), **variables},
        cwd=world,
        capture_output=True,
        check=True,
    )
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_the_order_is_function_layers_client_standard_library(world: Path) -> None:
    told = started(world, "late", "early")
    first = [str(world / name) for name in ("task", f"late/python/{VERSIONED}", "late/python")]
    first += [str(world / name) for name in (f"early/python/{VERSIONED}", "early/python", "client")]
    assert told["path"][: len(first)] == first
    assert told["arguments"] == ["awslambdaric", "app.f"]


def test_the_function_comes_before_its_layers_and_they_before_the_client(world: Path) -> None:
    assert started(world, "layer")["common"] == str(world / "client" / "common.py")
    write(world / "layer" / "python" / "common.py")
    assert started(world, "layer")["common"] == str(world / "layer" / "python" / "common.py")
    write(world / "layer" / "python" / VERSIONED / "common.py")
    assert started(world, "layer")["common"] == str(world / "layer" / "python" / VERSIONED / "common.py")
    write(world / "task" / "common.py")
    assert started(world, "layer")["common"] == str(world / "task" / "common.py")


def test_pth_files_are_processed_in_the_function_and_its_layers(world: Path) -> None:
    hook = "import sys; sys.hooked = [*getattr(sys, 'hooked', []), '{}']\n"
    for place in ("task", "layer/python", f"layer/python/{VERSIONED}", "client"):
        write(world / place / "hook.pth", hook.format(place))
    assert started(world, "layer")["hooked"] == ["task", f"layer/python/{VERSIONED}", "layer/python"]


def test_nothing_of_the_machines_python_but_its_standard_library_is_there(world: Path) -> None:
    write(world / "other" / "common.py", "raise SystemExit('PYTHONPATH was followed')")
    write(world / "common.py", "raise SystemExit('the working directory was followed')")
    told = started(world, PYTHONPATH=str(world / "other"), PYTHONSTARTUP="x")
    assert not [place for place in told["path"] if "-packages" in place]
    assert "exit" in told["exit"]
    assert not (world / "task" / "__pycache__").exists()
