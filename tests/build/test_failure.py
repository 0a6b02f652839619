"""Logs of failed builds, as compilers and build systems write them, and the cause that the hint names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.build.targeted import build_of, target

from crossdock.build.failure import explained
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

NOT_TAKEN = "nothing of this machine was taken in its place"


class Case(NamedTuple):
    """The end of a log, the line of it that must be shown, and what the hint says."""

    log: str
    shown: str
    hint: tuple[str, ...]
    where: str = "linux/arm64"


CASES = {
    "a header of a known package": Case(
        "/toolchain/bin/cc -O2 -I/python/include/python3.11 -c c/_cffi_backend.c -o build/c/_cffi_backend.o\n"
        "c/_cffi_backend.c:15:10: fatal error: 'ffi.h' file not found\n"
        "   15 | #include <ffi.h>\n      |          ^~~~~~~\n1 error generated.\n"
        "error: command '/toolchain/bin/cc' failed with exit code 1\n",
        "fatal error: 'ffi.h' file not found",
        ("`ffi.h`", "libffi-dev", 'libraries = ["libffi-dev"]'),
    ),
    "a header that nobody knows": Case(
        "src/x.c:3:10: fatal error: 'acme/rocket.h' file not found\n#include <acme/rocket.h>\n1 error generated.\n",
        "acme/rocket.h",
        ("`acme/rocket.h`", "no library that is known here", "--sysroot"),
    ),
    "a header as gcc says it": Case(
        "yaml/_yaml.h:2:10: fatal error: yaml.h: No such file or directory\ncompilation terminated.\n",
        "yaml.h",
        ("libyaml-dev",),
    ),
    "Python.h": Case(
        "x.c:1:10: fatal error: 'Python.h' file not found\n1 error generated.\n",
        "Python.h",
        ("target's Python were not searched",),
    ),
    "a pragma of gcc's": Case(
        "src/x.c:85:5: error: always_inline function '__crc32cd' requires target feature 'crc', but would be inlined\n",
        "requires target feature 'crc'",
        ("written for gcc", "CFLAGS"),
    ),
    "assembly for gcc": Case(
        "k.c:78:1: error: inline assembly requires more registers than available\n",
        "inline assembly",
        ("written for gcc",),
    ),
    "sources that are fetched": Case(
        "[3/9] Performing download step (git clone) for 'abseil-cpp-populate'\nerror: could not find git for clone of abseil\n",
        "could not find git",
        ("no network", "a sdist must bring what it compiles"),
    ),
    "a header of macOS": Case(
        "x.m:1:9: fatal error: 'CoreFoundation/CoreFoundation.h' file not found\n1 error generated.\n",
        "CoreFoundation.h",
        ("CoreFoundation/CoreFoundation.h", "macOS", "--sysroot"),
        "macosx_11_0_arm64",
    ),
    "a library that zig does not find": Case(
        "error: unable to find dynamic system library 'sodium' using strategy 'paths_first'. searched paths:\n"
        "  /sysroot/usr/lib/libsodium.so\nerror: command '/toolchain/bin/cc' failed with exit code 1\n",
        "'sodium'",
        ("`libsodium`", "libsodium-dev"),
    ),
    "a library that lld does not find": Case(
        "ld.lld: error: unable to find library -lxml2\nerror: command '/toolchain/bin/cc' failed with exit code 1\n",
        "-lxml2",
        ("`libxml2`", "libxml2-dev"),
    ),
    "a library that nobody knows": Case(
        "error: unable to find dynamic system library 'rocket' using strategy 'paths_first'. searched paths: none\n",
        "'rocket'",
        ("`rocket`", "missing"),
    ),
    "a library of Windows": Case(
        "error: unable to find dynamic system library 'rocket' using strategy 'paths_first'. searched paths: none\n",
        "'rocket'",
        ("`rocket`", "Windows"),
        "win_amd64",
    ),
    "a program of the target that Python ran": Case(
        'Traceback (most recent call last):\n  File "setup.py", line 5, in <module>\n'
        "OSError: [Errno 8] Exec format error: './probe'\n",
        "Exec format error",
        ("ran a program that it had compiled for the target", "ac_cv_"),
    ),
    "a program of the target that configure ran": Case(
        "checking whether we are cross compiling... configure: error: in `/build/src/x':\n"
        "configure: error: cannot run C compiled programs.\nIf you meant to cross compile, use `--host'.\n",
        "cannot run C compiled programs",
        ("ran a program that it had compiled for the target",),
    ),
    "a program of the target that a shell ran": Case(
        "./gen > tables.h\n/bin/sh: 1: ./gen: Exec format error\nmake: *** [Makefile:9: tables.h] Error 126\n",
        "Exec format error",
        ("ran a program that it had compiled for the target",),
    ),
    "a program of the target that a shell tried to read": Case(
        './gen > tables.h\n./gen: 1: Syntax error: word unexpected (expecting ")")\n'
        "bash: ./gen: cannot execute binary file: Exec format error\n",
        "cannot execute binary file",
        ("ran a program that it had compiled for the target",),
    ),
    "a download": Case(
        "Downloading https://example.invalid/zlib.tar.gz\n"
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n",
        "Temporary failure in name resolution",
        ("wanted to download", "no network"),
    ),
    "a download by git": Case(
        "Cloning into 'extern'...\nfatal: unable to access 'https://example.invalid/x.git/': Could not resolve host:"
        " example.invalid\n",
        "Could not resolve host",
        ("wanted to download", "no network"),
    ),
    "a download by curl": Case(
        "curl: (6) Could not resolve host: example.invalid\nmake: *** [Makefile:3: fetch] Error 6\n",
        "Could not resolve host",
        ("wanted to download",),
    ),
    "a Fortran compiler for Meson": Case(
        "Compiler for language fortran not specified.\n"
        "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang-new'], ['flang'], ['ifort']]\n",
        "Unknown compiler(s)",
        ("Fortran",),
    ),
    "a Fortran compiler for CMake": Case(
        "CMake Error at CMakeLists.txt:8 (enable_language):\n  No CMAKE_Fortran_COMPILER could be found.\n"
        "-- Configuring incomplete, errors occurred!\n",
        "No CMAKE_Fortran_COMPILER",
        ("Fortran",),
    ),
    "a Fortran compiler that is called": Case(
        'error: Command "gfortran -c x.f" failed\n/bin/sh: 1: gfortran: not found\n',
        "gfortran: not found",
        ("Fortran",),
    ),
    "a module of Python": Case(
        'Traceback (most recent call last):\n  File "setup.py", line 3, in <module>\n    import numpy\n'
        "ModuleNotFoundError: No module named 'numpy'\n",
        "No module named 'numpy'",
        ("imports `numpy`", 'requires = ["..."]', "[tool.crossdock.build.demo]"),
    ),
    "a symbol": Case(
        "ld.lld: error: undefined symbol: SSL_get_peer_certificate\n>>> referenced by x.c\n>>>   x.o:(f)\n",
        "undefined symbol: SSL_get_peer_certificate",
        ("`SSL_get_peer_certificate`", "--glibc"),
    ),
    "a program that is not there": Case(
        "running build_ext\n/bin/sh: 1: flex: not found\nmake: *** [Makefile:7: lexer.c] Error 127\n",
        "flex: not found",
        ("a program or file", "`flex`"),
    ),
    "a program that Python did not find": Case(
        "Traceback (most recent call last):\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'bison'\n",
        "'bison'",
        ("a program or file", "`bison`"),
    ),
    "an offline cargo": Case(
        "error: no matching package named `serde` found\nlocation searched: directory source `/crates/vendor`\n"
        "required by package `x v1.0.0`\n",
        "`serde`",
        ("a manifest asks for crates",),
    ),
    "nothing that is known": Case(
        "running build\nerror: the sky fell\n", "the sky fell", ("[tool.crossdock.build.demo]",)
    ),
}


def explain(
    place: Path, log: str, *, code: str = "E-BUILD-BACKEND", where: str = "linux/arm64"
) -> BuildError:
    build = build_of(target(where), place)
    build.log.write_text(log)
    given = BuildError("it failed", code=code, places=["a place"], hint="what to do")
    return explained(given, build)


@pytest.mark.parametrize("name", CASES)
def test_the_hint_names_the_cause(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    before = "".join(f"cc -c file{number}.c -o file{number}.o\n" for number in range(500))
    error = explain(tmp_path, before + case.log, where=case.where)
    hint = error.hint or ""
    assert [words for words in case.hint if words not in hint] == [], hint
    assert hint.endswith(NOT_TAKEN)
    assert case.shown in "\n".join(error.places)
    assert error.places[-1] == f"the whole output: {tmp_path / 'build.log'}"
    assert error.code == "E-BUILD-BACKEND"
    assert error.message == f"it failed for {case.where}"


def test_lines_far_from_the_end_are_found(tmp_path: Path) -> None:
    """make goes on after an error, and its last lines tell of something else."""
    after = "".join(f"cc -c file{number}.c -o file{number}.o\n" for number in range(2000))
    noise = (
        "checking for error_at_line... no\nx.c:1: warning: this is an error: not\ncc -Werror -c errors.c\n"
    )
    error = explain(
        tmp_path, f"{noise}x.c:1:10: fatal error: 'ffi.h' file not found\n{after}make: *** Error 1\n"
    )
    assert error.places[0] == "x.c:1:10: fatal error: 'ffi.h' file not found"
    assert "make: *** Error 1" in error.places
    assert not [
        line for line in error.places if "error_at_line" in line or "warning" in line or "Werror" in line
    ]
    assert len(error.places) < 30
    assert "libffi-dev" in (error.hint or "")


def test_a_line_without_end_and_bytes_that_are_no_text_are_shown_short(tmp_path: Path) -> None:
    build = build_of(target("linux/arm64"), tmp_path)
    build.log.write_bytes(b"error: " + b"x" * 100_000 + b"\nerror: \xff\xfe\n")
    error = explained(BuildError("it failed", code="E-BUILD-BACKEND"), build)
    assert max(map(len, error.places[:-1])) <= 400


@pytest.mark.parametrize("code", ["E-BUILD-TIMEOUT", "E-BUILD-REQUIRES", "E-BUILD-FLOOR", "E-BUILD-PYTHON"])
def test_what_is_not_of_the_backend_keeps_its_own_words(tmp_path: Path, code: str) -> None:
    """A hint worked out from the output would lead astray: the output is not why it failed."""
    error = explain(tmp_path, "x.c:1:10: fatal error: 'ffi.h' file not found\n", code=code)
    assert error.hint == f"what to do; {NOT_TAKEN}"
    assert list(error.places) == ["a place", f"the whole output: {tmp_path / 'build.log'}"]
    # Nothing was run: there is no output to look at.
    assert list(explain(tmp_path, "", code=code).places) == ["a place"]


def test_an_earlier_attempt_is_not_the_cause(tmp_path: Path) -> None:
    earlier = b"./build.sh: 18: cmake: not found\n"
    build = build_of(target("linux/arm64"), tmp_path)
    build.log.write_bytes(earlier + b"x.c:1:10: fatal error: 'ffi.h' file not found\n")
    error = explained(BuildError("it failed", code="E-BUILD-BACKEND"), build, len(earlier))
    assert not any("cmake" in line for line in error.places)
    assert "libffi-dev" in (error.hint or "")
