"""The module of variables: read from anybody's, and written so that a sysconfig answers for the target."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.target_python.support import HERE, target

from crossdock.build.model import TargetPython
from crossdock.build.target_python import sysconfig_module
from crossdock.build.target_python.names import ext_suffix, soabi
from crossdock.build.target_python.variables import gnu_type, portable_variables, read_sysconfigdata
from crossdock.errors import BuildError

COMPILER = {"CC": "/tc/cc", "CXX": "/tc/c++", "AR": "/tc/ar", "RANLIB": "/tc/ranlib"}
PYTHON = TargetPython(
    directory=Path("/nowhere"),
    variables={"SIZEOF_LONG": 4, "HAVE_X": 0, "_POSIX_C_SOURCE": "200809L"},
    provider="given",
    detail="",
    digest="0" * 64,
)
ASK = """
import json, sys, sysconfig
print(json.dumps({name: sysconfig.get_config_var(name) for name in sys.argv[1:]}))
"""


@pytest.mark.skipif(os.name == "nt", reason="only on Windows there is no such module")
@pytest.mark.parametrize(
    ("place", "link"),
    [
        ("linux/arm64", "/tc/cc -shared"),
        ("musllinux_1_2_armv7l", "/tc/cc -shared"),
        ("macosx_11_0_arm64", "/tc/cc -bundle -undefined dynamic_lookup"),
        ("win_amd64", "/tc/cc -shared"),
    ],
)
def test_a_sysconfig_that_reads_it_answers_for_the_target(tmp_path: Path, place: str, link: str) -> None:
    value = target(place)
    name, text = sysconfig_module(
        PYTHON, value, include=f"/target/include/python{HERE}", libdir="/target/libs", compiler=COMPILER
    )
    (tmp_path / name).write_text(text)
    asked = {
        "EXT_SUFFIX": ext_suffix(value),
        "SOABI": soabi(value),
        "INCLUDEPY": f"/target/include/python{HERE}",
        "CONFINCLUDEPY": f"/target/include/python{HERE}",
        "INCLUDEDIR": "/target/include",
        "LIBDIR": "/target/libs",
        "CC": "/tc/cc",
        "LDSHARED": link,
        "LDCXXSHARED": link.replace("cc", "c++", 1),
        "AR": "/tc/ar",
        "CFLAGS": "-fno-strict-overflow -DNDEBUG -O3",
        "LDFLAGS": "",
        "Py_ENABLE_SHARED": 0,
        "SIZEOF_LONG": 4,
        "HAVE_X": 0,
    }
    environ = {
        "_PYTHON_SYSCONFIGDATA_NAME": name.removesuffix(".py"),
        "PYTHONPATH": str(tmp_path),
        "PATH": os.defpath,
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK, *asked], env=environ, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == asked


def test_the_same_words_for_the_same_target() -> None:
    value = target("linux/s390x", "3.13t")
    name, text = sysconfig_module(PYTHON, value, include="/i/python3.13t", libdir="/l", compiler=COMPILER)
    assert name == "_sysconfigdata_t_linux_s390x-linux-gnu.py"
    assert (
        text == sysconfig_module(PYTHON, value, include="/i/python3.13t", libdir="/l", compiler=COMPILER)[1]
    )
    read = read_sysconfigdata(text, name)
    assert (read["ABIFLAGS"], read["Py_GIL_DISABLED"], read["LDVERSION"]) == ("t", 1, "3.13t")
    assert list(read) == sorted(read)


def test_what_the_compiler_says_counts_most() -> None:
    more = {**COMPILER, "LDSHARED": "/tc/link -x", "CFLAGS": "-Os", "NEW": "y"}
    _name, text = sysconfig_module(PYTHON, target("linux/arm64"), include="/i/p", libdir="/l", compiler=more)
    read = read_sysconfigdata(text, "x")
    assert (read["LDSHARED"], read["CFLAGS"], read["NEW"]) == ("/tc/link -x", "-Os", "y")


def test_only_what_is_true_anywhere_is_kept() -> None:
    built = {
        "prefix": "/usr",
        "CONFIG_ARGS": "'--with-lto'",
        "CFLAGS": "-flto",
        "MACHDEP": "linux",
        "ENABLE_IPV6": 1,
    }
    assert portable_variables({"A": "1", "B": None, "C": "0x10"}, built) == {
        "A": 1,
        "B": 0,
        "C": "0x10",
        "MACHDEP": "linux",
        "ENABLE_IPV6": 1,
    }


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("linux/arm64", "aarch64-unknown-linux-gnu"),
        ("linux/arm/v7", "arm-unknown-linux-gnueabihf"),
        ("musllinux_1_2_armv7l", "arm-unknown-linux-musleabihf"),
        ("musllinux_1_2_ppc64le", "powerpc64le-unknown-linux-musl"),
        ("macosx_11_0_arm64", "aarch64-apple-darwin"),
        ("win_amd64", "x86_64-pc-windows-msvc"),
    ],
)
def test_gnu_types(place: str, expected: str) -> None:
    assert gnu_type(target(place)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        "build_time_vars = 1",
        "build_time_vars = {1: 2}",
        "build_time_vars = {'a': open('x')}",
        "(",
        "\0",
    ],
)
def test_what_is_no_list_of_variables(text: str) -> None:
    with pytest.raises(BuildError) as caught:
        read_sysconfigdata(text, "m.py")
    assert caught.value.code == "E-BUILD-TARGET-PYTHON"
    assert "`m.py` is not a list of Python's variables" in caught.value.message


@given(st.text(max_size=200) | st.text(max_size=80).map(lambda text: f"build_time_vars = {text}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BuildError):
        assert isinstance(read_sysconfigdata(text, "m.py"), dict)


@given(st.dictionaries(st.text(max_size=20), st.integers() | st.text(max_size=40)))
def test_what_a_python_writes_is_read_back(values: dict[str, int | str]) -> None:
    assert read_sysconfigdata(f"# made\nbuild_time_vars = {values!r}\n", "m.py") == values
