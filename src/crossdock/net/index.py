"""The package index: which files there are of a project. The first index that has the name wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.net.families import IndexSource
from crossdock.net.local import local_path
from crossdock.net.pages import ProjectFile, ProjectPage, belongs, file_at, normalize_name, parse_page
from crossdock.net.url import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from crossdock.net.http import Http

__all__ = ["Index", "ProjectFile"]

#: The largest project pages are some 10 MB of HTML.
PAGE_LIMIT = 64 * 1024 * 1024

#: A METADATA file with a long README in it.
METADATA_LIMIT = 8 * 1024 * 1024

# PEP 691: JSON is preferred, and an index without it ignores the header.
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


class Index:
    """Looks projects up in indexes, in order, and in `find-links` places beside them."""

    def __init__(
        self, http: Http, indexes: Sequence[IndexSource | str], find_links: Iterable[str] = ()
    ) -> None:
        self._http = http
        self._indexes = [IndexSource(url=item) if isinstance(item, str) else item for item in indexes]
        self._links = [*find_links, *(item.url for item in self._indexes if item.flat)]
        self._pages: dict[str, ProjectPage] = {}

    def files(self, name: str) -> tuple[ProjectFile, ...]:
        """Return the files of a project: the first index's that has it, and what `find-links` places hold.

        Raise `FetchError`: `E-INDEX-UNKNOWN` when nobody has it, `E-INDEX-QUARANTINED` when the index took
        it out of circulation, `E-INDEX-PAGE` for a malformed page.
        """
        wanted = normalize_name(name)
        page = self._first_page(wanted)
        linked = [file for place in self._links for file in self._flat(place).files]
        found = [*linked, *(page.files if page is not None else ())]
        files = tuple(file for file in found if belongs(file.filename, wanted))
        if page is None and not files:
            raise FetchError(
                f"no index has `{wanted}`",
                code="E-INDEX-UNKNOWN",
                places=[redact(index.url) for index in self._indexes]
                + [redact(item) for item in self._links],
            )
        return files

    def metadata(self, file: ProjectFile) -> bytes | None:
        """Return a wheel's METADATA as the index serves it beside the file (PEP 658), None if it does not.

        Checked against the hash that the index gives. Raise `FetchError` (`E-FETCH-HASH`).
        """
        if file.core_metadata is None:
            return None
        url = f"{file.url}.metadata"
        body = self._http.get(url, limit=METADATA_LIMIT).body
        digest = Digest.strongest(file.core_metadata)
        if digest is not None and (found := Digest.of(body, digest.algorithm)) != digest:
            raise FetchError(
                f"hash mismatch for `{redact(url)}`: expected `{digest}`, got `{found}`", code="E-FETCH-HASH"
            )
        return body

    def _first_page(self, name: str) -> ProjectPage | None:
        # The first index that has the name, and no other: dependency confusion lives on merging them.
        for index in self._indexes:
            if index.flat:
                continue
            page = self._project_page(index.url, name)
            if page is None:
                continue
            # PEP 792: quarantined files must not be installed.
            if page.status == "quarantined":
                raise FetchError(
                    f"`{name}` is quarantined by its index"
                    + (f": {page.reason[:200]}" if page.reason else ""),
                    code="E-INDEX-QUARANTINED",
                    hint="it is suspected of being harmful; do not use it",
                )
            return page
        return None

    def _project_page(self, base: str, name: str) -> ProjectPage | None:
        local = local_path(base)
        if local is not None:
            page = local / name / "index.html"
            return self._local(page if page.is_file() else local / name)
        url = f"{base.rstrip('/')}/{name}/"
        answer = self._http.get(url, limit=PAGE_LIMIT, accept=_ACCEPT, ok=frozenset({200, 404, 410}))
        if answer.status != 200:  # noqa: PLR2004 - this index does not have it
            return None
        return parse_page(
            answer.body, content_type=answer.headers.get("content-type", "text/html"), url=answer.url
        )

    def _flat(self, place: str) -> ProjectPage:
        """Read a `find-links` place once: a directory, a file, or a page of links."""
        if place not in self._pages:
            local = local_path(place)
            page = self._local(local) if local is not None else self._remote_flat(place)
            self._pages[place] = page or ProjectPage(files=())
        return self._pages[place]

    def _remote_flat(self, place: str) -> ProjectPage:
        single = file_at(place)
        if single is not None:
            return ProjectPage(files=(single,))
        answer = self._http.get(place, limit=PAGE_LIMIT, accept="text/html")
        return parse_page(answer.body, content_type="text/html", url=answer.url)

    def _local(self, path: Path) -> ProjectPage | None:
        path = path.absolute()
        if path.is_dir():
            return ProjectPage(files=tuple(_listed(path)))
        if path.suffix in {".html", ".htm"} and path.is_file():
            return parse_page(path.read_bytes(), content_type="text/html", url=path.as_uri())
        single = file_at(path.as_uri()) if path.is_file() else None
        return ProjectPage(files=(single,)) if single is not None else None


def _listed(folder: Path) -> Iterator[ProjectFile]:
    for path in sorted(folder.iterdir()):
        file = file_at(path.as_uri()) if path.is_file() else None
        if file is not None:
            yield ProjectFile(filename=file.filename, url=file.url, size=path.stat().st_size)
