"""What a failed build is begun again with, by what its output says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossdock.build.again import changed, requirements_asked
from crossdock.build.model import PackageSettings, Sysroot

TRIPLET = "aarch64-linux-gnu"
OLD = "x.c:9:2: error: use of undeclared identifier 'NewFormat'\n"


def sysroot(floor: tuple[int, int]) -> Sysroot:
    return Sysroot(directory=Path("nowhere"), triplet=TRIPLET, detail="a suite", digest="0", floor=floor)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("RuntimeError: CMake >= 3.5 is required to build pycares.", ("cmake",)),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", ("cmake",)),
        ("/bin/sh: 1: swig: not found", ("swig",)),
        ("make: ninja: command not found", ("ninja",)),
        ("error: command 'swig' failed: No such file or directory", ("swig",)),
        ("Program 'cython' found: NO", ("cython",)),
        ("error: Could not find `cmake` executable!", ("cmake",)),
        ("Cannot find meson", ("meson",)),
        ('CMake was unable to find a build program corresponding to "Ninja".', ("ninja",)),
        ("ModuleNotFoundError: No module named 'numpy'", ("numpy",)),
        ("ModuleNotFoundError: No module named 'pkg_resources'", ("setuptools<82",)),
        ("ModuleNotFoundError: No module named 'Cython.Build'", ("cython",)),
        ("No module named 'numpy'\nNo module named 'numpy'\nswig: not found", ("swig", "numpy")),
    ],
)
def test_programs_and_modules_that_builds_take_for_given_come_from_the_index(
    said: str, asked: tuple[str, ...]
) -> None:
    assert requirements_asked(f"running build_ext\n{said}\nerror: exit 1\n") == asked


@pytest.mark.parametrize(
    "said",
    [
        "cmake version 3.31",
        "-- The C compiler identification is Clang; found cmake",
        "No such file or directory: 'rocket'",
        "ModuleNotFoundError: No module named 'my_own'",
        "using ninja to build",
        "Found CMake: required libraries ok",
    ],
)
def test_what_is_there_or_known_to_nobody_is_not_asked_for(said: str) -> None:
    assert requirements_asked(f"{said}\n") == ()


def test_nothing_is_tried_twice() -> None:
    first = changed(PackageSettings(), "cmake: not found", None, given=False)
    assert first is not None
    settings, what = first
    assert settings.requires == ("cmake",)
    assert what == "cmake"
    assert changed(settings, "cmake: not found", None, given=False) is None


def test_libraries_that_the_output_names_are_added() -> None:
    found = changed(PackageSettings(), "fatal error: 'ffi.h' file not found", None, given=False)
    assert found is not None
    assert found[0].libraries == ("libffi-dev",)


@pytest.mark.parametrize(
    "said",
    [
        "Exception: This version of h5py requires HDF5 >= 1.10.7 and != 1.12.0 (got version (1, 10, 6))",
        'x.h:166:2: error: "needs librdkafka v2.16.0 or later"',
        "Dependency libfoo found: NO. Found 1.0 but need: '>=1.2'\nERROR: Invalid version, need 'libfoo' ['>=1.2'] found '1.0'",
        "x.c:3:1: error: unknown type name 'git_new_thing'",
        "running build\ninclude/netcdf-compat.h:143:40: error: expected value in expression",
        "Requested 'libfoo >= 1.2' but version of libfoo is 1.0",
        "ERROR: Minimum supported PROJ version is 9.4.0, installed version is 7.2.1.",
    ],
)
def test_words_and_errors_that_speak_of_older_libraries(said: str) -> None:
    found = changed(PackageSettings(), f"{said}\n", sysroot((2, 31)), given=False)
    assert found is not None
    assert found[0].release == "trixie"


def test_libraries_that_seem_too_old_are_taken_from_the_newest_release_once() -> None:
    found = changed(PackageSettings(), OLD, sysroot((2, 31)), given=False)
    assert found is not None
    settings, what = found
    assert settings.release == "trixie"
    assert "trixie" in what
    assert changed(settings, OLD, sysroot((2, 41)), given=False) is None


@pytest.mark.parametrize(
    "settings", [PackageSettings(release="bookworm"), replace(PackageSettings(), release="bullseye")]
)
def test_a_release_that_the_user_chose_stays(settings: PackageSettings) -> None:
    assert changed(settings, OLD, sysroot((2, 31)), given=False) is None


def test_libraries_that_the_user_gave_stay() -> None:
    assert changed(PackageSettings(), f"{OLD}fatal error: 'ffi.h' file not found", None, given=True) is None
    assert changed(PackageSettings(), OLD, sysroot((2, 31)), given=True) is None


def test_a_build_without_libraries_has_none_that_are_too_old() -> None:
    assert changed(PackageSettings(), OLD, None, given=False) is None


def test_an_ordinary_error_asks_for_nothing() -> None:
    assert changed(PackageSettings(), "ValueError: x.c:1:2: no\n", sysroot((2, 31)), given=False) is None
