"""A toolchain as a build finds it: programs of the names that build systems look for, and their files of settings."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.target_python.names import python_name
from crossdock.build.toolchain.files import cmake_toolchain, config_site, meson_cross
from crossdock.build.toolchain.targets import gnu_triplet
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossdock.store import Store
    from crossdock.target.model import Target

_PROGRAM = Path(__file__).with_name("program")
_FORM = 1
#: Where in a build's directory the driver leaves the names of libraries that it linked statically.
STATIC_NOTES = "linked-statically"
#: Linux reads 127 bytes of a `#!` line before 5.1, macOS 512.
_LONGEST_START = 120

#: Names that a build may call the compiler by; each but the last few also with the target's triplet in front.
_COMPILERS = ("cc", "gcc", "clang", "c++", "g++", "clang++", "cpp", "ld", "c99")
_BINUTILS = ("ar", "ranlib", "strip", "objcopy", "gcc-ar", "gcc-ranlib", "llvm-ar", "llvm-ranlib")
_OTHERS = ("pkg-config", "dlltool", "windres", "lib", "rc", "host-cc", "host-c++", "host-ar")
_OTHERS_OF_MACOS = ("install_name_tool", "codesign", "dsymutil")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a build finds its parts, by the paths that hold inside the sandbox."""

    build: str = "/build"
    zig: str = "/zig"
    toolchain: str = "/toolchain"
    target: str = "/target"
    headers: str = "/python"
    sysroot: str = "/sysroot"
    tools: str = "/tools"
    pkgconf: str = "/pkgconf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides a toolchain: made of values, so that the same plan is the same directory.

    `interpreter` runs the programs. `zig_target` and `host_target` are zig's names, `libraries` replaces `-lNAME` by
    other words, `shown` are directories of the host's names where the sandbox shows the target's files.
    """

    target: Target
    zig_target: str
    host_target: str
    interpreter: str
    places: Places
    soabi: str
    include: str
    triplet: str = ""
    has_sysroot: bool = False
    shown: tuple[str, ...] = ()
    host_directories: tuple[str, ...] = ()
    libraries: tuple[tuple[str, tuple[str, ...]], ...] = ()
    machine: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()

    @property
    def bin(self) -> str:
        """Where the programs lie."""
        return f"{self.places.toolchain}/bin"

    def compilers(self) -> dict[str, str]:
        """Return the programs by the names of sysconfig's variables."""
        return {
            "CC": f"{self.bin}/cc",
            "CXX": f"{self.bin}/c++",
            "AR": f"{self.bin}/ar",
            "RANLIB": f"{self.bin}/ranlib",
            "STRIP": f"{self.bin}/strip",
        }


def toolchain_directory(store: Store, plan: Plan) -> Path:
    """Return the directory of a plan's toolchain in the store; it is to lie at `plan.places.toolchain` in a build."""
    key = hashlib.sha256(json.dumps([_FORM, _files(plan), plan.interpreter]).encode()).hexdigest()
    return store.tree(
        "toolchain",
        key,
        lambda place: write_toolchain(place, plan),
        prove=lambda place: (place / "bin" / "cc").is_file(),
    )


def write_toolchain(place: Path, plan: Plan) -> None:
    """Write a plan's toolchain to the directory `place`."""
    (place / "lib").mkdir(parents=True)
    for name, text in _files(plan).items():
        (place / name).write_text(text)
    _compile(plan.interpreter, place / "lib")
    _make_programs(place / "bin", plan)


def _files(plan: Plan) -> dict[str, str]:
    settings = "".join(f"{name} = {value!r}\n" for name, value in _settings(plan).items())
    return {
        "meson.cross": meson_cross(plan),
        "toolchain.cmake": cmake_toolchain(plan),
        "config.site": config_site(plan),
        "lib/crossdock_settings.py": settings,
        **{f"lib/{path.name}": path.read_text() for path in sorted(_PROGRAM.glob("*.py"))},
    }


def _compile(interpreter: str, place: Path) -> None:
    """Compile the programs once: each call of the compiler starts them."""
    subprocess.run(
        [
            interpreter,
            "-I",
            "-S",
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            str(place),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _make_programs(place: Path, plan: Plan) -> None:
    place.mkdir()
    program = place / "cc"
    # -I and -S keep the build's own PYTHONPATH, .pth files and _PYTHON_* variables out of it: otherwise it would itself
    # answer as the target, and start several times slower.
    start = f"#!{plan.interpreter} -IS\n"
    if len(start) > _LONGEST_START or any(letter.isspace() for letter in plan.interpreter):
        start = f"#!/bin/sh\n''''exec {_quoted(plan.interpreter)} -IS \"$0\" \"$@\" #'''\n"
    program.write_text(
        start + "import sys\n"
        "sys.path.insert(0, __file__.rpartition('/')[0] + '/../lib')\n"
        "import crossdock_driver\n"
        "sys.exit(crossdock_driver.main())\n"
    )
    program.chmod(0o755)
    triplet = gnu_triplet(plan.target)
    own = [*_COMPILERS, *_BINUTILS]
    more = _OTHERS_OF_MACOS if plan.target.os is Os.MACOS else ()
    for name in [*own[1:], *_OTHERS, *more, *(f"{triplet}-{name}" for name in own)]:
        os.link(program, place / name)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _settings(plan: Plan) -> dict[str, Any]:
    places = plan.places
    sysroot = places.sysroot if plan.has_sysroot else ""
    triplet = plan.triplet
    include = [f"{sysroot}/usr/include/{triplet}", f"{sysroot}/usr/include"] if sysroot else []
    library = [f"{sysroot}/usr/lib/{triplet}", f"{sysroot}/usr/lib"] if sysroot else []
    if plan.target.os is Os.WINDOWS:
        library = [*library, f"{places.headers}/libs"]
    return {
        "ZIG": f"{places.zig}/zig",
        "TARGET": plan.zig_target,
        "HOST_TARGET": plan.host_target,
        "TRIPLE": gnu_triplet(plan.target),
        "FAMILY": plan.zig_target.partition("-")[0],
        "SYSROOT": sysroot,
        "INCLUDE": include,
        "LIBRARY_PATH": library,
        "SYSTEM": plan.target.os.value,
        "PYTHON": python_name(plan.target).removeprefix("python").replace(".", ""),
        "LINK": list(plan.link),
        "DEFINES": list(plan.defines),
        "MACHINE": list(plan.machine),
        "HOST_DIRECTORIES": ["/usr", "/lib", "/lib64", "/opt", *plan.host_directories],
        "SHOWN": list(plan.shown),
        "PKG_CONF": f"{places.pkgconf}/pkgconf/.bin/pkgconf",
        "PKG_CONFIG": [f"{places.target}/lib/pkgconfig"]
        + (
            [
                f"{sysroot}/usr/lib/{triplet}/pkgconfig",
                f"{sysroot}/usr/lib/pkgconfig",
                f"{sysroot}/usr/share/pkgconfig",
            ]
            if sysroot
            else []
        ),
        "PREFIX_MAP": [(places.build, ".")],
        "STATIC": {name: list(words) for name, words in plan.libraries},
        "NOTES": f"{places.build}/{STATIC_NOTES}",
    }


def build_variables(plan: Plan, *, sysconfigdata: str, platform: str) -> dict[str, str]:
    """Return what setuptools, autoconf, CMake, Meson, pkg-config and sysconfig read from the environment."""
    places, tools = plan.places, plan.compilers()
    shared = " -shared"
    found = {
        **tools,
        "LDSHARED": tools["CC"] + shared,
        "LDCXXSHARED": tools["CXX"] + shared,
        "LD": tools["CC"],
        # What make and autoconf call the compiler for programs that the build itself runs.
        "CC_FOR_BUILD": f"{plan.bin}/host-cc",
        "CXX_FOR_BUILD": f"{plan.bin}/host-c++",
        "BUILD_CC": f"{plan.bin}/host-cc",
        "HOSTCC": f"{plan.bin}/host-cc",
        # CPython's own way to say for what a build is (Lib/sysconfig, "cross compiling").
        "_PYTHON_HOST_PLATFORM": platform,
        "_PYTHON_SYSCONFIGDATA_NAME": sysconfigdata,
        "PYTHONPATH": f"{places.target}/lib",
        "CMAKE_TOOLCHAIN_FILE": f"{places.toolchain}/toolchain.cmake",
        "CMAKE_GENERATOR": "Ninja",
        "CONFIG_SITE": f"{places.toolchain}/config.site",
        "PKG_CONFIG": f"{plan.bin}/pkg-config",
        "ZIG_GLOBAL_CACHE_DIR": f"{places.build}/zig",
        "ZIG_LOCAL_CACHE_DIR": f"{places.build}/zig",
    }
    if plan.target.os.value == "macos":
        major, minor = plan.target.os_version or (11, 0)
        found["MACOSX_DEPLOYMENT_TARGET"] = f"{major}.{minor}"
    return found


def identity(plan: Plan) -> Mapping[str, Any]:
    """Return what of a toolchain decides a wheel's bytes, JSON-ready: not where it lies nor who runs it."""
    return {
        "target": plan.zig_target,
        "machine": list(plan.machine),
        "link": list(plan.link),
        "libraries": [[name, list(words)] for name, words in plan.libraries],
        "programs": programs(),
    }


@functools.cache  # once: a checkout that is edited must not change the keys of a run
def programs() -> str:
    """Return a hash over our own programs of a toolchain: what they tell zig decides a wheel's bytes."""
    content = b"".join(path.read_bytes() for path in sorted(_PROGRAM.glob("*.py")))
    return hashlib.sha256(content).hexdigest()[:16]


def copy_cache(warm: Iterable[Path], place: Path) -> None:
    """Give a build zig's runtime libraries as its own: it may write there, and nobody else reads it."""
    for cache in warm:
        shutil.copytree(cache, place, copy_function=shutil.copyfile, dirs_exist_ok=True)
