"""Builders of locks for the tests: tables as `pylock.toml` has them, and targets to select for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from crossdock.lock.emit import lock_text
from crossdock.lock.pylock import read_lock
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

if TYPE_CHECKING:
    from crossdock.lock.model import Lock


def file(filename: str, **more: Any) -> dict[str, Any]:
    """Return a wheel's or source distribution's entry, with a hash made of its name."""
    digest = hashlib.sha256(filename.encode()).hexdigest()
    return {
        "url": f"https://index.test/files/{filename}",
        "size": 1000,
        "hashes": {"sha256": digest},
        **more,
    }


def package(name: str, version: str = "1.0", *tags: str, sdist: bool = False, **more: Any) -> dict[str, Any]:
    """Return a `[[packages]]` entry with a wheel for each of `tags`."""
    entry: dict[str, Any] = {"name": name, "version": version, **more}
    distribution = name.replace("-", "_")
    if tags:
        entry["wheels"] = [file(f"{distribution}-{version}-{tag}.whl") for tag in tags]
    if sdist:
        entry["sdist"] = file(f"{distribution}-{version}.tar.gz")
    return entry


def table(*packages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a lock's table."""
    return {"lock-version": "1.0", "created-by": "tests", "packages": list(packages), **more}


def lock(*packages: dict[str, Any], **more: Any) -> Lock:
    """Return a lock, written and read."""
    return read_lock(lock_text(table(*packages, **more)).encode())


def linux(
    arch: Arch = Arch.AARCH64,
    *,
    glibc: tuple[int, int] | None = (2, 28),
    musl: tuple[int, int] | None = None,
    python: Python | None = None,
    **more: Any,
) -> Target:
    """Return a Linux target, CPython 3.12 on glibc 2.28 and aarch64 by default."""
    libc = Libc(LibcKind.MUSL, *musl) if musl else Libc(LibcKind.GLIBC, *(glibc or (2, 28)))
    return Target(
        os=Os.LINUX, arch=arch, libc=libc, python=python or Python(minor=12), **{"name": "box", **more}
    )


def macos(arch: Arch = Arch.AARCH64, version: tuple[int, int] = (13, 0)) -> Target:
    """Return a macOS target with CPython 3.12."""
    return Target(os=Os.MACOS, arch=arch, os_version=version, python=Python(minor=12), name="mac")


def windows(arch: Arch = Arch.X86_64) -> Target:
    """Return a Windows target with CPython 3.12."""
    return Target(os=Os.WINDOWS, arch=arch, python=Python(minor=12), name="windows")
