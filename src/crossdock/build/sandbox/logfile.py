"""The log of a build: a plain file of ours, whatever stands at its place by the time it is opened."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

#: A link there would lead to a file of the user's; a pipe would have us wait for its other end.
_PLAINLY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_log(log: Path) -> BinaryIO:
    """Open a log to append to, unbuffered; it is made where it is not there.

    Raise `BuildError` (E-BUILD-SANDBOX) where something else than a file stands in its place.
    """
    try:
        return _opened(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab")
    except OSError as error:
        raise BuildError(
            "the log of a build cannot be written",
            code="E-BUILD-SANDBOX",
            places=[f"{log}: {error.strerror}"],
        ) from error


def read_log(log: Path, size: int) -> bytes:
    """Return the end of a log, at most `size` bytes; nothing for what is no file of its own."""
    try:
        with _opened(log, os.O_RDONLY, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""


def _opened(path: Path, flags: int, mode: str) -> BinaryIO:
    descriptor = os.open(path, flags | _PLAINLY, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "no plain file")
    return open(descriptor, mode, buffering=0)  # type: ignore[return-value]  # noqa: PTH123  it is open already
