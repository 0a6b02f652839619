"""A directory with the target's libraries that the user gives: believed when it looks like one."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from crossdock.build.model import Sysroot
from crossdock.errors import BuildError, InspectError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.target.model import Target


def given_sysroot(directory: Path, target: Target, triplet: str) -> Sysroot:
    """Return the directory as a sysroot; its glibc is told by a `libc.so.6` in it, if there is one.

    Raise `BuildError` (E-SYSROOT-DIRECTORY) for one that has no headers, or libraries of another machine.
    """
    if not (directory / "usr/include").is_dir() and not (directory / "include").is_dir():
        raise BuildError(
            "the directory of system libraries has neither `usr/include` nor `include`",
            code="E-SYSROOT-DIRECTORY",
            places=[str(directory)],
            hint="give the root of a tree laid out as on the target",
        )
    _check_machine(directory, target, triplet)
    return Sysroot(
        directory=directory.absolute(),
        triplet=triplet,
        detail="a directory given",
        digest=_digest(directory),
        floor=glibc_of(directory, triplet),
    )


def _libraries(directory: Path, triplet: str) -> list[Path]:
    places = [f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib64", "lib64", "usr/lib", "lib"]
    return [path for place in places for path in sorted((directory / place).glob("*.so*")) if path.is_file()]


def _check_machine(directory: Path, target: Target, triplet: str) -> None:
    from crossdock.inspect.binary import read_binary
    from crossdock.inspect.facts import Format

    wrong = []
    for path in _libraries(directory, triplet):
        try:
            binary = read_binary(path.read_bytes(), str(path))
        except InspectError as error:
            wrong.append(f"{path}: {error.message}")
            continue
        if binary is None or binary.format is not Format.ELF:
            continue  # a linker script
        wrong += [f"{path}: {image.machine}" for image in binary.images if image.machine != target.arch.value]
    if wrong:
        raise BuildError(
            f"the directory of system libraries has some that are not for {target.arch}",
            code="E-SYSROOT-DIRECTORY",
            places=wrong[:5],
            hint="give a tree of the target's own",
        )


def glibc_of(directory: Path, triplet: str) -> tuple[int, int] | None:
    """Return the glibc that a `libc.so.6` says it is."""
    for place in (f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib64", "lib64", "usr/lib", "lib"):
        path = directory / place / "libc.so.6"
        if path.is_file():
            found = re.search(rb"GNU C Library [^\n]*version (\d+)\.(\d+)", path.read_bytes())
            if found is not None:
                return int(found[1]), int(found[2])
    return None


def _digest(directory: Path) -> str:
    """Return a hash over the names, links and bytes of all that lies below it: all of it is shown to a build."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        total.update(path.relative_to(directory).as_posix().encode(errors="surrogateescape") + b"\0")
        if path.is_symlink():
            total.update(os.readlink(path).encode(errors="surrogateescape") + b"\0")  # noqa: PTH115  # as it is spelled
        elif path.is_file():
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
