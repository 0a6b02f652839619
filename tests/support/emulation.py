"""Debian's Python for another CPU, run under qemu's user-mode emulation, without root, chroot or binfmt."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_PREPARE = Path(__file__).parents[2] / "dev" / "foreign-python"

# Debian's name of an architecture -> qemu's.
QEMU_NAMES = {
    "arm64": "aarch64",
    "armhf": "arm",
    "i386": "i386",
    "ppc64el": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPython:
    """A Python of another CPU that this machine can run."""

    arch: str
    """Debian's name of the architecture."""
    command: tuple[str, ...]
    """What to put before the interpreter's arguments."""
    root: Path
    """The directory with the files of the foreign system."""
    version: tuple[int, int]
    """Major and minor version, which are what the machine's Debian release has: (3, 11) on Debian 12."""

    @property
    def minor(self) -> str:
        """The version as `--python` takes it."""
        return f"{self.version[0]}.{self.version[1]}"

    def run(
        self, *arguments: str | Path, path: Path | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run the Python with these arguments and with `path`, an installed tree, on its module path."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ["PYTHONDONTWRITEBYTECODE"] = "1"
        if path is not None:
            environ["PYTHONPATH"] = str(path)
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


class EmulationUnavailable(Exception):  # noqa: N818 - a reason to skip, not a failure
    """Why a foreign Python cannot run here."""


def cache_directory() -> Path:
    """Where what the tests fetch is kept from run to run."""
    configured = os.environ.get("CROSSDOCK_TEST_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "crossdock-tests"


def foreign_python(arch: str) -> ForeignPython | None:
    """Debian's Python for a Debian architecture, or None where it cannot be had; fetched at the first use."""
    try:
        return _prepared(arch)
    except EmulationUnavailable:
        return None


def require_foreign_python(arch: str) -> ForeignPython:
    """Like `foreign_python`, but skip the calling test, with the reason."""
    try:
        return _prepared(arch)
    except EmulationUnavailable as reason:
        pytest.skip(str(reason))


def arm64_python() -> list[str] | None:
    """The command prefix that runs Debian's arm64 Python, or None where it cannot be had."""
    found = foreign_python("arm64")
    return None if found is None else list(found.command)


def arm64_python_version() -> str | None:
    """The arm64 Python's version as `--python` takes it ("3.11"), or None where there is none."""
    found = foreign_python("arm64")
    return None if found is None else found.minor


@functools.cache
def _attempt(arch: str) -> ForeignPython | str:
    qemu = shutil.which(f"qemu-{QEMU_NAMES[arch]}-static") or shutil.which(f"qemu-{QEMU_NAMES[arch]}")
    if qemu is None:
        return f"qemu-{QEMU_NAMES[arch]}-static is not installed (dev/setup installs it)"
    root = cache_directory() / f"python-{arch}"
    if problem := _fetch(arch, root):
        return problem
    command = (qemu, "-L", str(root), str(root / "usr" / "bin" / "python3"))
    started = subprocess.run(
        [*command, "-I", "-c", "import ctypes, sqlite3, ssl, sys; print(*sys.version_info[:2])"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode != 0:
        return f"Debian's Python for {arch} does not start under {qemu}: {started.stderr.strip()[-300:]}"
    major, minor = map(int, started.stdout.split())
    return ForeignPython(arch=arch, command=command, root=root, version=(major, minor))


def _prepared(arch: str) -> ForeignPython:
    result = _attempt(arch)
    if isinstance(result, str):
        raise EmulationUnavailable(result)
    return result


def _fetch(arch: str, root: Path) -> str | None:
    """Fetch the files unless they are there; what went wrong, if anything."""
    root.parent.mkdir(parents=True, exist_ok=True)
    # Test processes that start side by side need the same files: one fetches, the others wait.
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return None
        made = subprocess.run(
            [str(_PREPARE), arch, str(root)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode != 0:
        return f"Debian's Python for {arch} could not be fetched: {made.stderr.strip()[-300:]}"
    return None
