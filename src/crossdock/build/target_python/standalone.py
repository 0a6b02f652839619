"""python-build-standalone's Python for the target, as uv installs it: of it only what is compiled against is kept."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.target_python.given import from_directory
from crossdock.errors import BuildError, FetchError
from crossdock.target.model import Arch, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.build.model import World
    from crossdock.build.target_python.layout import Parts
    from crossdock.target.model import Target

_FACT = "target-python-unreachable"
#: uv gets these Pythons from one host, which many networks do not reach: not asked again for so many seconds.
_UNREACHABLE = 6 * 3600
#: Seconds for a connection, without a second try, and for all of it: an archive has some 30 MB.
_CONNECT = 5
_SECONDS = 600
#: uv's names of CPUs where they are not ours (its `cpython-VERSION-OS-ARCH-LIBC`, uv 0.13).
_ARCH = {Arch.PPC64LE: "powerpc64le", Arch.ARMV7L: "armv7", Arch.RISCV64: "riscv64gc", Arch.I686: "x86"}
_OS = {Os.LINUX: "linux", Os.MACOS: "macos", Os.WINDOWS: "windows"}


def uv_key(target: Target) -> str:
    """Return uv's name of a Python: `cpython-3.13+freethreaded-linux-aarch64-gnu`."""
    variant = "+freethreaded" if target.python.free_threaded else ""
    libc = "none"
    if target.libc is not None:
        libc = "musl" if target.libc.kind is LibcKind.MUSL else "gnu"
        libc += "eabihf" if target.arch is Arch.ARMV7L else ""
    arch = _ARCH.get(target.arch, str(target.arch))
    return f"cpython-{target.python.short}{variant}-{_OS[target.os]}-{arch}-{libc}"


def from_standalone(target: Target, world: World) -> Parts | None:
    """Return the parts of the Python that uv has for the target, None where it has none or cannot be reached.

    Nothing is said about that: there are others. Where uv is told not to download (`UV_PYTHON_DOWNLOADS=never`,
    `UV_OFFLINE`), it is not asked.
    """
    if _is_forbidden(world) or _is_unreachable(world):
        return None
    folder = Path(tempfile.mkdtemp(prefix="standalone-", dir=world.store.scratch))
    try:
        if not _install(uv_key(target), folder, world):
            return None
        return _parts(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_forbidden(world: World) -> bool:
    environ = world.tools.uv_environ
    if environ.get("UV_PYTHON_DOWNLOADS", "") == "never" or environ.get("UV_OFFLINE", "") not in {
        "",
        "0",
        "false",
    }:
        return True
    try:
        world.http()
    except FetchError:
        return True
    return False


def _is_unreachable(world: World) -> bool:
    last = world.store.get_fact(_FACT, _place(world.tools.uv_environ))
    return isinstance(last, int) and 0 <= world.now - last < _UNREACHABLE


def _place(environ: Mapping[str, str]) -> str:
    """Return what decides where uv looks: another mirror may be reached where the usual one is not."""
    return " ".join(
        environ.get(name, "") for name in ("UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL")
    )


def _install(key: str, folder: Path, world: World) -> bool:
    """Let uv unpack a Python below a directory; what fails is remembered, unless uv knows no such Python."""
    environ = {
        **world.tools.uv_environ,
        "UV_PYTHON_INSTALL_DIR": str(folder),
        "UV_HTTP_TIMEOUT": str(_CONNECT * 4),
        "UV_HTTP_CONNECT_TIMEOUT": str(_CONNECT),
        "UV_HTTP_RETRIES": "0",
    }
    try:
        done = subprocess.run(
            [world.tools.uv, "python", "install", "--no-bin", "--no-registry", "--no-config", key],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        failed, known = True, True
    else:
        failed, known = done.returncode != 0, "No download found" not in done.stderr
    if failed and known:
        world.store.put_fact(_FACT, _place(world.tools.uv_environ), int(world.now))
    return not failed


def _parts(folder: Path, target: Target) -> Parts | None:
    # Beside it uv makes a link that has the minor version for a name.
    found = [one for one in sorted(folder.glob("cpython-*")) if one.is_dir() and not one.is_symlink()]
    for directory in found:
        try:
            parts = from_directory(directory, target)
        except BuildError:
            continue
        return replace(parts, provider="python-build-standalone", detail=directory.name)
    return None
