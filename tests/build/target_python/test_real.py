"""With Debian's mirror and the compiler: the providers say the same, and the compiler agrees with each of them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.build.target_python.support import (
    LINUX,
    MACOS,
    MUSL,
    WINDOWS,
    has_python,
    online_world,
    other_python,
    shared_cache,
    target,
    world,
)
from tests.ship.image.debian.test_real_suite import machine_archives
from tests.support.mirror import require_whole_mirror

from crossdock.build.target_python import find_target_python
from crossdock.build.target_python.import_library import Exports
from crossdock.build.target_python.pyconfig import read_pyconfig
from crossdock.build.toolchain.zig import zig_program
from crossdock.net.debian.sources import Archive
from crossdock.net.http import Http
from crossdock.target.describe import zig_target

if TYPE_CHECKING:
    from crossdock.build.target_python.pyconfig import Defines

pytestmark = [pytest.mark.index, pytest.mark.slow]

SIZES = Path(__file__).with_name("sizes.c")


def debian(suite: str) -> tuple[Archive, ...]:
    """Return this machine's mirror for any suite."""
    archives = machine_archives()
    return (Archive(mirror=archives[0].mirror, suite=suite, components=("main",)),) if archives else ()


def pyconfig(place: str, python: str, tmp_path: Path, *, mirror: bool) -> tuple[str, Defines]:
    client = Http()
    here = world(tmp_path / str(mirror), python_for=other_python, now=time.time())
    if mirror:
        here = world(
            tmp_path / str(mirror),
            python_for=other_python,
            now=time.time(),
            http=lambda: client,
            archives=debian,
        )
    found = find_target_python(target(place, python), here)
    return found.provider, read_pyconfig((found.include / "pyconfig.h").read_text("utf-8"))


def between(place: str, python: str, tmp_path: Path) -> dict[str, tuple[str | None, str | None]]:
    """Return the names that Debian's headers and those made of the host's have otherwise."""
    provider, theirs = pyconfig(place, python, tmp_path, mirror=True)
    assert provider == "debian"
    other, ours = pyconfig(place, python, tmp_path, mirror=False)
    assert other == "host-headers"
    # Of another patch release one has names that the other does not know.
    names = theirs.keys() & ours.keys()
    return {name: (theirs.get(name), ours.get(name)) for name in names if theirs.get(name) != ours.get(name)}


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_hosts_headers_become_debians(tmp_path: Path, python: str) -> None:
    """Who built this machine's Python had other libraries: what differs so on one CPU may differ on each, no more."""
    if not has_python((3, int(python[2:]))):
        pytest.skip(f"no Python {python} on this machine")
    libraries = between("linux/amd64", python, tmp_path)
    places = [one for one in LINUX if (one, python) != ("linux/riscv64", "3.11")]  # bookworm has no riscv64
    if python == "3.13" and (archives := debian("trixie")):
        for architecture in ("amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x"):
            require_whole_mirror(archives[0].mirror, "trixie", architecture)
    found = {place: between(place, python, tmp_path) for place in places}
    assert found == dict.fromkeys(places, libraries)
    assert "SIZEOF_LONG" not in libraries
    assert len(libraries) < 80


@pytest.mark.parametrize("python", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_the_compiler_has_the_sizes_that_pyconfig_tells(tmp_path: Path, python: str) -> None:
    if not has_python((3, int(python[2:]))):
        pytest.skip(f"no Python {python} on this machine")
    here = online_world(tmp_path, python_for=other_python)
    zig = zig_program(here)
    cache = str(shared_cache() / "zig-cache")
    wrong = {}
    for place in (*LINUX, *MUSL, *MACOS, *WINDOWS):
        value = target(place, python)
        found = find_target_python(value, here)
        done = subprocess.run(
            [
                zig,
                "cc",
                "-target",
                str(zig_target(value)),
                "-w",
                "-c",
                SIZES,
                f"-I{found.include}",
                "-o",
                tmp_path / "o",
            ],
            env={
                "ZIG_GLOBAL_CACHE_DIR": cache,
                "ZIG_LOCAL_CACHE_DIR": cache,
                "HOME": cache,
                "PATH": os.defpath,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            wrong[place] = done.stderr
    assert wrong == {}


def test_exports_are_read_where_a_version_of_windows_has_them(tmp_path: Path) -> None:
    """The names of the limited API that the stable ABI promises since 3.2 (PEP 384) are among those found."""
    from crossdock.build.target_python.host import host_headers
    from crossdock.build.target_python.import_library import exports_of
    from crossdock.build.target_python.windows import windows_pyconfig

    value = target("win_amd64", "3.11")
    headers = {
        **host_headers(other_python((3, 11), False)).headers,
        "pyconfig.h": windows_pyconfig(value).encode(),
    }
    zig = zig_program(online_world(tmp_path))
    limited, full = (exports_of(headers, value, zig, limited=limited) for limited in (True, False))
    assert {
        "PyObject_Call",
        "PyErr_SetFromWindowsErr",
        "_PyArg_ParseTuple_SizeT",
        "PyType_FromSpec",
    } <= limited.functions
    assert {"PyExc_ValueError", "PyLong_Type", "_Py_NoneStruct"} <= limited.data
    assert "PyFrame_New" not in limited.functions
    assert "PyFrame_New" in full.functions
    assert isinstance(full, Exports)
    assert limited.functions - full.functions <= {
        "PyOS_AfterFork",
        "Py_CompileString",
        "PyOS_ReadlineFunctionPointer",
    }
