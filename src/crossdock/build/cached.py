"""Builds of pure source distributions, remembered in the store: the same source is built once."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock import __version__
from crossdock.build.pure import BuiltWheel, Locked, build_pure_directory, build_pure_sdist
from crossdock.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.store import Store

#: Raised when a change of ours makes other wheels of the same source.
_FORM = 2


def sdist(
    store: Store,
    blob: Path,
    filename: str,
    digest: Digest,
    tools: BuildTools,
    *,
    python: str,
    version: tuple[int, int],
    locked: Locked | None = None,
) -> BuiltWheel:
    """Return the pure wheel of the source distribution `blob`, from the store if it was built before.

    `python` is the interpreter that builds and `version` the target's, for which it stands. What else decides
    is in the key too: the date for reproducible builds, and our own version.
    """
    key = f"{_FORM} {__version__} {digest} {version} {python} {tools.source_date_epoch} {locked}"
    known = _known(store, key)
    if known is not None:
        return known
    with store.locked(f"build-{digest.hex}"):
        # Another process may have built it while we waited.
        built = _known(store, key)
        if built is None:
            with _log(store, filename, key) as log:
                built = _build(blob, filename, tools, python=python, log=log, locked=locked)
        _keep(store, key, built)
    return built


def _known(store: Store, key: str) -> BuiltWheel | None:
    known = store.get_fact("built", key)
    if not isinstance(known, list):
        return None
    wheel = store.blob(Digest("sha256", known[1]))
    return None if wheel is None else BuiltWheel(filename=known[0], content=wheel.read_bytes())


@contextmanager
def _log(store: Store, what: str, key: str) -> Iterator[Path]:
    """Give the place of an empty log; it stays, if not empty, and not with a temporary store after a build that is well."""
    from crossdock.store.logs import log_directory  # only for what is not built yet

    name = re.sub(r"[^A-Za-z0-9._-]+", "_", what)[:100]
    log = log_directory(store) / f"{name}-{Digest.of(key.encode()).hex[:10]}.log"
    log.write_bytes(b"")
    try:
        yield log
    except BaseException:
        if not log.stat().st_size:
            log.unlink()
        raise
    if store.temporary:
        shutil.rmtree(log.parent, ignore_errors=True)


def _build(
    blob: Path, filename: str, tools: BuildTools, *, python: str, log: Path, locked: Locked | None
) -> BuiltWheel:
    from crossdock.archive.sdist import Sdist  # only for what is not built yet
    from crossdock.store.mapped import mapped

    sdist = Sdist.open(mapped(blob), filename, source_tree=locked is not None and locked.is_tree)
    return build_pure_sdist(sdist, tools, python=python, log=log, locked=locked)


def directory(
    store: Store,
    path: Path,
    tools: BuildTools,
    *,
    python: str,
    version: tuple[int, int],
    locked: Locked | None = None,
) -> BuiltWheel:
    """Return the pure wheel of a source tree, from the store if the same files were built before.

    `python` and `version` are as for `sdist`. A tree with links that lead out of it is built every time.
    """
    from crossdock.build.tree import source_tree, tree_digest

    digest = tree_digest(source_tree(path), path)
    what = path.resolve().name
    if digest is None:
        with _log(store, what, str(path)) as log:
            return build_pure_directory(path, tools, python=python, log=log, locked=locked)
    key = f"{_FORM} {__version__} tree {digest} {version} {python} {tools.source_date_epoch} {locked}"
    known = _known(store, key)
    if known is not None:
        return known
    with store.locked(f"build-{digest.hex}"):
        built = _known(store, key)
        if built is None:
            with _log(store, what, key) as log:
                built = build_pure_directory(path, tools, python=python, log=log, locked=locked)
            if tree_digest(source_tree(path), path) == digest:  # else somebody wrote into it meanwhile
                _keep(store, key, built)
    return built


def _keep(store: Store, key: str, built: BuiltWheel) -> None:
    store.ingest(Digest("sha256", built.sha256), (built.content,), len(built.content))
    store.put_fact("built", key, [built.filename, built.sha256])
