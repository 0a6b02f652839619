"""Source distributions in C that a test builds for real, and stores that have the compiler already."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.emulation import cache_directory
from tests.support.wheels import make_sdist

if TYPE_CHECKING:
    from collections.abc import Callable

CROSSDOCK = Path(sys.executable).with_name("crossdock")

_CORE = """
/* {token} */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *arg) {{ return PyLong_FromLong(PyLong_AsLong(arg) + 1); }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_O, ""}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""

#: A backend that needs nothing of an index: it calls the compiler as the environment names it.
_BACKEND = """
{claim}
import base64, hashlib, os, pathlib, subprocess, sysconfig, time, zipfile

NAME = {name!r}

def get_requires_for_build_wheel(settings=None):
    return []

def _metadata():
    return f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: 1.0\\n"

def prepare_metadata_for_build_wheel(directory, settings=None):
    info = pathlib.Path(directory, f"{{NAME}}-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(_metadata())
    return info.name

def build_wheel(directory, settings=None, metadata=None):
    if "sleep" in (settings or {{}}):
        print("SLEEPING", flush=True)
        time.sleep(float(settings["sleep"]))
    cc, suffix = os.environ.get("CC"), sysconfig.get_config_var("EXT_SUFFIX")
    if cc:
        subprocess.run([cc, "-O2", "-fPIC", "-shared", "-I", sysconfig.get_path("include"), "core.c", "-o", "core.out"], check=True)
        module = pathlib.Path("core.out").read_bytes()
    else:
        module = pathlib.Path("/bin/true").resolve().read_bytes()
    info, tag = f"{{NAME}}-1.0.dist-info", sysconfig.get_platform().replace("-", "_").replace(".", "_")
    tag = f"cp{{sysconfig.get_config_var('py_version_nodot')}}-none-{{tag}}"
    members = {{
        f"{{NAME}}{{suffix}}": module,
        f"{{info}}/METADATA": _metadata().encode(),
        f"{{info}}/WHEEL": f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {{tag}}\\n".encode(),
    }}
    if {script!r}:
        members[f"{{info}}/entry_points.txt"] = {script!r}.encode()
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{{name}},sha256={{digest}},{{len(data)}}\\n")
    members[f"{{info}}/RECORD"] = "".join([*rows, f"{{info}}/RECORD,,\\n"]).encode()
    filename = f"{{NAME}}-1.0-{{tag}}.whl"
    with zipfile.ZipFile(os.path.join(directory, filename), "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return filename
"""
_IN_TREE = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["backend"]\n'
_SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'


def project(
    name: str,
    *,
    setuptools: bool = False,
    claim: str = "# build_ext",
    core: str | None = None,
    script: str = "",
) -> dict[str, str]:
    """Return the files of a project with one extension module whose `answer(41)` is 42.

    No two are the same, so that none was built before. `claim` is what its backend says of compiling.
    """
    stated = f'[project]\nname = "{name}"\nversion = "1.0"\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n",
        "core.c": _CORE.format(name=name, token=uuid.uuid4()) if core is None else core,
    }
    if setuptools:
        setup = f"from setuptools import Extension, setup\nsetup(ext_modules=[Extension({name!r}, ['core.c'])], py_modules=[])\n"
        return {**files, "pyproject.toml": _SETUPTOOLS + stated, "setup.py": setup}
    backend = _BACKEND.format(name=name, claim=claim, script=script)
    return {**files, "pyproject.toml": _IN_TREE + stated, "backend/backend.py": backend}


def native_project_sdist(directory: Path, name: str, **options: object) -> Path:
    """Write the project's source distribution; keywords as `project` takes them."""
    return make_sdist(directory, name, "1.0", files=project(name, **options))  # type: ignore[arg-type]


def write_project(directory: Path, name: str, **options: object) -> Path:
    """Write the project's files to a new directory; keywords as `project` takes them."""
    for path, text in project(name, **options).items():  # type: ignore[arg-type]
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return directory


@functools.cache
def warm_store(python: str) -> Path:
    """Return a store, kept from run to run, that has all that a build for linux/arm64 takes."""
    store = cache_directory() / "build-store"
    place = cache_directory() / "build-store-work"
    place.mkdir(parents=True, exist_ok=True)
    sdist = native_project_sdist(place, "warm")
    words = ["build", str(sdist), "--for", "linux/arm64", "--python", python, "-o", str(place / "dist")]
    done = subprocess.run(
        [CROSSDOCK, *words], env={**os.environ, "CROSSDOCK_STORE": str(store)}, capture_output=True, text=True,
        check=False, timeout=1200, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return store


def fresh_store(python: str, place: Path) -> Path:
    """Return a store of its own with the compiler in it, and nothing that was built: hard links of the warm one."""
    warm = warm_store(python)
    place.mkdir(parents=True)
    for folder in ("blobs", "facts", "trees"):
        subprocess.run(["cp", "-al", str(warm / folder), str(place / folder)], check=True)
    for kind in ("cross-built", "cross-parts"):
        subprocess.run(["rm", "-rf", str(place / "facts" / kind)], check=True)
    return place


def variables(store: Path) -> dict[str, str]:
    """Return the environment of a run with this machine's index settings and a store."""
    return {**os.environ, "CROSSDOCK_STORE": str(store)}


def wait_for(what: str, found: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until `found` says so, and fail when it takes too long."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)
