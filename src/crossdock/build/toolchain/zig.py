"""zig itself: the `ziglang` wheel of one pinned release, and its runtime libraries, compiled once for each target."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.installer import run_uv
from crossdock.build.sandbox import Limits, Mount, open_sandbox, sandbox_kind
from crossdock.build.toolchain.symbols import glibc_symbols, musl_symbols
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.build.backend import BuildTools
    from crossdock.build.model import World
    from crossdock.store import Store

    _Run = Callable[[list[str]], tuple[int, str]]

#: Part of every build key: another release is another compiler.
VERSION = "0.16.0"
#: Raised when what is warmed up changes.
_WARM_FORM = 1

#: The wheels of that release for all hosts, by SHA-256. Source: the package index, read 2026-11-22.
_HASHES_FILE = Path(__file__).with_name("ziglang_hashes.txt")

#: What is compiled and linked, so that zig makes what every other link needs: a library and a program.
_WARM_C = (("cc", "warm.c", ("-shared", "-fPIC")), ("cc", "main.c", ()))
#: libc++ takes fifteen times as long as all the rest.
_WARM_CXX = (*_WARM_C, ("c++", "warm.cc", ("-shared", "-fPIC")), ("c++", "main.cc", ()))
_SOURCES = {
    "warm.c": '#include <stdio.h>\n#include <math.h>\nint f(double x) { return printf("%f", pow(x, x)); }\n',
    "main.c": "int main(void) { return 0; }\n",
    "warm.cc": "#include <iostream>\n#include <stdexcept>\n"
    'int f(int x) { if (x) throw std::runtime_error("x"); std::cout << x; return 0; }\n',
    "main.cc": "#include <string>\nint main(int n, char **v) { return std::string(v[0]).size() == n; }\n",
}
_WARM_SECONDS = 1800
#: The sandboxes that show things at places of their own.
WITH_PLACES = frozenset({"bubblewrap", "namespaces"})


def zig_directory(store: Store, tools: BuildTools) -> Path:
    """Return the directory of the pinned zig in the store; fetched by uv at the first time, its hash verified.

    Raise `BuildError` (E-BUILD-ZIG) where it cannot be had for this machine, E-BUILD-TIMEOUT where the index is too slow.
    """

    def make(place: Path) -> None:
        requirement = place / "requirements.txt"
        hashes = " ".join(f"--hash=sha256:{line}" for line in _HASHES_FILE.read_text().split())
        requirement.write_text(f"ziglang=={VERSION} {hashes}\n")
        command = ["pip", "install", "--quiet", *tools.uv_arguments, "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "--link-mode", "copy", "--target", str(place), "-r", str(requirement)]
        done = run_uv(tools, command, f"install ziglang {VERSION}")
        if done.returncode or not _program(place).is_file():
            raise BuildError(
                f"cannot get the compiler: `ziglang` {VERSION} from the package index",
                code="E-BUILD-ZIG",
                places=done.stderr.strip().splitlines()[-10:],
                hint="the index that uv is set up for must have it; `crossdock cache` keeps it once it is there",
            )

    return store.tree("zig", VERSION, make, prove=lambda place: _program(place).is_file()) / "ziglang"


def _program(place: Path) -> Path:
    plain = place / "ziglang" / "zig"
    return plain if plain.is_file() else plain.with_suffix(".exe")


def kernel_headers(zig: Path) -> list[Mount]:
    """Return Linux's headers for programs at the places where scripts read them: `/usr/include/linux` and its neighbours.

    Compilers have zig's own. Those of a CPU, `asm`, are left out: no script reads them.
    """
    folders = sorted((zig / "lib" / "libc" / "include" / "any-linux-any").iterdir())
    return [Mount(source=one, place=f"/usr/include/{one.name}") for one in folders if one.name != "asm"]


def zig_program(world: World) -> Path:
    """Return the zig executable, see `zig_directory`."""
    return _program(zig_directory(world.store, world.tools).parent)


def c_symbols(world: World, target: str) -> dict[str, tuple[int, int] | None]:
    """Return the symbols of a target's C library, in zig's words `aarch64-linux-gnu.2.17`; empty where it lists none.

    Each has the first version of glibc that has it, None for musl.
    """
    place = zig_directory(world.store, world.tools) / "lib" / "libc"
    if "-linux-musl" in target:
        return dict.fromkeys(musl_symbols((place / "musl" / "libc.S").read_text()))
    if "-linux-gnu" in target:
        return {**glibc_symbols((place / "glibc" / "abilists").read_bytes(), target.partition(".")[0])}
    return {}


def warm_cache(world: World, target: str, machine: tuple[str, ...] = (), *, cxx: bool) -> Path:
    """Return a directory with zig's runtime libraries for `target`, to be copied as a build's own cache.

    zig compiles the C library's start files, compiler-rt, libunwind and libc++ inside the first command that needs
    them, with C++ (`cxx`) a minute of work. That is done here, once. A build gets a copy, since it may write into its own.
    """
    zig = zig_program(world)
    # Of the C library for Windows zig remembers where its sources lie, so that they must lie where a build has them.
    named = "-windows" in target and sandbox_kind() in WITH_PLACES

    def make(place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="crossdock-warm-") as name:
            work = Path(name)
            for file, text in _SOURCES.items():
                (work / file).write_text(text)
            run = _in_place(zig, work, place) if named else _here(zig, work, place)
            for tool, source, flags in _WARM_CXX if cxx else _WARM_C:
                _warm(run, [tool, "-target", target, "-fno-sanitize=all", *machine, *flags], source)
            if named:
                shutil.copytree(work / "zig", place, dirs_exist_ok=True)
        # What zig keeps of its own sources serves to compile them, which is done.
        shutil.rmtree(place / "z", ignore_errors=True)
        shutil.rmtree(place / "tmp", ignore_errors=True)

    key = f"{_WARM_FORM} {VERSION} {target} {' '.join(machine)}{' c++' if cxx else ''}{' in place' if named else ''}"
    return world.store.tree("zig-cache", key, make, prove=lambda place: (place / "o").is_dir())


def _warm(run: _Run, command: list[str], source: str) -> None:
    """Compile and link as the driver does: the object first, then the link with its own flags."""
    compiled = [word for word in command if word != "-shared"]
    for arguments in (
        [*compiled, "-O2", "-c", source, "-o", f"{source}.o", "-g0"],
        [*command, f"{source}.o", "-o", f"{source}.out", "-O2", "-g0", "-s"],
    ):
        status, output = run(arguments)
        if status:
            lines = [line for line in output.splitlines() if "error" in line]
            raise BuildError(
                f"the compiler cannot make its runtime libraries for `{command[2]}`",
                code="E-BUILD-ZIG",
                places=(lines or output.splitlines())[-10:],
            )


def _here(zig: Path, work: Path, cache: Path) -> _Run:
    """Return what runs zig where it lies."""

    def run(arguments: list[str]) -> tuple[int, str]:
        try:
            done = subprocess.run(
                [str(zig), *arguments],
                cwd=work,
                env=_variables(str(work), str(cache)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_WARM_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"the compiler does not run here: {error}", code="E-BUILD-ZIG") from error
        return done.returncode, done.stderr

    return run


def _in_place(zig: Path, work: Path, cache: Path) -> _Run:
    """Return what runs zig where a build has it; the cache is then `zig` below `work`."""
    (work / "zig").mkdir()
    log = cache.with_name(cache.name + ".log")
    mounts = [Mount(source=work, place="/build", writable=True), Mount(source=zig.parent, place="/zig")]
    sandbox = open_sandbox(
        mounts, Limits(seconds=_WARM_SECONDS), allow_unsandboxed=False, warn=lambda _words: None
    )

    def run(arguments: list[str]) -> tuple[int, str]:
        log.write_bytes(b"")
        status = sandbox.run(
            [f"/zig/{zig.name}", *arguments], cwd="/build", env=_variables("/build", "/build/zig"), log=log
        )
        text = log.read_text("utf-8", "replace")
        log.unlink()
        return status, text

    return run


def _variables(work: str, cache: str) -> dict[str, str]:
    return {
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": f"{work}/local",
        "HOME": work,
        "PATH": "/usr/bin:/bin",
    }
