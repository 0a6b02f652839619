"""Blobs: immutable files named by their digest, verified when they are written and when they are used."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from crossdock.errors import FetchError
from crossdock.store.durable import (
    Guarded,
    make_directory,
    open_again,
    sync_directory,
    write_all,
    write_small,
)
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from crossdock.digest import Digest, Hasher
    from crossdock.store.locks import Lock

#: Bytes read at once when hashing what is on the disk.
CHUNK = 1 << 20

#: A use is noted in the stamp's time at most this often, in seconds; `prune` goes by it.
USE_NOTED = 3600


def blob_path(root: Path, digest: Digest) -> Path:
    """Return where a blob lies."""
    return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def stamp_path(path: Path) -> Path:
    """Return where a blob's stamp lies: what its inode looked like when its bytes were last hashed."""
    return path.with_name(path.name + ".stamp")


def stamp_of(status: os.stat_result) -> bytes:
    """Return the stamp for a file with this status. Writing to the file or replacing it changes the stamp.

    ctime is left out on purpose: making a hard link changes it.
    """
    return b"%d %d %d\n" % (status.st_size, status.st_mtime_ns, status.st_ino)


def note_use(descriptor_or_path: int | Path) -> None:
    """Push the time of a stamp forward, so that `prune` knows what is used."""
    try:
        if time.time() - os.stat(descriptor_or_path).st_mtime > USE_NOTED:  # noqa: PTH116 - or a descriptor
            os.utime(descriptor_or_path)
    except OSError:
        # A store that may only be read: its owner prunes it.
        return


def is_stamped(path: Path) -> bool:
    """Tell whether a blob is there and unchanged since its bytes were last hashed."""
    try:
        status = path.stat()
        with stamp_path(path).open("rb", buffering=0) as stamp:
            same = stamp.read(200) == stamp_of(status)
            if same:
                note_use(stamp.fileno() if os.utime in os.supports_fd else stamp_path(path))
            return same
    except OSError:
        return False


def hash_file(path: Path, hasher: Hasher) -> int:
    """Feed a file to `hasher` and return its size."""
    size = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return size


def is_whole(path: Path, digest: Digest) -> bool:
    """Hash a blob and tell whether it is what its name says. A read error counts as damage."""
    hasher = digest.hasher()
    try:
        hash_file(path, hasher)
    except OSError:
        return False
    return hasher.hexdigest() == digest.hex


class Partial:
    """A download in progress, held under its blob's lock; survives the process and is resumed by the next.

    A context manager: entering waits for others who download the same blob. Then either `done` is the path
    (somebody else finished it), or: read `offset` and `validator`, call `start` for a fresh body or `append`
    after `offset`, and finish with `commit`.
    """

    def __init__(self, *, root: Path, digest: Digest, lock: Lock) -> None:
        self.digest = digest
        self.offset = 0
        self.validator: str | None = None
        self.done: Path | None = None
        self._root = root
        self._lock = lock
        self._path = root / "partial" / f"{digest.algorithm}-{digest.hex}"
        self._note = self._path.with_name(self._path.name + ".json")
        self._hasher = digest.hasher()
        self._descriptor = -1

    def __enter__(self) -> Self:
        with Guarded(self._path):
            self._lock.__enter__()
        try:
            with Guarded(self._path):
                self._open()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
                # Without a strong validator nobody may resume: then the bytes are of no use to anyone.
                if self.done is None and (self.validator is None or self.offset == 0):
                    self.discard()
        finally:
            self._lock.__exit__(None, None, None)

    def _open(self) -> None:
        target = blob_path(self._root, self.digest)
        if is_stamped(target) or settle(target, self.digest, self._root):
            self.done = target
            return
        self._descriptor = open_again(self._path)
        note = read_sealed(self._note)
        if isinstance(note, str):
            self.validator = note
            # The kept prefix is hashed again: it may have been damaged since.
            while chunk := os.read(self._descriptor, CHUNK):
                self._hasher.update(chunk)
                self.offset += len(chunk)
        if not self.offset:
            self._truncate()

    def _truncate(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.offset = 0
        self._hasher = self.digest.hasher()

    def start(self, validator: str | None) -> None:
        """Begin a new body from byte 0. `validator` (strong ETag or date) is what may resume it later."""
        with self._guarded():
            # The bytes go before the note changes, so that a note never vouches for another body's bytes.
            self._truncate()
            self._note.unlink(missing_ok=True)
            self.validator = validator
            if validator is not None:
                write_small(self._note, seal(validator), scratch=self._root / "tmp")

    def append(self, chunk: bytes) -> None:
        """Write and hash the next bytes."""
        with self._guarded():
            write_all(self._descriptor, chunk)
        self._hasher.update(chunk)
        self.offset += len(chunk)

    def commit(self) -> Path:
        """Check the digest and make the blob; raise `FetchError` (`E-FETCH-HASH`) and delete on a mismatch."""
        found = self._hasher.hexdigest()
        if found != self.digest.hex:
            offset = self.offset
            with self._guarded():
                self.start(None)
            raise FetchError(
                f"hash mismatch: expected `{self.digest}`, got `{self.digest.algorithm}:{found}` ({offset} bytes)",
                code="E-FETCH-HASH",
            )
        target = blob_path(self._root, self.digest)
        with self._guarded():
            seal_blob(self._descriptor, self._path, target, scratch=self._root / "tmp")
            self._note.unlink(missing_ok=True)
        self.done = target
        return target

    def discard(self) -> None:
        """Remove what there is of this download."""
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _guarded(self) -> _Dropping:
        return _Dropping(self)


class _Dropping(Guarded):
    """As `Guarded`, and what could not be written leaves nothing behind: it may be what filled the disk."""

    __slots__ = ("partial",)

    def __init__(self, partial: Partial) -> None:
        super().__init__(partial._path)  # noqa: SLF001 - one class in two halves
        self.partial = partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            try:
                self.partial.validator = None
                self.partial.discard()
            except OSError:
                pass  # the first error is the one to tell
        super().__exit__(kind, error, trace)


def seal_blob(descriptor: int, source: Path, target: Path, *, scratch: Path) -> None:
    """Turn a fully written, verified file into a blob: synced, read-only, renamed, stamped.

    Raise `OSError`. A crash at any point leaves the old state or the whole blob; a missing stamp costs one
    hashing at the next use.
    """
    os.fsync(descriptor)
    if os.name != "nt":
        # Windows could not delete or replace a read-only file.
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o444)
    stamp = stamp_of(os.fstat(descriptor))
    make_directory(target.parent)
    source.replace(target)
    sync_directory(target.parent)
    write_small(stamp_path(target), stamp, scratch=scratch)


def settle(path: Path, digest: Digest, root: Path) -> bool:
    """Hash a blob whose stamp does not match: stamp it anew, or remove it. Call under the blob's lock."""
    if not path.exists():
        return False
    if is_whole(path, digest):
        write_small(stamp_path(path), stamp_of(path.stat()), scratch=root / "tmp")
        return True
    remove_blob(path)
    return False


def remove_blob(path: Path) -> None:
    """Remove a blob and its stamp, the stamp first: a stamp never outlives what it vouches for."""
    stamp_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
