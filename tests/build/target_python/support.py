"""A world for the tests of a target's Python: this interpreter is the host's, and nothing is reached by default."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import uv

from crossdock.build.backend import BuildTools
from crossdock.build.model import World
from crossdock.build.toolchain.zig import zig_program
from crossdock.errors import BuildError, FetchError
from crossdock.store import Store
from crossdock.target.names import parse_target
from crossdock.target.pythons import parse_python

if TYPE_CHECKING:
    from crossdock.target.model import Target

#: 2026-11-22 12:00 UTC.
NOW = 1_795_348_800.0
HERE = f"3.{sys.version_info[1]}"

LINUX = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
)
MUSL = tuple(
    f"musllinux_1_2_{arch}" for arch in ("x86_64", "aarch64", "armv7l", "i686", "ppc64le", "s390x", "riscv64")
)
MACOS = ("macosx_11_0_arm64", "macosx_10_13_x86_64")
WINDOWS = ("win_amd64", "win_arm64")


def target(place: str, python: str = HERE) -> Target:
    return parse_target(place, default_python=parse_python(python))


def offline() -> NoReturn:
    raise FetchError("offline", code="E-FETCH-OFFLINE")


def host_python(version: tuple[int, int], free_threaded: bool) -> str:
    if free_threaded or version != sys.version_info[:2]:
        raise BuildError(f"no Python {version}", code="E-BUILD-PYTHON")
    return sys.executable


def world(tmp_path: Path, **changes: Any) -> World:
    made = World(
        store=Store.open(tmp_path / "store", warn=pytest.fail),
        tools=BuildTools(
            uv=uv.find_uv_bin(),
            uv_arguments=(),
            uv_environ={
                "UV_PYTHON_DOWNLOADS": "never",
                "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
                "PATH": os.defpath,
                "HOME": str(tmp_path),
            },
        ),
        http=offline,
        index=offline,
        python_for=host_python,
        archives=lambda _suite: (),
        now=NOW,
        warn=pytest.fail,
    )
    return replace(made, **changes)


def needs_headers() -> None:
    """Skip where the Python that runs the tests came without headers."""
    asked = subprocess.run(
        [sys.executable, "-Ic", "import sysconfig; print(sysconfig.get_path('include'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    if not (Path(asked.stdout.strip()) / "Python.h").is_file():
        pytest.skip(f"no headers of Python {HERE} on this machine")


def other_python(version: tuple[int, int], free_threaded: bool) -> str:
    """Return an interpreter of this machine with headers, of any minor version, for tests that want several."""
    name = f"python{version[0]}.{version[1]}{'t' if free_threaded else ''}"
    found = [sys.executable] if version == sys.version_info[:2] else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found += [str(one) for one in pyenv.glob(f"versions/{version[0]}.{version[1]}.*/bin/python")]
    found += [one] if (one := shutil.which(name)) else []
    for python in found:
        asked = subprocess.run(
            [
                python,
                "-Ic",
                "import os, sysconfig; print(os.path.isfile(sysconfig.get_path('include') + '/Python.h'))",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip() == "True":
            return python
    raise BuildError(f"no {name}", code="E-BUILD-PYTHON")


def has_python(version: tuple[int, int]) -> bool:
    """Tell whether this machine has an interpreter of a minor version, with its headers."""
    try:
        return bool(other_python(version, False))
    except BuildError:
        return False


def online_world(tmp_path: Path, **changes: Any) -> World:
    """Return a world with the package index that this machine is set up for; the compiler is fetched once for all."""
    here = world(tmp_path)
    here = replace(here, tools=replace(here.tools, uv_environ={**os.environ, "UV_PYTHON_DOWNLOADS": "never"}))
    shared = Store.open(shared_cache() / "store", warn=pytest.fail)
    zig_program(replace(here, store=shared))
    (here.store.root / "trees").mkdir(exist_ok=True)
    (here.store.root / "trees" / "zig").symlink_to(shared.root / "trees" / "zig")
    return replace(here, **changes)


def shared_cache() -> Path:
    """Return the directory where tests keep what takes minutes to make."""
    return Path(os.environ.get("CROSSDOCK_TEST_CACHE") or Path.home() / ".cache" / "crossdock-tests")
