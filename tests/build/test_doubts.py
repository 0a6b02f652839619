"""What makes a wheel doubtful: modules that a build gave up, requirements that follow this machine's `os.name`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossdock.build.doubts import asks_os_name, modules_given_up
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from pathlib import Path

WINDOWS = parse_target("cp311-win_amd64")
_IF = "import os\nneeds = []\nif os.name == 'nt':\n    install_requires = ['colorama']\n"


def test_modules_that_a_build_gave_up_are_named() -> None:
    log = (
        'x.c:1:10: fatal error\nWARNING: building extension "pkg._opt" failed: command failed\n'
        'building extension "pkg._opt" failed: again\nBuild optional Rust extension pkg._rs failed.\n'
        "building 'pkg._good' extension\n"
    )
    assert modules_given_up(log) == ("pkg._opt", "pkg._rs")


@pytest.mark.parametrize(
    "script",
    [
        _IF,
        "import os\nWIN = os.name == 'nt'\nsetup(install_requires=['x'] + (['y'] if WIN else []))\n",
        "import os\nrequires = ['a'] if os.name == 'nt' else []\n",
        "import os\nsetup(**{'extras_require': {'a': [os.name]}})\n",
    ],
)
def test_requirements_that_follow_os_name_are_doubtful_for_windows(tmp_path: Path, script: str) -> None:
    (tmp_path / "setup.py").write_text(script)
    assert asks_os_name(tmp_path, WINDOWS)
    assert not asks_os_name(tmp_path, parse_target("cp311-manylinux_2_28_aarch64"))


@pytest.mark.parametrize(
    "script",
    [
        "import os\nif os.name == 'nt':\n    libraries = ['ws2_32']\nsetup(install_requires=['x'])\n",
        "import os\nsetup(setup_requires=['x'] if os.name == 'nt' else [])\n",
        "if os.name == 'nt'  # no Python\n",
    ],
)
def test_what_os_name_decides_else_is_none(tmp_path: Path, script: str) -> None:
    (tmp_path / "setup.py").write_text(script)
    assert not asks_os_name(tmp_path, WINDOWS)


def test_requirements_stated_in_pyproject_are_not_setup_py_s(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(_IF)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    assert not asks_os_name(tmp_path, WINDOWS)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndynamic = ["dependencies"]\n')
    assert asks_os_name(tmp_path, WINDOWS)
