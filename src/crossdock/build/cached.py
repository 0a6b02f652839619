"""Builds of pure source distributions, remembered in the store: the same source is built once."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from crossdock.build.pure import BuiltWheel, build_pure_directory, build_pure_sdist
from crossdock.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.store import Store

#: Raised when a change of ours makes other wheels of the same source.
_FORM = 1


def sdist(
    store: Store, blob: Path, filename: str, digest: Digest, tools: BuildTools, *, python: str
) -> BuiltWheel:
    """Return the pure wheel of the source distribution `blob`, from the store if it was built before."""
    from crossdock.archive.sdist import Sdist  # only for what is not built yet

    key = f"{digest}-{_FORM}"
    known = store.get_fact("built", key)
    if isinstance(known, list):
        wheel = store.blob(Digest("sha256", known[1]))
        if wheel is not None:
            return BuiltWheel(filename=known[0], content=wheel.read_bytes())
    with (
        store.locked(f"build-{digest.hex}"),
        blob.open("rb") as file,
    ):
        # Not closed here: a refusal's traceback still holds views of it, and closing would hide the refusal.
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        built = build_pure_sdist(Sdist.open(buffer, filename), tools, python=python)
    store.ingest(Digest("sha256", built.sha256), (built.content,), len(built.content))
    store.put_fact("built", key, [built.filename, built.sha256])
    return built


def directory(path: Path, tools: BuildTools, *, python: str) -> BuiltWheel:
    """Return the pure wheel of a source tree; never remembered, since a tree changes."""
    return build_pure_directory(path, tools, python=python)
