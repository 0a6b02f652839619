"""Interpreters for builds: which is taken, and what is said where there is none."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from crossdock.build.environment import host_python
from crossdock.cli.pythons import find_python
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

NEVER = {"UV_PYTHON_DOWNLOADS": "never"}
#: No release has it, so no machine has it by chance.
VERSION = (3, 99)


def program(path: Path, version: tuple[int, int] = VERSION, *, free: int = 0) -> str:
    """A program that answers as an interpreter of a version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = json.dumps([str(path), "/usr", [*version, 0], free])
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return str(path)


def find(tmp_path: Path, *, path: Path | None = None, free_threaded: bool = False, **environ: str) -> str:
    variables = {"HOME": str(tmp_path / "home"), "PATH": str(path or tmp_path / "empty"), **NEVER, **environ}
    return find_python(VERSION, variables, free_threaded=free_threaded)


def test_our_own_comes_first(tmp_path: Path) -> None:
    version = sys.version_info[:2]
    assert find_python(version, {"PATH": "", "HOME": str(tmp_path), **NEVER}) == sys.executable


def test_one_on_the_path_and_not_what_only_has_the_name(tmp_path: Path) -> None:
    program(tmp_path / "shims" / "python3.99")
    program(tmp_path / "wrong" / "python3.99", (3, 12))
    right = program(tmp_path / "right" / "python3.99")
    path = ":".join(str(tmp_path / name) for name in ("shims", "wrong", "right"))
    assert find(tmp_path, PATH=path) == right


def test_pyenvs_own_by_its_root_or_at_home(tmp_path: Path) -> None:
    at_home = program(tmp_path / "home" / ".pyenv" / "versions" / "3.99.1" / "bin" / "python3.99")
    assert find(tmp_path) == at_home
    named = program(tmp_path / "elsewhere" / "versions" / "3.99.1" / "bin" / "python3.99")
    assert find(tmp_path, PYENV_ROOT=str(tmp_path / "elsewhere")) == named


def test_free_threaded_is_another_one(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.99")
    free = program(tmp_path / "bin" / "python3.99t", free=1)
    assert find(tmp_path, path=tmp_path / "bin", free_threaded=True) == free
    assert host_python(free).free_threaded


def test_none_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        find(tmp_path)
    assert caught.value.code == "E-BUILD-PYTHON"
    assert caught.value.places == ("UV_PYTHON_DOWNLOADS=never, so none is downloaded",)
    assert "uv python install 3.99" in (caught.value.hint or "")
    with pytest.raises(BuildError) as caught:
        find_python(VERSION, {"PATH": "", "HOME": str(tmp_path)}, offline=True)
    assert caught.value.places == ("offline, so none is downloaded",)
