"""Trees: directories made once, renamed into place when whole, and proven again after the machine restarted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from crossdock.store.blobs import note_use
from crossdock.store.durable import (
    Guarded,
    make_directory,
    store_error,
    sync_directory,
    sync_tree,
    write_small,
)
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossdock.store.core import Store

#: Stands for the boot in the stamp of a tree that was synced file by file: good after any restart.
SYNCED = "synced"


def tree_path(root: Path, kind: str, key: str) -> Path:
    """Return where a tree lies."""
    return root / "trees" / kind / hashlib.sha256(key.encode()).hexdigest()[:40]


def tree_stamp(path: Path) -> Path:
    """Return where a tree's stamp lies: its key, and the boot in which it was last proven."""
    return path.with_name(path.name + ".json")


def provide_tree(
    store: Store,
    kind: str,
    key: str,
    make: Callable[[Path], None],
    *,
    prove: Callable[[Path], bool] | None,
    boot: str | None,
) -> Path:
    """Find, prove or make a tree; see `Store.tree`."""
    path = tree_path(store.root, kind, key)
    if _is_trusted(path, key, boot):
        note_use(tree_stamp(path))
        return path
    with Guarded(path):
        lock = store.locked(f"tree-{kind}-{path.name}")
        lock.__enter__()
    try:
        # Another process may have made it while we waited.
        if _is_trusted(path, key, boot) or _is_proven(store, path, key, boot, prove):
            return path
        _make(store, path, key, boot, make)
    finally:
        lock.__exit__(None, None, None)
    return path


def _is_trusted(path: Path, key: str, boot: str | None) -> bool:
    stamp = read_sealed(tree_stamp(path))
    if not isinstance(stamp, list) or len(stamp) != 2 or stamp[0] != key:  # noqa: PLR2004 - key and boot
        return False
    return (stamp[1] == SYNCED or (boot is not None and stamp[1] == boot)) and path.is_dir()


def _is_proven(
    store: Store, path: Path, key: str, boot: str | None, prove: Callable[[Path], bool] | None
) -> bool:
    if prove is None or not path.is_dir() or not prove(path):
        return False
    with Guarded(path):
        _trust(store, path, key, boot)
    return True


def _trust(store: Store, path: Path, key: str, boot: str | None) -> None:
    """Write the stamp of a tree that is whole as far as this boot can see."""
    if boot is None:
        sync_tree(path)
        sync_directory(path.parent)
    write_small(tree_stamp(path), seal([key, SYNCED if boot is None else boot]), scratch=store.root / "tmp")


def _make(store: Store, path: Path, key: str, boot: str | None, make: Callable[[Path], None]) -> None:
    # The name is our own while we hold the lock: what lies there was left by a process that was killed.
    temporary = store.root / "tmp" / f"tree-{path.parent.name}-{path.name}"
    with Guarded(temporary):
        remove_tree(store, path)
        discard(temporary)
        temporary.mkdir()
    try:
        _fill(temporary, make)
        with Guarded(path):
            make_directory(path.parent)
            temporary.rename(path)
            _trust(store, path, key, boot)
    except BaseException:
        discard(temporary, quietly=True)
        raise


def _fill(temporary: Path, make: Callable[[Path], None]) -> None:
    try:
        make(temporary)
    except OSError as error:
        raise store_error(error, error.filename or temporary) from error


def remove_tree(store: Store, path: Path) -> None:
    """Remove a tree: it vanishes from its name in one step, then file by file."""
    tree_stamp(path).unlink(missing_ok=True)
    if not path.exists():
        return
    going = store.root / "tmp" / f"gone-{path.parent.name}-{path.name}"
    discard(going)
    path.rename(going)
    discard(going)


def discard(path: Path, *, quietly: bool = False) -> None:
    """Delete a directory tree, whatever modes it has; a missing one is no error."""
    import shutil  # 8 ms, and a warm install deletes nothing

    if not path.exists():
        return
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        # A directory without write permission holds its files: open the modes and try once more.
        for folder in (path, *path.rglob("*")):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)
        shutil.rmtree(path, ignore_errors=quietly)
