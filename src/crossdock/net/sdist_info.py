"""PKG-INFO of a source distribution on an index: fetched, read, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.digest import Digest

if TYPE_CHECKING:
    from crossdock.net.http import Http
    from crossdock.net.pages import ProjectFile
    from crossdock.store import Store


def pkg_info_of(file: ProjectFile, store: Store, http: Http) -> bytes | None:
    """Return PKG-INFO of a source distribution that an index lists; None if the index gives no accepted hash.

    Raises `FetchError` and `ArchiveError`.
    """
    from crossdock.archive.sdist import Sdist
    from crossdock.store.mapped import mapped

    digest = Digest.strongest(file.hashes)
    if digest is None:
        return None
    path = store.blob(digest) or http.download(file.url, digest=digest, size=file.size, store=store)
    return Sdist.open(mapped(path), file.filename).pkg_info
