"""A file of the store put into the user's directory, whole or not at all."""

from __future__ import annotations

import filecmp
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from crossdock.errors import ShipError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

T = TypeVar("T")


def put_file(blob: Path, directory: Path, filename: str) -> bool:
    """Copy `blob` to `directory/filename`; return False if the same bytes are there already.

    Always a copy: a file that the user owns must not be a way to write into the store. Raises `ShipError` if
    something else has the name, or the disk says no.
    """
    path = directory / filename
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            if path.is_file() and not path.is_symlink() and filecmp.cmp(blob, path, shallow=False):
                return False
            raise ShipError(
                f"`{path}` is there and holds something else",
                code="E-SHIP-FOREIGN",
                hint="move it away, or choose another directory",
            )
        temporary = directory / f".{filename}.{os.getpid()}.crossdock"
        try:
            shutil.copyfile(blob, temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise ShipError(f"cannot write `{path}`: {error.strerror or error}", code="E-SHIP-WRITE") from error
    return True


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one step: another reader sees the old content or the new, whole. Raise `ShipError`."""
    write_stream(path, lambda out: out.write(content))


def write_stream(path: Path, write: Callable[[BinaryIO], T]) -> T:
    """Write a file in one step by what `write` writes, and return what it returns. Raise `ShipError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.crossdock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as out:
                found = write(out)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()
    except OSError as error:
        raise ShipError(f"cannot write `{path}`: {error.strerror or error}", code="E-SHIP-WRITE") from error
    return found
