"""macOS: what builds say to Apple's clang, and a small module as it comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.build.toolchain.modules import built_modules
from tests.build.toolchain.programs import driver

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"SYSTEM": "macos", "TARGET": "aarch64-macos.11.0", "TRIPLE": "arm64-apple-darwin"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["-bundle", "-undefined", "dynamic_lookup", "a.o"], ["-shared", "-undefined", "dynamic_lookup", "a.o"]),
        (["-dynamiclib", "-arch", "arm64", "-mmacosx-version-min=10.9", "a.o"], ["-shared", "a.o"]),
        (["-arch", "x86_64", "-arch", "arm64", "-c", "a.c"], ["-c", "a.c"]),
        (["-isysroot", "/Library/SDKs/MacOSX.sdk", "-c", "a.c"], ["-c", "a.c"]),
        (["-Wl,-headerpad_max_install_names", "-Wl,-search_paths_first", "-Wl,-dead_strip_dylibs"], []),
        (["-Wl,-undefined,dynamic_lookup", "-Wl,-rpath,@loader_path/x"],
         ["-Wl,-undefined,dynamic_lookup", "-Wl,-rpath,@loader_path/x"]),
        (["-Wl,-rpath,/usr/local/lib", "a.o"], ["a.o"]),
        (["-framework", "CoreFoundation", "a.o"], ["-framework", "CoreFoundation", "a.o"]),
        (["-install_name", "@rpath/libx.dylib"], ["-install_name", "@rpath/libx.dylib"]),
    ],
)  # fmt: skip
def test_words(said: list[str], meant: list[str]) -> None:
    assert driver(**SETTINGS).filtered(said) == meant


def test_modules_get_the_interpreter_from_what_loads_them() -> None:
    assert driver(**SETTINGS)._of_modules(["-shared"]) == ["-undefined", "dynamic_lookup"]
    assert driver()._of_modules(["-shared"]) == []


def test_libraries_tell_no_directory_of_the_build() -> None:
    program = driver(**SETTINGS)
    name = "-Wl,-install_name,@rpath/x.so"
    assert program._of_modules(["-shared", "-o", "build/lib/x.so"])[-1] == name
    assert name not in program._of_modules(["-Wl,-install_name,@rpath/y.so", "-o", "build/lib/x.so"])


@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_a_module(tmp_path: Path, python: str) -> None:
    found = built_modules(tmp_path, "macish", target="macosx_11_0_arm64", system="darwin", python=python)
    assert sorted(found) == [
        f"macish.cpython-{python.replace('.', '')}-darwin.so",
        "macish_stable.abi3.so",
    ]
    for image in found.values():
        assert (image.machine, image.min_os) == ("aarch64", (11, 0))
        # Without a signature the kernel of an Apple CPU kills what loads it.
        assert image.signed
        assert set(image.needed) <= {"/usr/lib/libSystem.B.dylib"}
        assert not image.rpath
