"""The store: everything crossdock keeps on this disk, shared by all its processes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import StoreError
from crossdock.store.blobs import Partial, blob_path, is_stamped, is_whole, seal_blob, settle
from crossdock.store.durable import Guarded, make_directory, open_new, store_error, write_all, write_small
from crossdock.store.locks import Lock, Presence
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from crossdock.digest import Digest
    from crossdock.store.report import Pruned, StoreInfo, Verified

_FOLDERS = ("blobs", "facts", "locks", "partial", "tmp", "trees")
#: Bytes that are gathered before they are written.
_GATHERED = 1 << 20
_KIND = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")

#: <https://bford.info/cachedir/>: backup programs skip the directory.
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# crossdock's store; safe to delete.\n"


def default_root(environ: Mapping[str, str], *, platform: str) -> Path | None:
    """Return where the store lies by the platform's custom (`platform` as in `sys.platform`), None without a home.

    `CROSSDOCK_STORE` says it outright; else `XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`,
    `%LOCALAPPDATA%`.
    """
    if explicit := environ.get("CROSSDOCK_STORE"):
        return Path(explicit)
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local, "crossdock", "store") if local else None
    home = environ.get("HOME", "")
    if platform == "darwin":
        return Path(home, "Library", "Caches", "crossdock") if home.startswith("/") else None
    # XDG base directory specification: a relative path is to be ignored.
    if (cache := environ.get("XDG_CACHE_HOME", "")).startswith("/"):
        return Path(cache, "crossdock")
    return Path(home, ".cache", "crossdock") if home.startswith("/") else None


def boot_identity() -> str | None:
    """Return what changes at every start of this machine, or None where the system does not say (not Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None


class Composed:
    """What a blob is written to by `Store.compose`."""

    __slots__ = ("_descriptor", "_pieces", "_waiting")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: list[bytes] = []
        self._waiting = 0

    def write(self, data: bytes, /) -> None:
        """Take the next bytes; small ones are gathered, since each call of the system costs."""
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        write_all(self._descriptor, b"".join(self._pieces))
        self._pieces.clear()
        self._waiting = 0


class Store:
    """Blobs by digest, facts and trees by kind and key. Safe for many threads and processes at once.

    `Store.open` is the way to get one.
    """

    def __init__(
        self,
        root: Path,
        *,
        boot: Callable[[], str | None] = boot_identity,
        lower: Path | None = None,
        temporary: bool = False,
    ) -> None:
        self.root = root
        #: The private store is removed when the process ends.
        self.temporary = temporary
        self._boot = boot
        self._lower = lower
        self._scratch = root / "tmp"
        self._presence = Presence(root / "in-use")

    @classmethod
    def open(
        cls, root: Path | None, *, warn: Callable[[str], None], boot: Callable[[], str | None] = boot_identity
    ) -> Self:
        """Open the store at `root`, made when missing.

        Where that cannot be written, or is None, a private temporary store takes its place after one call of
        `warn`; blobs and facts of a store that may be read but not written are still used. Raise `StoreError`
        when not even a temporary directory can be made.
        """
        if root is None:
            warn(
                "no home directory for the store: using a temporary one, nothing is kept (set `CROSSDOCK_STORE`)"
            )
            return cls._open_temporary(lower=None, boot=boot)
        root = root.absolute()
        try:
            _prepare(root)
            return cls(root, boot=boot)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            warn(f"store `{root}` cannot be written ({reason}): using a temporary one, nothing is kept")
            return cls._open_temporary(lower=root, boot=boot)

    @classmethod
    def _open_temporary(cls, *, lower: Path | None, boot: Callable[[], str | None]) -> Self:
        # All three are of no use to a process that has its store.
        import atexit
        import shutil
        import tempfile

        try:
            root = Path(tempfile.mkdtemp(prefix="crossdock-store-"))
            _prepare(root)
        except OSError as error:
            raise store_error(error, error.filename or "temporary directory", "make a store in") from error
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        return cls(root, boot=boot, lower=lower, temporary=True)

    # Blobs

    def blob(self, digest: Digest) -> Path | None:
        """Return the path of a blob whose bytes are what `digest` says, or None.

        Verified on use: quickly by size, modification time and inode as recorded when it was last hashed,
        else by hashing. A damaged one is removed, so that the next download heals it.
        """
        path = blob_path(self.root, digest)
        if is_stamped(path):
            return path
        if path.exists():
            with Guarded(path), self.locked(_blob_lock(digest)):
                if settle(path, digest, self.root):
                    return path
        if self._lower is not None:
            below = blob_path(self._lower, digest)
            if is_stamped(below) or (below.exists() and is_whole(below, digest)):
                return below
        return None

    def ingest(self, digest: Digest, chunks: Iterable[bytes], size: int | None = None) -> Path:
        """Write a blob from `chunks` and return its path; reading stops one byte past `size`.

        Raise `StoreError`: `E-STORE-HASH` when the bytes are not what `digest` or `size` says (nothing is
        kept), or what the disk says (`E-STORE-FULL` and so on).
        """
        if found := self.blob(digest):
            return found
        temporary = self._scratch / f"blob-{os.urandom(8).hex()}"
        target = blob_path(self.root, digest)
        with Guarded(target):
            descriptor = open_new(temporary)
            try:
                _copy_verified(descriptor, digest, chunks, size)
                seal_blob(descriptor, temporary, target, scratch=self._scratch)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
        return target

    def compose(self, write: Callable[[Composed], Digest]) -> Path:
        """Write a blob whose digest is known only when it is written, and return its path.

        `write` gets something to write to, and returns the digest of all it wrote: it hashed the bytes as they
        went, and they are not hashed again. What it raises comes out, and nothing stays.
        """
        temporary = self._scratch / f"blob-{os.urandom(8).hex()}"
        with Guarded(temporary):
            descriptor = open_new(temporary)
            try:
                out = Composed(descriptor)
                digest = write(out)
                out.flush()
                if found := self.blob(digest):
                    temporary.unlink()
                    return found
                target = blob_path(self.root, digest)
                seal_blob(descriptor, temporary, target, scratch=self._scratch)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
        return target

    @property
    def scratch(self) -> Path:
        """A directory on the store's file system for files that nobody else sees."""
        return self._scratch

    def partial(self, digest: Digest, *, cancelled: Callable[[], bool] | None = None) -> Partial:
        """Return the one place where a blob is downloaded, resumable; see `Partial`."""
        return Partial(
            root=self.root, digest=digest, lock=self.locked(_blob_lock(digest), cancelled=cancelled)
        )

    # Facts

    def get_fact(self, kind: str, key: str) -> Any | None:
        """Return what `put_fact` kept, or None when there is nothing whole under this kind and key."""
        for root in (self.root, self._lower):
            record = None if root is None else read_sealed(_fact_path(root, kind, key))
            # The key is in the record, so a file that was renamed or copied tells nothing false.
            if isinstance(record, list) and record[:2] == [kind, key]:
                return record[2]
        return None

    def put_fact(self, kind: str, key: str, value: Any) -> None:
        """Keep a JSON value under a kind (`[a-z0-9.-]+`) and any key. Atomic; last writer wins."""
        path = _fact_path(self.root, kind, key)
        with Guarded(path):
            write_small(path, seal([kind, key, value]), scratch=self._scratch)

    def facts(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Give every key and value that was kept under a kind, in no order; what is damaged is passed over."""
        for root in (self.root, self._lower):
            folder = None if root is None else root / "facts" / _named(kind)
            for path in sorted(folder.glob("*/*.json")) if folder is not None and folder.is_dir() else ():
                record = read_sealed(path)
                if isinstance(record, list) and len(record) == 3 and record[0] == kind:  # noqa: PLR2004
                    yield record[1], record[2]

    # Trees

    def tree(
        self,
        kind: str,
        key: str,
        make: Callable[[Path], None],
        *,
        prove: Callable[[Path], bool] | None = None,
    ) -> Path:
        """Return a directory that `make` filled once, whole or not there at all.

        `make` gets an empty directory and runs in one process at a time; what it raises comes out, and
        nothing stays. Syncing thousands of files costs more than writing them, so a tree is trusted without
        that until the machine starts anew; then `prove` looks at it once (a power cut may have emptied files
        whose names survived), and a tree that fails, or that nobody can prove, is made again.
        """
        from crossdock.store.trees import provide_tree  # not every run has trees

        return provide_tree(self, _named(kind), key, make, prove=prove, boot=self._boot())

    def drop_tree(self, kind: str, key: str) -> None:
        """Remove a tree that its user found damaged, so that the next `tree` makes it anew."""
        from crossdock.store.trees import remove_tree, tree_path  # damaged ones are rare

        path = tree_path(self.root, _named(kind), key)
        with Guarded(path), self.locked(f"tree-{kind}-{path.name}"):
            remove_tree(self, path)

    def locked(self, name: str, *, cancelled: Callable[[], bool] | None = None) -> Lock:
        """Return a context manager: one holder at a time in all processes; gone with its process."""
        safe = name if _KIND.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:40]
        return Lock(self.root / "locks" / safe, cancelled=cancelled)

    # Housekeeping

    def info(self) -> StoreInfo:
        """Count what is in the store."""
        from crossdock.store.report import info  # `cache` commands only

        return info(self)

    def verify(
        self, *, heal: bool = False, provers: Mapping[str, Callable[[str, Path], bool]] | None = None
    ) -> Verified:
        """Hash every blob and check every fact and tree; with `heal`, remove what is damaged.

        `provers` maps a kind of tree to a function of its key and path that tells whether it is whole.
        """
        from crossdock.store.report import verify  # as above

        return verify(self, heal=heal, provers=provers or {})

    def prune(self, *, older_than: float | None = None, max_size: int | None = None) -> Pruned:
        """Remove what was not used for `older_than` seconds, then the longest unused down to `max_size` bytes.

        Safe beside running processes: while there are any, nothing used in the last day is touched.
        """
        from crossdock.store.report import prune  # as above

        return prune(self, older_than=older_than, max_size=max_size)

    @property
    def presence(self) -> Presence:
        """This process's mark in the store."""
        return self._presence

    def close(self) -> None:
        """Leave the store; only tests and long-lived programs need to."""
        self._presence.leave()


def _prepare(root: Path) -> None:
    """Make the store's folders, and prove that they can be written; raise `OSError`."""
    if not (root / "CACHEDIR.TAG").exists():
        make_directory(root)
        for name in _FOLDERS:
            make_directory(root / name)
        write_small(root / "CACHEDIR.TAG", _CACHE_TAG, scratch=root / "tmp")
        return
    for name in _FOLDERS:
        if not os.access(root / name, os.W_OK | os.X_OK):
            make_directory(root / name)
            _touch(root / name)


def _touch(folder: Path) -> None:
    probe = folder / f"probe-{os.urandom(8).hex()}"
    os.close(open_new(probe))
    probe.unlink()


def _blob_lock(digest: Digest) -> str:
    return f"blob-{digest.hex[:40]}"


def _named(kind: str) -> str:
    if not _KIND.fullmatch(kind):
        raise StoreError(
            f"not a kind that the store can name a folder by: `{kind[:80]}`", code="E-STORE-KIND"
        )
    return kind


def _fact_path(root: Path, kind: str, key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest()
    return root / "facts" / _named(kind) / name[:2] / f"{name[2:42]}.json"


def _copy_verified(descriptor: int, digest: Digest, chunks: Iterable[bytes], size: int | None) -> None:
    hasher = digest.hasher()
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if size is not None and total > size:
            raise StoreError(f"too long: more than {size} bytes for `{digest}`", code="E-STORE-HASH")
        hasher.update(chunk)
        write_all(descriptor, chunk)
    if size is not None and total != size:
        raise StoreError(f"short: {total} of {size} bytes for `{digest}`", code="E-STORE-HASH")
    if (found := hasher.hexdigest()) != digest.hex:
        raise StoreError(
            f"hash mismatch: expected `{digest}`, got `{digest.algorithm}:{found}`", code="E-STORE-HASH"
        )
