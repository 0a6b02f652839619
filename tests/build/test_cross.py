"""Source distributions that are compiled for arm64 for real: what comes out, what it says of itself, and what fails."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.crossbuild import warm_store

from crossdock.build.cross import CrossBuild, Source, build_cross
from crossdock.build.model import PackageSettings
from crossdock.build.sandbox import sandbox_kind
from crossdock.build.toolchain.zig import c_symbols
from crossdock.cli.building import world_of
from crossdock.cli.session import Session
from crossdock.errors import BuildError
from crossdock.inspect.elf import read_elf
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from crossdock.build.canonical import BuiltWheel
    from crossdock.build.model import World

SHORT = f"3.{sys.version_info[1]}"
CP = f"cp3{sys.version_info[1]}"
#: No name of a machine in what is built may be this one's.
TARGET, MACHINE = ("linux-aarch64-glibc2.17", "aarch64")

pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() == MACHINE, reason="this machine is of the target's kind"),
]

_MODULE = """
#include <Python.h>
#include <assert.h>
{more}
static PyObject *where(PyObject *self, PyObject *none) {{ {body} }}
static PyMethodDef methods[] = {{{{"where", where, METH_NOARGS, ""}}, {{0, 0, 0, 0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, methods, 0, 0, 0, 0}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""
_PYPROJECT = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'

#: Everything that a setup.py may ask of the platform decides something here; for this machine it would fail.
_SETUP = """
import os, platform, struct, sys, sysconfig
from setuptools import Extension, setup

machine = platform.machine()
setup(
    name={name!r},
    version="1.0",
    ext_modules=[Extension({name!r}, [{file!r}], define_macros=[("MACHINE", '"%s"' % machine)]{more})],
    py_modules=[],
    setup_requires=["packaging==25.0"] if machine == "aarch64" else ["no-such-thing-as-this"],
    install_requires=[
        "on-" + machine,
        "on-" + sys.platform,
        "on-" + os.uname().machine,
        "bits%d" % (8 * struct.calcsize("P")),
        "tag-" + sysconfig.get_platform(),
    ],
)
"""


def project(name: str, *, file: str, body: str, more: str = "", options: str = "") -> dict[str, str]:
    return {
        "pyproject.toml": _PYPROJECT,
        "setup.py": _SETUP.format(name=name, file=file, more=options),
        file: _MODULE.format(name=name, body=body, more=more),
    }


C = project(
    "incee", file="incee.c", body='assert(self != 0); return PyUnicode_FromString(MACHINE " " __FILE__);'
)
CXX = project(
    "incpp",
    file="incpp.cc",
    more="#include <map>\n#include <stdexcept>\n#include <string>",
    body="std::map<std::string, int> found; found[MACHINE] = 1;\n"
    'try { found.at("none"); } catch (const std::out_of_range &) { return PyLong_FromLong(1); } return 0;',
)


def make(files: dict[str, str], place: Path) -> Path:
    where = place / "project-1.0"
    for name, text in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    return where


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    if sandbox_kind() not in ("bubblewrap", "namespaces"):
        pytest.skip("no sandbox with places of its own: builds lie elsewhere, and their bytes may differ")
    monkeypatch.setenv("CROSSDOCK_STORE", str(warm_store(SHORT)))
    monkeypatch.chdir(tmp_path)
    return world_of(Session({"quiet": True}))


def build(world: World, place: Path, files: dict[str, str], name: str) -> BuiltWheel:
    source = Source(
        what=f"{name}-1.0.tar.gz",
        name=name,
        version="1.0",
        digest="sha256:0123",
        unpack=lambda where: make(files, where),
        evidence=("ext_modules in setup.py",),
    )
    target = parse_target(f"{CP}-{TARGET}")
    place.mkdir(exist_ok=True)
    job = CrossBuild(
        source=source, target=target, settings=PackageSettings(), world=world, log=place / "build.log"
    )
    return build_cross(job).wheel


def members(wheel: BuiltWheel) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_this_machine(world: World, place: Path) -> list[str]:
    """Return what tells of this machine wherever it stands."""
    words = [
        str(place),
        str(world.store.root),
        sys.prefix,
        sys.base_prefix,
        platform.node(),
        platform.release(),
    ]
    words += [str(Path.home()) + "/", "/build/", "/toolchain", "/zig/", f"{platform.machine()}-linux"]
    return [word for word in words if len(word) > 4]


def test_c_is_built_the_same_wherever_and_by_whomever(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(world, tmp_path / "first", C, "incee")
    assert first.filename == f"incee-1.0-{CP}-{CP}-manylinux_2_17_aarch64.whl"
    found = members(first)
    module = f"incee.cpython-3{sys.version_info[1]}-aarch64-linux-gnu.so"
    assert module in found
    assert b"aarch64 incee.c" in found[module]
    assert [(name, word) for name, text in found.items() for word in of_this_machine(world, tmp_path)
            if word.encode() in text] == []  # fmt: skip
    assert not [name for name in found if name.endswith(".pyc")]

    # Metadata computed from the platform is the target's.
    metadata = found["incee-1.0.dist-info/METADATA"].decode()
    required = {line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert required == {"on-aarch64", "on-linux", "bits64", "tag-linux-aarch64"}

    # What decided its bytes, and nothing of who built it.
    told = json.loads(found["incee-1.0.dist-info/crossdock-build.json"])
    assert told["source"] == {"name": "incee", "version": "1.0", "digest": "sha256:0123"}
    assert told["target"]["arch"] == "aarch64"
    assert told["compiler"]["target"] == "aarch64-linux-gnu.2.17"
    assert {"zig", "programs"} <= set(told["compiler"])
    assert {"provider", "detail", "digest"} == set(told["target-python"])
    assert told["sysroot"] is None
    assert "packaging==25.0" in told["build-requires"]
    assert [one for one in told["build-requires"] if one.startswith("setuptools==")]
    assert told["settings"] == PackageSettings().key()

    # Another place, hour, person and language.
    other = tmp_path / "elsewhere" / "much deeper"
    other.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(other))
    for name, value in {"TMPDIR": str(other), "TZ": "Pacific/Kiritimati", "HOME": str(other), "LC_ALL": "C", "LANG": "tr_TR.UTF-8",
                        "USER": "somebody", "CFLAGS": "-DMACHINE=1", "SOURCE_DATE_EPOCH": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    time.tzset()
    before = os.umask(0o077)
    try:
        second = build(world, tmp_path / "second", C, "incee")
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert members(second) == found
    assert (second.filename, second.sha256) == (first.filename, first.sha256)


def test_cxx_is_built_with_its_own_library_in_it(world: World, tmp_path: Path) -> None:
    """libc++ is linked in: a target need not have it."""
    wheel = build(world, tmp_path / "place", CXX, "incpp")
    assert f"-{CP}-manylinux_2_17_aarch64" in wheel.filename
    found = members(wheel)
    (module,) = [name for name in found if name.endswith(".so")]
    assert module == f"incpp.cpython-3{sys.version_info[1]}-aarch64-linux-gnu.so"
    (elf,) = read_elf(found[module], module).images
    assert "aarch64" in str(elf.machine).lower()
    assert not [name for name in elf.needed if "c++" in name or "gcc" in name]
    for word in of_this_machine(world, tmp_path):
        assert word.encode() not in found[module]


RUNS = {
    **C,
    "setup.py": """
import os, subprocess
open("probe.c", "w").write("int main(void) { return 0; }")
subprocess.run([os.environ["CC"], "probe.c", "-o", "probe"], check=True)
subprocess.run(["./probe"], check=True)
""",
}
FALLS_BACK = {
    **C,
    "incee.c": "#error this is not for here\n",
    "incee_slow.py": "",
    "setup.py": """
from setuptools import Extension, setup
setup(name="incee", version="1.0", py_modules=["incee_slow"], ext_modules=[Extension("incee", ["incee.c"], optional=True)])
""",
}


def test_what_runs_the_targets_programs_fails_with_the_cause(world: World, tmp_path: Path) -> None:
    if Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        pytest.skip("this machine runs programs of the target by itself")
    with pytest.raises(BuildError) as caught:
        build(world, tmp_path / "place", RUNS, "incee")
    error = caught.value
    assert error.code == "E-BUILD-BACKEND"
    assert "ran a program that it had compiled for the target" in (error.hint or "")
    assert "nothing of this machine was taken in its place" in (error.hint or "")
    assert error.places[-1] == f"the whole output: {tmp_path / 'place' / 'build.log'}"
    assert "Exec format error" in "\n".join(error.places)


def test_a_silent_fall_back_to_pure_python_is_told(world: World, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        build(world, tmp_path / "place", FALLS_BACK, "incee")
    assert caught.value.code == "E-BUILD-FELL-BACK"
    assert "nothing of this machine was taken in its place" in (caught.value.hint or "")
    assert "this is not for here" in (tmp_path / "place" / "build.log").read_text()


def test_an_optional_module_that_does_not_compile_is_told(world: World, tmp_path: Path) -> None:
    files = project("partly", file="partly.c", body="Py_RETURN_NONE;")
    files["setup.py"] = (
        "from setuptools import Extension, setup\n"
        "setup(name='partly', version='1.0', py_modules=[], ext_modules=[Extension('partly', ['partly.c']),"
        " Extension('_opt', ['opt.c'], optional=True)])\n"
    )
    files["opt.c"] = '#error "not here"\n'
    heard: list[str] = []
    build(replace(world, warn=heard.append), tmp_path / "place", files, "partly")
    assert any("`_opt`" in one and "E-BUILD-LEFT-OUT" in one for one in heard)


def test_the_compiler_s_lists_of_symbols_are_read(world: World) -> None:
    glibc = c_symbols(world, "aarch64-linux-gnu.2.17")
    assert (glibc["memcpy"], glibc["gettid"], glibc["pthread_cond_clockwait"]) == ((2, 17), (2, 30), (2, 30))
    assert "backtrace" in glibc
    musl = c_symbols(world, "aarch64-linux-musl")
    assert {"memcpy", "malloc", "environ", "dlopen"} <= musl.keys()
    assert "backtrace" not in musl
    assert c_symbols(world, "aarch64-macos.11.0") == {}


_ASKS = """
import platform, sys
from setuptools import setup
open("asks.py", "w").write("MACHINE = %r" % platform.machine())
setup(name="asks", version="1.0", py_modules=["asks"], install_requires=["on-" + platform.machine()])
"""


def test_a_pure_package_that_asks_for_the_machine_is_told_the_target_s(world: World, tmp_path: Path) -> None:
    place = tmp_path / "asks"
    place.mkdir()
    source = Source(
        what="asks-1.0.tar.gz", name="asks", version="1.0", digest="sha256:0123",
        unpack=lambda where: make({"pyproject.toml": _PYPROJECT, "setup.py": _ASKS}, where),
    )  # fmt: skip
    job = CrossBuild(
        source=source,
        target=parse_target(f"{CP}-{TARGET}"),
        settings=PackageSettings(pure=True),
        world=world,
        log=place / "build.log",
    )
    wheel = build_cross(job).wheel
    assert wheel.filename == "asks-1.0-py3-none-any.whl"
    found = members(wheel)
    assert found["asks.py"] == f"MACHINE = {MACHINE!r}".encode()
    assert f"Requires-Dist: on-{MACHINE}".encode() in found["asks-1.0.dist-info/METADATA"]
