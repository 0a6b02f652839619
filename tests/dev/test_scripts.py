"""The scripts in dev/ and what the tests stand on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support import emulation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["bazel", "demo", "foreign-python", "setup", "test"])
def test_scripts_are_posix_sh_and_executable(name: str) -> None:
    script = ROOT / "dev" / name
    assert script.read_text().startswith("#!/bin/sh\n")
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", script], check=True)


def test_foreign_python_says_how_it_is_used() -> None:
    done = subprocess.run(["sh", ROOT / "dev" / "foreign-python"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "dev/foreign-python ARCH DIR" in done.stderr


def test_foreign_python_leaves_an_existing_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    done = subprocess.run(
        ["sh", ROOT / "dev" / "foreign-python", "arm64", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_foreign_python_leaves_nothing_when_it_cannot_be_had(tmp_path: Path) -> None:
    wanted = tmp_path / "root"
    done = subprocess.run(
        ["sh", ROOT / "dev" / "foreign-python", "arm64", wanted],
        env={"PATH": "/usr/bin:/bin", "CROSSDOCK_DEBIAN_MIRROR": f"file://{tmp_path}/no-archive"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "CROSSDOCK_DEBIAN_MIRROR" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bazel_says_how_it_is_used() -> None:
    done = subprocess.run(["sh", ROOT / "dev" / "bazel"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "dev/bazel DIRECTORY" in done.stderr


def test_bazel_leaves_an_existing_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    done = subprocess.run(["sh", ROOT / "dev" / "bazel", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_bazel_leaves_nothing_when_it_cannot_be_had_and_says_what_is_left_out(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", ROOT / "dev" / "bazel", tmp_path / "root"],
        env={"PATH": "/usr/bin:/bin", "CROSSDOCK_DEBIAN_MIRROR": f"file://{tmp_path}/no-archive"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "tests that build generated workspaces with Bazel will be left out" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.emulation
def test_the_emulated_python_is_a_whole_one(arm64: emulation.ForeignPython) -> None:
    done = arm64.run(
        "-c", "import ctypes, platform, sqlite3, ssl, sys; print(platform.machine(), *sys.version_info[:2])"
    )
    assert done.stdout.split() == ["aarch64", *map(str, arm64.version)], done.stderr


@pytest.mark.emulation
def test_the_emulated_python_sees_only_the_tree_it_is_given(
    arm64: emulation.ForeignPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    (tmp_path / "shipped.py").write_text("place = 'tree'\n")
    seen = arm64.run("-c", "import shipped; print(shipped.place)", path=tmp_path)
    assert seen.stdout == "tree\n", seen.stderr
    assert arm64.run("-c", "import crossdock", path=tmp_path).returncode == 1


def test_an_unknown_emulator_is_a_reason_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    emulation._attempt.cache_clear()
    try:
        assert emulation.foreign_python("s390x") is None
        with pytest.raises(pytest.skip.Exception, match="qemu-s390x-static is not installed"):
            emulation.require_foreign_python("s390x")
    finally:
        emulation._attempt.cache_clear()
