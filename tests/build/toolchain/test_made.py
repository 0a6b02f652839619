"""A plan becomes a directory: what CMake, Meson and autoconf read in it, and programs that start."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.build.targeted import plan_of, target

from crossdock.build.toolchain.files import cmake_toolchain, config_site, meson_cross
from crossdock.build.toolchain.made import Places, identity, toolchain_directory, write_toolchain
from crossdock.build.toolchain.targets import MACHINES, build_floor, gnu_triplet, zig_host, zig_target
from crossdock.store import Store
from crossdock.target.model import Arch

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.toolchain.made import Plan

#: Name: zig's name, GNU's name, the lowest glibc.
NAMES = {
    "linux/amd64": ("x86_64-linux-gnu.2.17", "x86_64-linux-gnu", (2, 17)),
    "linux/arm64": ("aarch64-linux-gnu.2.17", "aarch64-linux-gnu", (2, 17)),
    "linux/arm/v7": ("arm-linux-gnueabihf.2.17", "arm-linux-gnueabihf", (2, 17)),
    "linux/386": ("x86-linux-gnu.2.17", "i686-linux-gnu", (2, 17)),
    "linux/ppc64le": ("powerpc64le-linux-gnu.2.19", "powerpc64le-linux-gnu", (2, 19)),
    "linux/s390x": ("s390x-linux-gnu.2.17", "s390x-linux-gnu", (2, 17)),
    "linux/riscv64": ("riscv64-linux-gnu.2.27", "riscv64-linux-gnu", (2, 27)),
    "musllinux_1_2_aarch64": ("aarch64-linux-musl", "aarch64-linux-musl", None),
    "musllinux_1_2_armv7l": ("arm-linux-musleabihf", "arm-linux-musleabihf", None),
    "macosx_11_0_arm64": ("aarch64-macos.11.0", "arm64-apple-darwin", None),
    "macosx_10_13_x86_64": ("x86_64-macos.10.13", "x86_64-apple-darwin", None),
    "win_amd64": ("x86_64-windows-gnu", "x86_64-w64-mingw32", None),
    "win_arm64": ("aarch64-windows-gnu", "aarch64-w64-mingw32", None),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_and_floors(name: str) -> None:
    what = target(name)
    zig, gnu, lowest = NAMES[name]
    oldest = build_floor(what, (2, 5))
    assert oldest == lowest
    assert zig_target(what, oldest) == zig
    assert gnu_triplet(what) == gnu
    # What is asked for counts where zig has it.
    assert build_floor(what, (2, 38)) == (None if lowest is None else (2, 38))
    # Without being asked: never newer than what the target's name promises, never older than zig's.
    floor = build_floor(what)
    if what.libc is None or floor is None:
        assert lowest is None
    else:
        assert lowest is not None
        assert lowest <= floor <= max(lowest, (what.libc.major, what.libc.minor))


def test_a_target_whose_name_says_its_glibc_is_built_for_that() -> None:
    assert build_floor(target("manylinux_2_28_aarch64")) == (2, 28)
    assert build_floor(target("manylinux_2_28_aarch64"), (2, 17)) == (2, 17)


def test_every_machine_has_a_host_and_none_is_left_out() -> None:
    assert {target(name).arch for name in NAMES} == set(MACHINES)
    assert zig_host("linux", "x86_64") == "x86_64-linux-gnu.2.17"
    assert zig_host("linux", "ppc64le") == "powerpc64le-linux-gnu.2.19"
    assert zig_host("linux", "riscv64") == "riscv64-linux-gnu.2.27"
    assert zig_host("darwin", "arm64") == "aarch64-macos"


@pytest.mark.parametrize("name", NAMES)
def test_mesons_cross_file(name: str) -> None:
    what = target(name)
    parsed = configparser.ConfigParser()
    parsed.read_string(meson_cross(plan_of(what)))
    assert parsed["binaries"]["c"] == "'/toolchain/bin/cc'"
    assert parsed["binaries"]["python"] == "'/build/env/bin/python'"
    assert parsed["properties"]["needs_exe_wrapper"] == "true"
    machine = dict(parsed["host_machine"])
    assert machine["endian"] == ("'big'" if what.arch is Arch.S390X else "'little'")
    system = "darwin" if name.startswith("macos") else "windows" if name.startswith("win") else "linux"
    assert machine["system"] == f"'{system}'"
    # Meson's manual, "Reference tables": the families that build files compare with.
    family = machine["cpu_family"].strip("'")
    assert family in {"x86_64", "x86", "aarch64", "arm", "ppc64", "s390x", "riscv64"}
    assert (
        parsed["properties"]["longdouble_format"]
        .strip("'")
        .endswith("_BE" if what.arch is Arch.S390X else "_LE")
    )


@pytest.mark.parametrize(
    ("name", "system", "processor", "ending"),
    [
        ("linux/arm64", "Linux", "aarch64", "aarch64-linux-gnu.so"),
        ("linux/arm/v7", "Linux", "armv7l", "arm-linux-gnueabihf.so"),
        ("musllinux_1_2_x86_64", "Linux", "x86_64", "x86_64-linux-musl.so"),
        ("macosx_11_0_arm64", "Darwin", "arm64", "darwin.so"),
        ("win_amd64", "Windows", "AMD64", "win_amd64.pyd"),
    ],
)
def test_cmakes_toolchain_file(name: str, system: str, processor: str, ending: str) -> None:
    plan = plan_of(target(name, "3.11"), triplet="some-triplet", has_sysroot=True)
    lines = cmake_toolchain(plan).splitlines()
    assert lines[:3] == [
        f"set(CMAKE_SYSTEM_NAME {system})",
        f"set(CMAKE_SYSTEM_PROCESSOR {processor})",
        'set(CMAKE_C_COMPILER "/toolchain/bin/cc")',
    ]
    assert "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)" in lines
    assert "set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)" in lines
    assert "set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)" in lines
    assert 'set(CMAKE_FIND_ROOT_PATH "/sysroot" "/target" "/python" "/build")' in lines
    assert "set(CMAKE_CXX_SCAN_FOR_MODULES OFF)" in lines
    assert "set(CMAKE_LIBRARY_ARCHITECTURE some-triplet)" in lines
    (module,) = [line for line in lines if line.startswith("set(PYTHON_MODULE_EXTENSION ")]
    assert module.split('"')[1].endswith(ending)
    assert "/sysroot" not in cmake_toolchain(replace(plan, has_sysroot=False))


@pytest.mark.parametrize("name", ["linux/arm64", "linux/s390x", "musllinux_1_2_aarch64", "win_amd64"])
def test_autoconfs_answers(name: str, tmp_path: Path) -> None:
    """A shell reads it, as `configure` does: what comes out is for the target, and it is a cross build."""
    site = tmp_path / "config.site"
    site.write_text(config_site(plan_of(target(name))))
    asked = '. "$1"; echo "$host_alias|$cross_compiling|$ac_cv_c_bigendian|$ac_cv_gnu_library|$ac_cv_func_malloc_0_nonnull|$build_alias"'
    done = subprocess.run(
        ["/bin/sh", "-euc", asked.replace("$ac_cv_gnu_library", "${ac_cv_gnu_library:-}"), "sh", str(site)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath},
    )
    host, crossing, big, gnu, malloc, build = done.stdout.strip().split("|")
    assert host == NAMES[name][1].replace("-linux-", "-unknown-linux-")
    assert (crossing, malloc) == ("yes", "yes")
    assert big == ("yes" if name == "linux/s390x" else "no")
    assert gnu == ("yes" if name in ("linux/arm64", "linux/s390x") else "")
    assert build != host


def test_the_same_plan_is_the_same_directory(tmp_path: Path) -> None:
    """What decides what a build does gives a directory of its own."""
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    plan = plan_of(target("linux/arm64"))
    first = toolchain_directory(store, plan)
    assert toolchain_directory(store, plan_of(target("linux/arm64"))) == first
    other = shutil.which("true") or "/bin/true"
    different: dict[str, Plan] = {
        "target": plan_of(target("linux/s390x")),
        "glibc": replace(plan, zig_target="aarch64-linux-gnu.2.28"),
        "a library": replace(plan, libraries=(("z", ("/sysroot/libz.a",)),)),
        "a place": replace(plan, places=Places(zig="/elsewhere")),
        "who runs it": replace(plan, interpreter=other),
        "machine": replace(plan, machine=("-mcpu=neoverse_n1",)),
        "sysroot": replace(plan, has_sysroot=True, triplet="aarch64-linux-gnu"),
        "host's places": replace(plan, host_directories=("/opt/python",)),
    }
    places = {name: toolchain_directory(store, one) for name, one in different.items()}
    assert len({first, *places.values()}) == len(places) + 1
    # The wheel's bytes do not depend on where the toolchain lies and who runs it; the sysroot is told beside it.
    same = ("a place", "who runs it", "sysroot", "host's places")
    assert [name for name, one in different.items() if identity(one) == identity(plan)] == list(same)
    text = "".join(path.read_text() for path in first.glob("*.*"))
    assert str(tmp_path) not in text
    store.close()


@pytest.mark.parametrize("length", [0, 160])
@pytest.mark.parametrize("odd", ["plain", "it's a 'place'"])
def test_programs_start_whatever_the_interpreters_path(tmp_path: Path, length: int, odd: str) -> None:
    """Linux cuts a long `#!` line off, and splits it at spaces only once."""
    deep = tmp_path / odd / ("d" * length)
    deep.mkdir(parents=True)
    python = deep / "python3"
    python.symlink_to(os.path.realpath(sys.executable))
    zig = tmp_path / "zig" / "zig"
    zig.parent.mkdir()
    zig.write_text('#!/bin/sh\necho "$@"\n')
    zig.chmod(0o755)
    place = tmp_path / "toolchain"
    plan = plan_of(
        target("linux/arm64"), Places(zig=str(zig.parent), toolchain=str(place)), interpreter=str(python)
    )
    write_toolchain(place, plan)
    triplet = gnu_triplet(plan.target)
    for name in ("cc", "gcc", f"{triplet}-gcc", "host-cc"):
        done = subprocess.run(
            [place / "bin" / name, "-c", "a b.c"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        wanted = plan.host_target if name == "host-cc" else plan.zig_target
        assert f"-target {wanted}" in done.stdout
        assert "-c a b.c" in done.stdout
    # Bytecode is there: each call of a compiler would otherwise compile the driver anew.
    assert list((place / "lib" / "__pycache__").glob("crossdock_driver.*.pyc"))
