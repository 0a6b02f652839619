"""Windows: what builds say to Microsoft's compiler, and a small module as it comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.build.toolchain.modules import built_modules
from tests.build.toolchain.programs import driver, windows

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "SYSTEM": "windows",
    "TARGET": "x86_64-windows-gnu",
    "TRIPLE": "x86_64-w64-mingw32",
    "FAMILY": "x86_64",
}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["/O2", "/c", "a.c"], ["-O2", "-c", "a.c"]),
        (["/std:c++17", "/EHsc", "/bigobj", "/W3"], ["-std=c++17"]),
        (["-std:c++20", "-EHsc", "-wd4996", "-nologo"], ["-std=c++20"]),
        (["/std:c++latest", "/Zc:__cplusplus", "/permissive-", "/utf-8"], ["-std=c++23"]),
        (
            ["/DNDEBUG", "/DNAME=a/b", "/Isrc/include", "/UX"],
            ["-DNDEBUG", "-DNAME=a/b", "-Isrc/include", "-UX"],
        ),
        (["/Od", "/MD", "/Zi", "/GL", "/GS-", "/arch:AVX2"], ["-O0", "-mavx2", "-mfma"]),
        (["/link", "/LTCG", "/OPT:REF", "/NODEFAULTLIB:msvcrt", "/MANIFEST:EMBED,ID=2"], []),
        (["-fPIC", "-pthread", "-rdynamic", "-fvisibility=hidden", "a.o"], ["a.o"]),
        (["-lm", "-ldl", "-lpthread", "-lrt", "-lmsvcrt", "-lmylib"], ["-lmylib"]),
        (["shell32.lib", "-lfoo.lib"], ["-lshell32", "-lfoo.lib"]),
        (["-Wl,--enable-auto-image-base", "-Wl,--kill-at", "-mdll"], ["-shared"]),
        # Files, though they begin as options do.
        (["/build/src/a.c", "/Data/lib.o", "/I2C/driver.o", "/Work/a.c"], None),
        (["-MD", "-MF", "a.d", "-Wall", "-EB", "-GL2"], None),
        (["/usr/include-fixed/x.h"], None),
    ],
)
def test_words(said: list[str], meant: list[str] | None) -> None:
    assert driver(**SETTINGS).filtered(said) == (said if meant is None else meant)


def test_the_build_machine_has_words_of_its_own() -> None:
    """A helper that the build runs itself is linked as Linux programs are."""
    assert driver(**SETTINGS).filtered(["-lm", "-fPIC", "-ldl"], host=True) == ["-lm", "-fPIC", "-ldl"]


def test_the_names_of_system_libraries_know_no_case(tmp_path: Path) -> None:
    known = tmp_path / "lib/libc/mingw/lib-common"
    known.mkdir(parents=True)
    (known / "ws2_32.def.in").write_text("")
    zig = str(tmp_path / "zig")
    assert windows().library("Ws2_32", zig) == ["-lws2_32"]
    assert windows().library("MyOwn", zig) == ["-lMyOwn"]


@pytest.mark.parametrize(
    ("output", "meant"),
    [
        ("build/x.cp311-win_amd64.pyd", ["-lpython311"]),
        ("build/x.cp313t-win_arm64.pyd", ["-lpython311"]),
        # Of the stable ABI: what both have comes from python3.dll.
        ("build/_rust.pyd", ["-lpython3", "-lpython311"]),
    ],
)
def test_import_libraries(output: str, meant: list[str]) -> None:
    assert windows().import_libraries(["-shared", "-o", output], "311") == meant


@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_a_module(tmp_path: Path, python: str) -> None:
    found = built_modules(tmp_path, "winish", target="win_amd64", system="win32", python=python)
    short = python.replace(".", "")
    assert sorted(found) == [f"winish.cp{short}-win_amd64.pyd", "winish_stable.pyd"]
    for name, image in found.items():
        assert image.machine == "x86_64"
        needed = {library.lower() for library in image.needed}
        assert {library for library in needed if library.startswith("python")} == {
            "python3.dll" if "stable" in name else f"python{short}.dll"
        }
        # Of the system and of the universal C run time: nothing that a compiler brings along.
        others = {library for library in needed if not library.startswith(("api-ms-win-crt-", "python"))}
        assert others <= {"kernel32.dll", "ntdll.dll"}
