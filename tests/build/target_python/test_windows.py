"""Windows: what a DLL exports is read from declarations, and becomes a library that a linker takes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.target_python.support import (
    HERE,
    WINDOWS,
    needs_headers,
    online_world,
    shared_cache,
    target,
    world,
)

from crossdock.build.target_python import find_target_python
from crossdock.build.target_python.import_library import (
    Exports,
    definitions,
    make_import_library,
    read_declarations,
)
from crossdock.build.target_python.pyconfig import read_pyconfig
from crossdock.build.target_python.windows import windows_pyconfig
from crossdock.build.toolchain.zig import zig_program
from crossdock.errors import BuildError
from crossdock.inspect.pe import is_python_dll, read_pe
from crossdock.target.describe import zig_target

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target

FUNCTION, DATA, DECLARES = "__crossdock_function__", "__crossdock_data__", "__crossdock_declares__"


@pytest.mark.parametrize(
    ("text", "functions", "data"),
    [
        (
            f"{FUNCTION} PyObject * {DECLARES} PyObject_Call(PyObject *a, PyObject *b);",
            {"PyObject_Call"},
            set(),
        ),
        (f"{FUNCTION} void {DECLARES} Py_Initialize ( void ) ;", {"Py_Initialize"}, set()),
        (f"{FUNCTION} int {DECLARES} f(int (*callback)(void *), void *arg);", {"f"}, set()),
        (f"{FUNCTION} void (*{DECLARES} PyOS_setsig(int, void (*)(int)))(int);", {"PyOS_setsig"}, set()),
        (f"{FUNCTION} void {DECLARES} __attribute__ ((__noreturn__)) Py_Exit(int);", {"Py_Exit"}, set()),
        (
            f"{FUNCTION} int {DECLARES} __attribute__((__format__(__printf__, 2, 3))) g(PyObject *, ...);",
            {"g"},
            set(),
        ),
        (f"{DATA} PyObject * {DECLARES} PyExc_ValueError;", set(), {"PyExc_ValueError"}),
        (f"{DATA} const unsigned int {DECLARES} _Py_ctype_table[256];", set(), {"_Py_ctype_table"}),
        (f"{DATA} int {DECLARES} (*PyOS_InputHook)(void);", set(), {"PyOS_InputHook"}),
        (f"{DATA} const char * const {DECLARES} a; {DATA} int {DECLARES} b;", set(), {"a", "b"}),
        (f'# 1 "x.h"\n{FUNCTION} int\n# 2 "y.h"\n{DECLARES} h(void);', {"h"}, set()),
        ("int not_exported(void);", set(), set()),
        (f"{FUNCTION} int", set(), set()),
    ],
)
def test_declarations(text: str, functions: set[str], data: set[str]) -> None:
    assert read_declarations(text) == Exports(frozenset(functions), frozenset(data))


@given(
    st.text()
    | st.lists(st.sampled_from([FUNCTION, DATA, DECLARES, "(", ")", ";", "x", "*", "[", "]"])).map(" ".join)
)
def test_any_text_has_some_declarations(text: str) -> None:
    found = read_declarations(text)
    assert all(name.isidentifier() for name in found.functions | found.data)


def test_a_definition_file() -> None:
    assert definitions(Exports(frozenset({"b", "c"}), frozenset({"a"})), "python311.dll") == (
        "LIBRARY python311.dll\nEXPORTS\na DATA\nb\nc\n"
    )


@pytest.mark.parametrize(
    ("place", "python", "expected"),
    [
        ("win_amd64", "3.11", {"SIZEOF_VOID_P": "8", "MS_WIN64": "", "PYD_PLATFORM_TAG": '"win_amd64"'}),
        (
            "win_arm64",
            "3.13t",
            {"PYD_PLATFORM_TAG": '"win_arm64"', "Py_GIL_DISABLED": "1", "WITH_MIMALLOC": "1"},
        ),
        ("win32", "3.9", {"SIZEOF_VOID_P": "4", "PYD_PLATFORM_TAG": '"win32"'}),
    ],
)
def test_the_pyconfig_of_windows(place: str, python: str, expected: dict[str, str]) -> None:
    names = read_pyconfig(windows_pyconfig(target(place, python)))
    assert {name: names[name] for name in expected} == expected
    assert (names["SIZEOF_LONG"], names["SIZEOF_WCHAR_T"], names["MS_WINDOWS"]) == ("4", "2", "")
    assert "HAVE_UNISTD_H" not in names
    assert ("MS_WIN64" in names) == (place != "win32")


def test_a_given_python_of_windows(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    (folder / "include").mkdir(parents=True)
    (folder / "libs").mkdir()
    (folder / "libs" / "python311.lib").write_bytes(b"!<arch>\n")
    (folder / "libs" / "other.lib").write_bytes(b"")
    for name, text in (
        ("Python.h", ""),
        ("pyconfig.h", "#define MS_WINDOWS\n"),
        ("patchlevel.h", "#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION 11\n"),
    ):
        (folder / "include" / name).write_text(text)
    found = find_target_python(target("win_amd64", "3.11"), world(tmp_path, target_python=folder))
    assert [path.name for path in (found.directory / "libs").iterdir()] == ["python311.lib"]
    assert found.include.name == "python3.11"
    with pytest.raises(BuildError, match=r"has no `include/Python\.h`"):
        find_target_python(target("win_amd64", "3.11"), world(tmp_path, target_python=tmp_path))


# With the compiler

MODULE = """
#include <Python.h>
static PyObject *next(PyObject *self, PyObject *args) {
    long n;
    if (!PyArg_ParseTuple(args, "l", &n)) { PyErr_SetString(PyExc_ValueError, "x"); return NULL; }
    return PyLong_FromLong(n + 1);
}
static PyMethodDef methods[] = {{"next", next, METH_VARARGS, 0}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "mod", 0, -1, methods};
PyMODINIT_FUNC PyInit_mod(void) { return PyModule_Create(&definition); }
"""


def linked(zig: Path, value: Target, work: Path, *arguments: str) -> bytes:
    (work / "mod.c").write_text(MODULE)
    # Shared: making the C runtime of Windows takes a minute, and it is zig's own.
    cache = str(shared_cache() / "zig-cache")
    subprocess.run(
        [
            zig,
            "cc",
            "-target",
            str(zig_target(value)),
            "-O1",
            "-shared",
            "mod.c",
            *arguments,
            "-o",
            "mod.pyd",
        ],
        cwd=work,
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, "HOME": cache, "PATH": os.defpath},
        check=True,
        capture_output=True,
        text=True,
    )
    return (work / "mod.pyd").read_bytes()


@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("place", WINDOWS)
def test_a_module_is_linked_against_the_import_libraries(tmp_path: Path, place: str) -> None:
    needs_headers()
    here = online_world(tmp_path)
    value = target(place)
    found = find_target_python(value, here)
    short = HERE.replace(".", "")
    names = {path.name for path in (found.directory / "libs").iterdir()}
    assert names == {f"python{short}.lib", "python3.lib"}
    zig = zig_program(here)
    for library, dll, flags in (
        (f"python{short}", f"python{short}.dll", ()),
        ("python3", "python3.dll", ("-DPy_LIMITED_API=0x03090000",)),
    ):
        content = linked(
            zig,
            value,
            tmp_path,
            *flags,
            f"-I{found.include}",
            f"-L{found.directory / 'libs'}",
            f"-l{library}",
        )
        facts = read_pe(content, "mod.pyd")
        assert facts is not None
        (image,) = facts.images
        assert [name for name in image.needed if is_python_dll(name)] == [dll]
        assert image.python_modules == ("mod",)


@pytest.mark.index
@pytest.mark.slow
def test_import_libraries_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    zig = zig_program(online_world(tmp_path))
    text = definitions(Exports(frozenset({"f"}), frozenset({"v"})), "python311.dll")
    one, other = (
        make_import_library(text, zig, dll="python311.dll", machine="i386:x86-64") for _ in range(2)
    )
    assert one == other
    assert b"python311.dll" in one
    assert tempfile.gettempdir().encode() not in one
