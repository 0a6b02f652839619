"""Locks between processes (and threads) that die with their holder: no stale lock is possible."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING

from crossdock.errors import StoreError
from crossdock.store.durable import open_again

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

#: The file system has no locks (some network mounts): atomic renames still keep the store whole, only work
#: may be done twice.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})

#: How long a waiter that can be cancelled sleeps between tries, in seconds.
_POLL = 0.02

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
        # msvcrt has no shared locks; its own waiting gives up after ten tries, so poll.
        while not shared:
            try:
                os.lseek(descriptor, 0, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EDEADLK}:
                    raise
                if not wait:
                    return False
                time.sleep(_POLL)
            else:
                break
        return True
else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
        # flock, not lockf: it excludes threads of one process too, since each opens the file anew.
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True


class Lock:
    """An exclusive advisory lock on a file of its own; a context manager.

    `cancelled`, when given, is asked while waiting; once it is true the waiter raises `StoreError`
    (`E-STORE-CANCELLED`). The file is removed on release. That is safe because every holder checks, after it
    got the lock, that the name still leads to the file it locked: process A releases and unlinks while B
    waits on the same file and C creates a new one; B then holds a lock nobody else looks at, sees that the
    name leads elsewhere, and queues again behind C.
    """

    __slots__ = ("_cancelled", "_descriptor", "_path")

    def __init__(self, path: Path, *, cancelled: Callable[[], bool] | None = None) -> None:
        self._path = path
        self._cancelled = cancelled
        self._descriptor = -1

    def __enter__(self) -> Self:
        while True:
            descriptor = open_again(self._path)
            try:
                self._wait(descriptor)
                current = self._is_current(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if current:
                self._descriptor = descriptor
                return self
            os.close(descriptor)

    def try_enter(self) -> bool:
        """Take the lock if nobody holds it; the caller then owes an `__exit__`."""
        descriptor = open_again(self._path)
        if _lock(descriptor, wait=False) and self._is_current(descriptor):
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        try:
            # Windows refuses to remove an open file: there it stays, empty and harmless.
            self._path.unlink(missing_ok=True)
        except OSError:
            pass
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        if self._cancelled is None:
            _lock(descriptor, wait=True)
            return
        while not _lock(descriptor, wait=False):
            if self._cancelled():
                raise StoreError("cancelled while waiting for another process", code="E-STORE-CANCELLED")
            time.sleep(_POLL)

    def _is_current(self, descriptor: int) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))


class Presence:
    """This process's mark that it uses the store; what is marked by others is pruned by age only."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path) -> None:
        self._descriptor = open_again(path)
        _lock(self._descriptor, wait=True, shared=True)

    def alone(self) -> bool:
        """Tell whether no other process uses the store, and keep newcomers out until `share`."""
        # msvcrt knows no shared locks: never sure there.
        return sys.platform != "win32" and _lock(self._descriptor, wait=False)

    def share(self) -> None:
        """Let others in again."""
        _lock(self._descriptor, wait=True, shared=True)

    def leave(self) -> None:
        """Drop the mark."""
        os.close(self._descriptor)
