"""Looking after the store: what is in it, what is damaged, what nobody used for long."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from crossdock.digest import Digest
from crossdock.errors import CrossdockError
from crossdock.store.blobs import is_whole, remove_blob, stamp_path
from crossdock.store.durable import Guarded
from crossdock.store.logs import FOLDER
from crossdock.store.sealed import read_sealed
from crossdock.store.trees import discard, remove_tree, tree_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crossdock.store.core import Store

#: Beside running processes nothing younger than this is removed, in seconds: what they hold a path of, they
#: looked up since.
BUSY_AGE = 24 * 3600


class StoreInfo(NamedTuple):
    """What a store holds; sizes in bytes as the files say (not disk blocks)."""

    root: Path
    blobs: int
    blob_bytes: int
    trees: int
    tree_bytes: int
    facts: int
    partials: int
    partial_bytes: int
    logs: int
    log_bytes: int
    temporary: bool


class Verified(NamedTuple):
    """What `verify` looked at, and the damaged ones by their path below the root."""

    blobs: int
    trees: int
    facts: int
    size: int
    damaged: tuple[str, ...]
    healed: bool


class Pruned(NamedTuple):
    """What `prune` removed; `busy` says that other processes ran, so that only what is old was touched."""

    removed: int
    freed: int
    kept_bytes: int
    busy: bool


class _Item(NamedTuple):
    path: Path
    used: float
    size: int
    kind: str


def info(store: Store) -> StoreInfo:
    """Count; see `Store.info`."""
    items = list(_items(store.root))

    def total(kind: str) -> tuple[int, int]:
        sizes = [item.size for item in items if item.kind == kind]
        return len(sizes), sum(sizes)

    blobs, trees, partials, logs = total("blob"), total("tree"), total("partial"), total("log")
    return StoreInfo(
        root=store.root,
        blobs=blobs[0],
        blob_bytes=blobs[1],
        trees=trees[0],
        tree_bytes=trees[1],
        facts=total("fact")[0],
        partials=partials[0],
        partial_bytes=partials[1],
        logs=logs[0],
        log_bytes=logs[1],
        temporary=store.temporary,
    )


def verify(store: Store, *, heal: bool, provers: Mapping[str, Callable[[str, Path], bool]]) -> Verified:
    """Check everything; see `Store.verify`."""
    counts = {"blob": 0, "tree": 0, "fact": 0, "partial": 0, "log": 0}
    size = 0
    damaged = []
    for item in _items(store.root):
        counts[item.kind] += 1
        size += item.size
        if not _is_good(item, provers):
            damaged.append(item.path.relative_to(store.root).as_posix())
            if heal:
                _remove(store, item)
    return Verified(
        blobs=counts["blob"],
        trees=counts["tree"],
        facts=counts["fact"],
        size=size,
        damaged=tuple(sorted(damaged)),
        healed=heal and bool(damaged),
    )


def _is_good(item: _Item, provers: Mapping[str, Callable[[str, Path], bool]]) -> bool:
    if item.kind == "blob":
        try:
            digest = Digest(item.path.parent.parent.name, item.path.name)
        except CrossdockError:
            return False
        return is_whole(item.path, digest)
    if item.kind == "fact":
        return read_sealed(item.path) is not None
    if item.kind == "tree":
        stamp = read_sealed(tree_stamp(item.path))
        prover = provers.get(item.path.parent.name)
        if not isinstance(stamp, list) or not stamp:
            return False
        return prover is None or prover(str(stamp[0]), item.path)
    return True


def prune(store: Store, *, older_than: float | None, max_size: int | None) -> Pruned:
    """Remove what is old; see `Store.prune`."""
    alone = store.presence.alone()
    try:
        now = time.time()
        items = sorted(_items(store.root), key=lambda item: item.used)
        left = sum(item.size for item in items)
        removed = freed = 0
        for item in items:
            age = now - item.used
            too_old = older_than is not None and age >= older_than
            too_much = max_size is not None and left > max_size
            if not (too_old or too_much) or not (alone or age > BUSY_AGE):
                continue
            if _remove(store, item):
                removed += 1
                freed += item.size
                left -= item.size
        _sweep(store.root, now if alone else now - BUSY_AGE)
    finally:
        store.presence.share()
    return Pruned(removed=removed, freed=freed, kept_bytes=left, busy=not alone)


def _sweep(root: Path, before: float) -> None:
    """Remove what killed processes left in the scratch folder."""
    for path in (root / "tmp").iterdir():
        try:
            if path.lstat().st_mtime > before:
                continue
            if path.is_dir() and not path.is_symlink():
                discard(path, quietly=True)
            else:
                path.unlink(missing_ok=True)
        except OSError:
            continue


def _remove(store: Store, item: _Item) -> bool:
    """Remove one item under its lock; False when somebody is at work on it."""
    with Guarded(item.path, "remove"):
        if item.kind in {"fact", "log"}:
            item.path.unlink(missing_ok=True)
            return True
        name = {
            "blob": f"blob-{item.path.name[:40]}",
            "tree": f"tree-{item.path.parent.name}-{item.path.name}",
            "partial": f"blob-{item.path.name.partition('-')[2][:40]}",
        }[item.kind]
        lock = store.locked(name)
        if not lock.try_enter():
            return False
        try:
            if item.kind == "blob":
                remove_blob(item.path)
            elif item.kind == "tree":
                remove_tree(store, item.path)
            else:
                item.path.unlink(missing_ok=True)
                item.path.with_name(item.path.name + ".json").unlink(missing_ok=True)
        finally:
            lock.__exit__(None, None, None)
    return True


def _items(root: Path) -> Iterator[_Item]:
    for path in _files(root / "blobs"):
        if path.suffix != ".stamp":
            yield _item(path, "blob", stamp_path(path))
    for path in _files(root / "facts"):
        yield _item(path, "fact", path)
    for path in _files(root / "partial"):
        if path.suffix != ".json":
            yield _item(path, "partial", path)
    for path in _files(root / FOLDER):
        yield _item(path, "log", path)
    for kind in sorted((root / "trees").iterdir()):
        for path in sorted(kind.iterdir()):
            if path.is_dir():
                size = sum(file.lstat().st_size for file in _files(path))
                yield _item(path, "tree", tree_stamp(path))._replace(size=size)


def _item(path: Path, kind: str, clock: Path) -> _Item:
    """Describe one item; `clock` is the file whose time says when it was last used."""
    try:
        status = path.lstat()
        used = clock.lstat().st_mtime if clock.exists() else status.st_mtime
    except FileNotFoundError:
        # Another process removed it just now.
        return _Item(path, 0.0, 0, kind)
    return _Item(path, used, status.st_size, kind)


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield type(folder)(where, name)
