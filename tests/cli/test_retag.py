"""`crossdock retag` as people run it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf, extension
from tests.build.retag.made import ARM, needs
from tests.cli.world import names_below
from tests.support.wheels import make_wheel

if TYPE_CHECKING:
    from tests.cli.world import World

TAG = "cp311-cp311-linux_aarch64"
WHEEL = f"demo-1.0-{TAG}.whl"
TRUE = "demo-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"
FILES = {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.17"))}


def test_a_wheel_with_its_true_name_lies_in_dist(bare: World) -> None:
    make_wheel(bare.work, tag=TAG, files=FILES)
    done = bare.run("retag", WHEEL)
    assert done.stdout == f"dist/{TRUE}\n"
    assert f"{WHEEL}: {TRUE}\n  demo/m{ARM} needs GLIBC_2.17 (since_17) of libc.so.6\n" in done.stderr
    assert names_below(bare.work / "dist") == [TRUE]
    first = (bare.work / "dist" / TRUE).read_bytes()
    assert bare.run("retag", WHEEL, "-q").stderr == ""
    assert (bare.work / "dist" / TRUE).read_bytes() == first
    again = bare.run("retag", f"dist/{TRUE}", "-o", "more")
    assert "its tags are true" in again.stderr
    assert (bare.work / "more" / TRUE).read_bytes() == first


def test_dry_run_writes_nothing(bare: World) -> None:
    make_wheel(bare.work, tag=TAG, files=FILES)
    assert bare.run("retag", WHEEL, "-n").stdout == f"dist/{TRUE}\n"
    assert names_below(bare.work) == [WHEEL]


def test_json(bare: World) -> None:
    make_wheel(bare.work, tag=TAG, files=FILES)
    (row,) = json.loads(bare.run("retag", WHEEL, "--json").stdout)["retagged"]
    assert row["changed"] is True
    assert row["path"] == f"dist/{TRUE}"
    assert row["tags"] == ["cp311-cp311-manylinux_2_17_aarch64"]
    assert row["bytes"] == (bare.work / "dist" / TRUE).stat().st_size


def test_what_is_not_true_is_refused(bare: World) -> None:
    files = {f"demo/m{ARM}": extension(versions=needs("GLIBC_2.17", "GLIBC_2.34"))}
    make_wheel(bare.work, tag=TAG, files=files)
    done = bare.run("retag", WHEEL, "--to", "manylinux2014_aarch64", status=1)
    assert done.stderr == (
        f"error: `{WHEEL}` cannot truly be tagged `manylinux2014_aarch64`\n"
        f"  demo/m{ARM} needs GLIBC_2.34 (since_34) of libc.so.6; glibc 2.17 has it not\n"
        "hint: `manylinux_2_34_aarch64` is true: leave `--to` out\n"
        "[E-RETAG-UNTRUE]\n"
    )
    assert not (bare.work / "dist").exists()


def test_one_that_fails_keeps_no_other_from_being_written(bare: World) -> None:
    make_wheel(bare.work, tag=TAG, files=FILES)
    make_wheel(bare.work, "lacks", tag=TAG, files={f"lacks/m{ARM}": extension(needed=("libpq.so.5",))})
    make_wheel(bare.work, "other", tag=TAG, files={f"other/m{ARM}": extension(needed=("libpq.so.5",))})
    names = [WHEEL, WHEEL.replace("demo", "lacks"), WHEEL.replace("demo", "other")]
    done = bare.run("retag", *names, status=1)
    assert names_below(bare.work / "dist") == [TRUE]
    assert "[E-RETAG-LIBRARY]" in done.stderr
    assert "warning: failed too: `other-1.0" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["none-1.0-py3-none-any.whl"], "E-RETAG-FILE"),
        ([WHEEL, "--to", "manylinux"], "E-RETAG-TAG"),
        ([WHEEL, "--sysroot", ".", "--library", "libpq5"], "E-RETAG-WHICH"),
    ],
)
def test_wrong_usage(bare: World, words: list[str], code: str) -> None:
    make_wheel(bare.work, tag=TAG, files=FILES)
    assert f"[{code}]" in bare.run("retag", *words, status=2).stderr


def test_the_wheel_itself_is_never_written_over(bare: World) -> None:
    """Renamed by hand: the name is true, and WHEEL in it is not."""
    make_wheel(bare.work, tag=TAG, files=FILES).rename(bare.work / TRUE)
    before = (bare.work / TRUE).read_bytes()
    done = bare.run("retag", TRUE, "-o", ".", status=1)
    assert "is the wheel itself" in done.stderr
    assert (bare.work / TRUE).read_bytes() == before
    bare.run("retag", TRUE)
    (bare.work / "dist" / TRUE).write_bytes(b"something else")
    assert "[E-SHIP-FOREIGN]" in bare.run("retag", TRUE, status=1).stderr


def test_libraries_of_a_directory(bare: World) -> None:
    place = bare.work / "root" / "usr" / "lib"
    place.mkdir(parents=True)
    (place / "libfoo.so.1").write_bytes(elf(soname="libfoo.so.1", versions=needs("GLIBC_2.25")))
    make_wheel(bare.work, tag=TAG, files={f"demo/m{ARM}": extension(needed=("libfoo.so.1",))})
    done = bare.run("retag", WHEEL, "--sysroot", "root")
    assert done.stdout == f"dist/{TRUE.replace('2_17', '2_25')}\n"
    assert "libfoo.so.1 taken in as demo.libs/libfoo-" in done.stderr
    assert "add its licence yourself [E-BUILD-LICENCE]" in done.stderr


_SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "m", 0, -1, methods};
PyMODINIT_FUNC PyInit_m(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: it loads what was built for it")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed (dev/setup installs it)")
def test_pip_installs_what_this_machine_built(bare: World) -> None:
    """As `pip wheel` leaves it: `linux_<cpu>`, for whatever glibc this machine has."""
    (bare.work / "m.c").write_text(_SOURCE)
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["gcc", "-shared", "-fPIC", include, "m.c", "-o", "m.so"], cwd=bare.work, check=True)
    python = f"cp3{sys.version_info.minor}"
    tag = f"{python}-{python}-linux_{platform.machine()}"
    make_wheel(bare.work, tag=tag, files={f"demo/m{suffix}": (bare.work / "m.so").read_bytes()})
    path = bare.run("retag", f"demo-1.0-{tag}.whl").stdout.strip()
    assert f"-{python}-{python}-manylinux_2_" in path
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", "out", path]
    subprocess.run(pip, cwd=bare.work, env=bare.variables(), check=True)
    code = "import demo.m; print(demo.m.answer())"
    out = bare.work / "out"
    ran = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=True)
    assert ran.stdout == "42\n"
    with zipfile.ZipFile(bare.work / path) as archive:
        assert archive.testzip() is None
