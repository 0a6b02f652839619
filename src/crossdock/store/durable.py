"""Files that are whole or absent, whatever happens to the process, the disk or the power."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from crossdock.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

#: Windows: no translation of line ends, no inheritance (POSIX has neither problem).
_BINARY: int = getattr(os, "O_BINARY", 0)


class Guarded:
    """A block in which an `OSError` becomes a `StoreError` that names the path.

    Codes: `E-STORE-FULL` (no space, quota, file size limit), `E-STORE-FORBIDDEN` (permissions, read-only),
    `E-STORE-IO` (anything else).
    """

    __slots__ = ("path", "verb")

    def __init__(self, path: Path | str, verb: str = "write") -> None:
        self.path = path
        self.verb = verb

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise store_error(error, self.path, self.verb) from error


def store_error(error: OSError, path: Path | str, verb: str = "write") -> StoreError:
    """Return the `StoreError` that says which path could not be written (or read), why, and what to do."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FULL:
        code = "E-STORE-FULL"
        hint = "free some space (`crossdock cache prune`), or put the store elsewhere with `CROSSDOCK_STORE`"
    elif error.errno in _FORBIDDEN:
        code, hint = "E-STORE-FORBIDDEN", "put the store elsewhere with `CROSSDOCK_STORE`"
    else:
        code, hint = "E-STORE-IO", "check the disk; `crossdock cache verify` tells what is still whole"
    return StoreError(f"cannot {verb} `{path}`: {reason}", code=code, hint=hint)


def sync_directory(path: Path | str) -> None:
    """Make the names in a directory durable. Windows cannot open directories: its rename is journaled."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a directory and its parents; each new name is made durable."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def open_new(path: Path) -> int:
    """Create a file that must not exist, for writing; a planted link is not followed."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)


def open_again(path: Path) -> int:
    """Open a file for reading and writing, created when missing; a planted link is not followed."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte: `os.write` may stop early on a full disk or a signal."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_small(path: Path, data: bytes, *, scratch: Path) -> None:
    """Replace a small file in one step, through a temporary file in `scratch` (same file system).

    Atomic but not synced: after a power cut it may be the old one, absent or damaged, so the content must be
    able to prove itself.
    """
    temporary = scratch / f"small-{os.urandom(8).hex()}"
    descriptor = open_new(temporary)
    try:
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        try:
            temporary.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_tree(root: Path) -> None:
    """Make a whole directory tree durable, file by file."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of files: strings, not objects
            if os.path.islink(path):  # noqa: PTH114
                continue
            # Windows syncs only what is open for writing; elsewhere a read-only file must do.
            descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | _BINARY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(folder)
