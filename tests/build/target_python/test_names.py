"""The names of a target's Python, as wheels on the package index and interpreters have them."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from crossdock.build.target_python import names
from crossdock.errors import BuildError
from crossdock.target.names import parse_target
from crossdock.target.pythons import parse_python

if TYPE_CHECKING:
    from crossdock.target.model import Target


def target(place: str, python: str) -> Target:
    return parse_target(place, default_python=parse_python(python))


@pytest.mark.parametrize(
    ("place", "python", "suffix", "multiarch", "platform"),
    [
        ("linux/arm64", "3.11", ".cpython-311-aarch64-linux-gnu.so", "aarch64-linux-gnu", "linux-aarch64"),
        ("linux/amd64", "3.9", ".cpython-39-x86_64-linux-gnu.so", "x86_64-linux-gnu", "linux-x86_64"),
        ("linux/arm/v7", "3.13", ".cpython-313-arm-linux-gnueabihf.so", "arm-linux-gnueabihf", "linux-armv7l"),
        ("linux/386", "3.12", ".cpython-312-i386-linux-gnu.so", "i386-linux-gnu", "linux-i686"),
        ("linux/ppc64le", "3.11", ".cpython-311-powerpc64le-linux-gnu.so", "powerpc64le-linux-gnu", "linux-ppc64le"),
        ("linux/s390x", "3.14t", ".cpython-314t-s390x-linux-gnu.so", "s390x-linux-gnu", "linux-s390x"),
        ("linux/riscv64", "3.13", ".cpython-313-riscv64-linux-gnu.so", "riscv64-linux-gnu", "linux-riscv64"),
        # Modules of published musllinux wheels: until 3.10 configure did not tell musl from glibc.
        ("musllinux_1_2_aarch64", "3.10", ".cpython-310-aarch64-linux-gnu.so", "aarch64-linux-gnu", "linux-aarch64"),
        ("musllinux_1_2_armv7l", "3.10", ".cpython-310-arm-linux-gnueabihf.so", "arm-linux-gnueabihf", "linux-armv7l"),
        ("musllinux_1_2_aarch64", "3.11", ".cpython-311-aarch64-linux-musl.so", "aarch64-linux-musl", "linux-aarch64"),
        ("musllinux_1_2_armv7l", "3.11", ".cpython-311-arm-linux-musleabihf.so", "arm-linux-musleabihf", "linux-armv7l"),
        ("musllinux_1_2_i686", "3.14", ".cpython-314-i386-linux-musl.so", "i386-linux-musl", "linux-i686"),
        ("macosx_11_0_arm64", "3.14t", ".cpython-314t-darwin.so", "darwin", "macosx-11.0-arm64"),
        ("macosx_10_13_x86_64", "3.11", ".cpython-311-darwin.so", "darwin", "macosx-10.13-x86_64"),
        ("win_amd64", "3.11", ".cp311-win_amd64.pyd", "", "win-amd64"),
        ("win_arm64", "3.13t", ".cp313t-win_arm64.pyd", "", "win-arm64"),
        ("win32", "3.13", ".cp313-win32.pyd", "", "win32"),
    ],
)  # fmt: skip
def test_names(place: str, python: str, suffix: str, multiarch: str, platform: str) -> None:
    value = target(place, python)
    assert names.ext_suffix(value) == suffix
    assert names.soabi(value) == suffix[1:].rpartition(".")[0]
    assert names.multiarch(value) == multiarch
    assert names.platform_tag(value) == platform


@pytest.mark.parametrize(
    ("place", "python", "name"),
    [
        ("linux/arm64", "3.11", "_sysconfigdata__linux_aarch64-linux-gnu"),
        ("linux/arm64", "3.13t", "_sysconfigdata_t_linux_aarch64-linux-gnu"),
        ("musllinux_1_2_x86_64", "3.12", "_sysconfigdata__linux_x86_64-linux-musl"),
        ("macosx_11_0_arm64", "3.11", "_sysconfigdata__darwin_darwin"),
        ("macosx_11_0_arm64", "3.14t", "_sysconfigdata_t_darwin_darwin"),
        ("win_amd64", "3.11", "_sysconfigdata__win32_"),
    ],
)
def test_the_module_with_the_variables(place: str, python: str, name: str) -> None:
    assert names.sysconfigdata_name(target(place, python)) == name


@pytest.mark.skipif(sys.platform != "linux", reason="held against this machine's own Python on Linux")
def test_the_python_that_runs_says_the_same() -> None:
    machine = sysconfig.get_platform().removeprefix("linux-")
    libc = "manylinux_2_28" if "gnu" in str(sysconfig.get_config_var("MULTIARCH")) else "musllinux_1_2"
    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    value = target(f"{libc}_{machine}", f"3.{sys.version_info[1]}{free}")
    assert names.ext_suffix(value) == sysconfig.get_config_var("EXT_SUFFIX")
    assert names.soabi(value) == sysconfig.get_config_var("SOABI")
    assert names.platform_tag(value) == sysconfig.get_platform()
    assert names.sysconfigdata_name(value) == sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined]
    assert names.python_name(value) in sysconfig.get_path("include")


@pytest.mark.parametrize(
    ("place", "python"), [("linux/arm64", "pypy3.11"), ("pyodide_2025_0_wasm32", "3.13"), ("ios_13_0_arm64_iphoneos", "3.14")]
)  # fmt: skip
def test_no_names_where_nothing_is_built(place: str, python: str) -> None:
    with pytest.raises(BuildError, match="nothing can be cross-built") as caught:
        names.ext_suffix(target(place, python))
    assert caught.value.code == "E-BUILD-TARGET"
