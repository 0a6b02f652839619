"""The compiler driver: what backends say to gcc or clang, in zig's words."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.build.toolchain.programs import PROGRAM, SETTINGS, driver

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["-O2", "-c", "a.c"], ["-O2", "-c", "a.c"]),
        (["-Werror", "-Wall"], ["-Wall"]),
        (["--target=arm-none", "-target", "x86_64-linux", "a.o"], ["a.o"]),
        (["-flto=thin", "-flto", "-fno-lto", "a.o"], ["a.o"]),
        (["-bundle", "a.o"], ["-shared", "a.o"]),
        (["-E", "-Wp,-v", "-"], ["-E", "-v", "-"]),
        (["--param", "ssp-buffer-size=4", "--param=x=1", "-c", "a.c"], ["-c", "a.c"]),
        (["-Wl,-z", "-Wl,relro", "-Wl,-z", "-Wl,now"], ["-Wl,-z,relro", "-Wl,-z,now"]),
        (["-Wl,-z,defs,--no-undefined,--as-needed"], ["-Wl,--as-needed"]),
        (["-z", "noexecstack"], ["-Wl,-z,noexecstack"]),
        (["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../x.libs"], ["-Wl,-rpath,$ORIGIN/../x.libs"]),
        (["-Wl,-rpath,/usr/lib/x", "a.o"], ["a.o"]),
        (["-Wl,--rpath=/opt/x", "-Wl,-rpath-link,/y", "-Wl,-rpath-link=/y"], []),
        (
            ["-Wl,-R/usr/lib/x", "-Wl,-R,/usr/lib/x", "-Wl,-R$ORIGIN/y", "a.o"],
            ["-Wl,-rpath,$ORIGIN/y", "a.o"],
        ),
        (["-Wl,-h,libx.so.1"], ["-Wl,-soname,libx.so.1"]),
        (["-Wl,-soname=libx.so.1"], ["-Wl,-soname=libx.so.1"]),
        (["-Wl,--version-script=v.map"], ["-Wl,--version-script=v.map"]),
        (["-Wl,--exclude-libs,ALL", "-lz"], ["-lz"]),
        (["-Wl,-Map,out.map", "-Wl,--fatal-warnings"], []),
        (["-lgcc_s", "-latomic", "-lm"], ["-lunwind", "-lm"]),
        (["-I/usr/include/foo", "-I", "/usr/local/include", "-I/build/src"], ["-I/build/src"]),
        (["-L/usr/lib/x86_64-linux-gnu", "-L/opt/lib", "-Llocal"], ["-Llocal"]),
        (["-isystem", "/usr/include", "-isystem", "vendor"], ["-isystem", "vendor"]),
        (["-march=armv8.2-a+fp16"], ["-mcpu=generic+v8_2a+fullfp16"]),
        (["-march=native", "-mtune=native", "-m64"], []),
    ],
)
def test_words(said: list[str], meant: list[str]) -> None:
    assert driver().filtered(said) == meant


def test_places_of_the_host_move_into_the_sysroot(tmp_path: Path) -> None:
    (tmp_path / "usr/include/libxml2").mkdir(parents=True)
    program = driver(SYSROOT=str(tmp_path))
    assert program.filtered(["-I/usr/include/libxml2", "-I/usr/include/none"]) == [
        f"-I{tmp_path}/usr/include/libxml2"
    ]


@pytest.mark.parametrize("suffix", [".a", ".so"])
@pytest.mark.parametrize("joined", [True, False])
def test_a_build_s_own_library_comes_before_debian_s_of_the_same_name(
    tmp_path: Path, suffix: str, joined: bool
) -> None:
    own, empty = tmp_path / "build" / "temp", tmp_path / "empty"
    own.mkdir(parents=True)
    empty.mkdir()
    (own / f"libyaml{suffix}").write_bytes(b"")
    notes = tmp_path / "notes"
    program = driver(SYSROOT="/sysroot", STATIC={"yaml": ["-Wl,-hidden-lyaml"]}, NOTES=str(notes))
    searched = [f"-L{own}"] if joined else ["-L", str(own)]
    assert program.filtered([*searched, "-lyaml"]) == [*searched, "-lyaml"]
    assert not notes.exists()
    assert program.filtered([f"-L{empty}", "-lyaml"]) == [f"-L{empty}", "-Wl,-hidden-lyaml"]
    assert notes.read_text() == "yaml\n"


def test_what_the_sandbox_shows_of_the_target_stays() -> None:
    program = driver(SYSROOT="/sysroot", SHOWN=["/usr/include", "/usr/lib/aarch64-linux-gnu"])
    said = ["-I/usr/include/libxml2", "-L/usr/lib/aarch64-linux-gnu", "-L/usr/lib/x86_64-linux-gnu"]
    assert program.filtered(said) == ["-I/usr/include/libxml2", "-L/usr/lib/aarch64-linux-gnu"]


def test_a_library_that_can_be_static_is_and_is_noted(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    program = driver(
        SYSROOT="/sysroot",
        STATIC={"xml2": ["/sysroot/libxml2.a", "/sysroot/libz.a", "-lm"]},
        NOTES=str(notes),
    )
    assert program.filtered(["-lxml2", "-lssl"]) == ["/sysroot/libxml2.a", "/sysroot/libz.a", "-lm", "-lssl"]
    assert program.filtered(["/sysroot/usr/lib/libxml2.so"])[0] == "/sysroot/libxml2.a"
    assert program.filtered(["/build/own/libxml2.so"]) == ["/build/own/libxml2.so"]
    assert notes.read_text().split() == ["xml2", "xml2"]
    # A helper of the build runs here: nothing of the target's goes into it.
    assert program.filtered(["-lxml2"], host=True) == ["-lxml2"]


def test_response_files_are_taken_apart(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.rsp", tmp_path / "outer.rsp"
    inner.write_text("-Werror 'a b.o'\n")
    outer.write_text(f'-O2 "@{inner}" -DX=\\"y\\"\n')
    assert driver()._expanded(["-c", f"@{outer}", "@none"]) == [
        "-c",
        "-O2",
        "-Werror",
        "a b.o",
        '-DX="y"',
        "@none",
    ]


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("cc", "cc"),
        ("gcc", "cc"),
        ("gcc-12", "cc"),
        ("g++", "c++"),
        ("aarch64-unknown-linux-gnu-gcc", "cc"),
        ("x86_64-linux-gnu-g++", "c++"),
        ("gcc-ar", "ar"),
        ("pkg-config", "pkg-config"),
    ],
)
def test_names(name: str, tool: str) -> None:
    assert driver()._tool(name) == tool


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SystemExit, match="no tool is called 'fortran'"):
        driver()._tool("fortran")


@given(st.lists(st.text(alphabet="abcWlz,-=/$@.:+_ IL", max_size=20), max_size=8))
def test_any_words_are_taken(words: list[str]) -> None:
    """Whatever a build says, the answer is a list of words, and nothing of the host's directories is searched."""
    kept = driver().filtered([word for word in words if not word.startswith("@")])
    assert all(isinstance(word, str) for word in kept)
    assert not [word for word in kept if word.startswith(("-I/usr", "-L/usr"))]


@given(
    st.lists(st.sampled_from(["-O0", "-O2", "-Os", "-O3", "-g", "a.o", "b.a", "-lz", "-shared"]), max_size=8)
)
def test_a_link_of_objects_has_one_level(words: list[str]) -> None:
    """zig makes its runtime libraries anew for each level: a link compiles nothing, so one will do."""
    assert [word for word in driver()._linked_only(words) if word.startswith("-O")] == ["-O2"]


def test_a_link_that_compiles_keeps_its_level() -> None:
    assert driver()._linked_only(["-O3", "a.c"]) == ["-O3", "a.c"]


class Installed:
    """The driver as an installed program, with a zig that writes down what it is called with."""

    def __init__(self, place: Path, zig: str, **settings: object) -> None:
        self.place = place
        (place / "lib").mkdir()
        (place / "bin").mkdir()
        for path in PROGRAM.glob("*.py"):
            (place / "lib" / path.name).write_bytes(path.read_bytes())
        self.zig = place / "zig"
        self.zig.write_text(f"#!/bin/sh\n{zig}\n")
        self.zig.chmod(0o755)
        known = {**SETTINGS, "ZIG": str(self.zig), **settings}
        text = "".join(f"{name} = {value!r}\n" for name, value in known.items())
        (place / "lib" / "crossdock_settings.py").write_text(text)
        for name in ("cc", "strip", "ar", "host-cc", "pkg-config"):
            program = place / "bin" / name
            program.write_text(
                f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {str(place / 'lib')!r})\n"
                "import crossdock_driver\nsys.exit(crossdock_driver.main())\n"
            )
            program.chmod(0o755)

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.place / "bin" / name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.place,
        )


ECHO = 'for word in "$@"; do printf "%s\\n" "$word"; done'


def test_compile_and_link_say_the_target(tmp_path: Path) -> None:
    there = Installed(tmp_path, ECHO)
    compiled = there.run("cc", "-c", "a.c").stdout.split()
    assert compiled[:4] == ["cc", "-target", "aarch64-linux-gnu.2.17", "-fno-sanitize=all"]
    assert "-s" not in compiled
    linked = there.run("cc", "-shared", "a.o", "-o", "a.so").stdout.split()
    assert linked[-1] == "-s"
    assert "-O2" in linked
    # CMake links with -v: without the same level zig would make its runtime libraries once more.
    assert "-O2" in there.run("cc", "-v", "a.o", "-o", "a").stdout.split()
    assert "-s" not in there.run("cc", "-v").stdout.split()
    assert there.run("host-cc", "a.c").stdout.split()[2] == "x86_64-linux-gnu.2.17"


def test_what_is_read_from_standard_input_has_a_language(tmp_path: Path) -> None:
    """zig hands it to clang as it is otherwise, and clang does not know a target with the C library's version."""
    there = Installed(tmp_path, ECHO)
    assert there.run("cc", "-E", "-").stdout.split()[4:8] == ["-x", "c", "-E", "-"]
    assert there.run("cc", "-E", "-xc++", "-").stdout.split()[4:6] == ["-E", "-xc++"]
    assert "-x" not in there.run("cc", "-E", "a.c").stdout.split()


def test_questions_are_answered_for_the_target(tmp_path: Path) -> None:
    there = Installed(tmp_path, "exit 9")
    assert there.run("cc", "-dumpmachine").stdout == "aarch64-linux-gnu\n"
    assert there.run("cc", "-print-multiarch").stdout == "aarch64-linux-gnu\n"
    assert there.run("strip", "a.so").returncode == 0
    assert there.run("cc", "-c", "a.c").returncode == 9


def test_a_failed_link_leaves_no_file(tmp_path: Path) -> None:
    there = Installed(tmp_path, 'touch a.so; echo "error: no" >&2; exit 1')
    done = there.run("cc", "-shared", "a.o", "-o", "a.so")
    assert done.returncode == 1
    assert not (tmp_path / "a.so").exists()


def test_pkg_config_sees_the_target_only(tmp_path: Path) -> None:
    asked = tmp_path / "pkgconf"
    asked.write_text('#!/bin/sh\necho "$PKG_CONFIG_LIBDIR|$PKG_CONFIG_SYSROOT_DIR|$*"\n')
    asked.chmod(0o755)
    there = Installed(tmp_path, "", PKG_CONF=str(asked), SYSROOT="/sysroot", PKG_CONFIG=["/a", "/b"])
    assert there.run("pkg-config", "--libs", "zlib").stdout == "/a:/b|/sysroot|--libs zlib\n"


def test_nothing_of_the_build_reaches_the_driver(tmp_path: Path) -> None:
    """A build's PYTHONPATH and its shim are for its own Python: the compiler must not become the target by them."""
    there = Installed(tmp_path, ECHO)
    (tmp_path / "os.py").write_text("raise SystemExit('hijacked')\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "_PYTHON_HOST_PLATFORM": "linux-aarch64"}
    done = subprocess.run(
        [there.place / "bin" / "cc", "-c", "a.c"], capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 0
    assert "hijacked" not in done.stdout + done.stderr
