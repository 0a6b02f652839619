"""Project pages of a package index, read strictly: PEP 691 JSON and PEP 503 HTML, and flat pages of links."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from crossdock.digest import ALGORITHMS
from crossdock.errors import FetchError
from crossdock.net.url import Url, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")
_HASH = re.compile(r"(?P<name>[a-z0-9]+)=(?P<hex>[0-9a-fA-F]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """One file of a project as an index offers it. `hashes` holds accepted algorithms only."""

    filename: str
    url: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    requires_python: str | None = None
    #: The reason (possibly empty) when the file is yanked, else None (PEP 592).
    yanked: str | None = None
    #: ISO 8601, as the index says it (PEP 700).
    upload_time: str | None = None
    #: Hashes of the `.metadata` file (PEP 658, 714); empty: offered without one; None: not offered.
    core_metadata: Mapping[str, str] | None = None
    #: Where its provenance is told (PEP 740), None where the index knows of none.
    provenance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What an index says about a project. `status` is PEP 792's (`active`, `quarantined`, ...)."""

    files: tuple[ProjectFile, ...]
    status: str = "active"
    reason: str = ""


def normalize_name(name: str) -> str:
    """Return a project's name as indexes spell it in URLs (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def belongs(filename: str, name: str) -> bool:
    """Tell whether a wheel or sdist is of the project with this normalized name."""
    if filename.endswith(".whl"):
        return normalize_name(filename.partition("-")[0]) == name
    stem = next((filename[: -len(end)] for end in _ARCHIVES if filename.endswith(end)), None)
    if stem is None:
        return False
    # Old sdists have hyphens in the name: any cut may be the right one (PEP 625 ended that).
    cuts = [cut for cut, letter in enumerate(stem) if letter == "-"]
    return any(normalize_name(stem[:cut]) == name and stem[cut + 1 : cut + 2].isdigit() for cut in cuts)


def parse_page(body: bytes, *, content_type: str, url: str) -> ProjectPage:
    """Read a project page that came from `url`; raise `FetchError` (`E-INDEX-PAGE`) when it is malformed."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return _parse_json(body, url)
    return _parse_html(body, url)


def file_at(url: str) -> ProjectFile | None:
    """Return the file that a URL (with an optional hash fragment) names, None when it names no archive."""
    plain, fragment = urldefrag(url)
    # Unquoted once, and then a plain name or nothing: CVE-2026-13346 in pip came from a second time.
    filename = unquote(urlsplit(plain).path.rpartition("/")[2])
    if not _is_plain(filename) or not filename.endswith(_ARCHIVES):
        return None
    found = _HASH.fullmatch(fragment)
    hashes = _accepted({found["name"]: found["hex"]}) if found else {}
    return ProjectFile(filename=filename, url=plain, hashes=hashes)


def _is_plain(filename: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", filename) is not None and ".." not in filename


def _accepted(hashes: Any) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return {
        name: value.lower()
        for name, value in hashes.items()
        if name in ALGORITHMS
        and isinstance(value, str)
        and len(value) == ALGORITHMS[name]
        and re.fullmatch(r"[0-9a-fA-F]+", value)
    }


# JSON (PEP 691, 700, 714, 792)


def _parse_json(body: bytes, url: str) -> ProjectPage:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed(url, "not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("files"), list):
        raise _malformed(url, "no list of files")
    meta = document.get("meta")
    version = str(meta.get("api-version", "1.0")) if isinstance(meta, dict) else "1.0"
    # PEP 691: clients must fail on a major version they do not know.
    if version.partition(".")[0] != "1":
        raise _malformed(url, f"its api-version is `{version[:20]}`, 1.x is understood")
    status = document.get("project-status")
    status = status if isinstance(status, dict) else {}
    files = [found for entry in document["files"] if (found := _json_file(entry, url)) is not None]
    return ProjectPage(
        files=tuple(files), status=_text(status.get("status")) or "active", reason=_text(status.get("reason"))
    )


def _json_file(entry: Any, url: str) -> ProjectFile | None:
    if not isinstance(entry, dict):
        raise _malformed(url, "an entry of `files` is not a table")
    filename, place = entry.get("filename"), entry.get("url")
    if not isinstance(filename, str) or not isinstance(place, str) or not _is_plain(filename):
        return None
    target = _linked(url, place)
    if target is None or not filename.endswith(_ARCHIVES):
        return None
    size = entry.get("size")
    return ProjectFile(
        filename=filename,
        url=urldefrag(target)[0],
        hashes=_accepted(entry.get("hashes")),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        requires_python=_text(entry.get("requires-python")) or None,
        yanked=_yanked(entry.get("yanked")),
        upload_time=_text(entry.get("upload-time")) or None,
        core_metadata=_core_metadata(entry.get("core-metadata", entry.get("dist-info-metadata"))),
        provenance=_text(entry.get("provenance")) or None,
    )


def _yanked(value: Any) -> str | None:
    return value if isinstance(value, str) else ("" if value is True else None)


def _core_metadata(value: Any) -> Mapping[str, str] | None:
    return _accepted(value) if isinstance(value, dict) else ({} if value is True else None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# HTML (PEP 503, 592, 658)


def _parse_html(body: bytes, url: str) -> ProjectPage:
    reader = _Links(url)
    # HTML's own rule for a missing or wrong encoding; names and hashes are ASCII anyway.
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    if not reader.is_html:
        raise _malformed(url, "neither HTML nor JSON")
    files = [found for link in reader.links if (found := _html_file(link, reader.base)) is not None]
    return ProjectPage(files=tuple(files), status=reader.status, reason=reader.reason)


def _html_file(attributes: Mapping[str, str], base: str) -> ProjectFile | None:
    target = _linked(base, attributes["href"])
    found = file_at(target) if target is not None else None
    if found is None:
        return None
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    core: Mapping[str, str] | None = None
    if metadata is not None and metadata != "false":
        match = _HASH.fullmatch(metadata)
        core = _accepted({match["name"]: match["hex"]}) if match else {}
    return ProjectFile(
        filename=found.filename,
        url=found.url,
        hashes=found.hashes,
        requires_python=attributes.get("data-requires-python") or None,
        yanked=attributes.get("data-yanked"),
        core_metadata=core,
        provenance=attributes.get("data-provenance") or None,
    )


class _Links(HTMLParser):
    """Collects anchors and the few other tags that mean something."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = url
        self.links: list[dict[str, str]] = []
        self.status = "active"
        self.reason = ""
        self.is_html = False
        self._url = url
        self._based = False

    def handle_decl(self, decl: str) -> None:
        self.is_html = self.is_html or decl.lower().startswith("doctype html")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_html = True
        attributes = {key: value or "" for key, value in attrs}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes)
        elif tag == "base" and "href" in attributes and not self._based:
            self._based = True
            self._rebase(attributes["href"])
        elif tag == "meta":
            content = attributes.get("content", "")
            if attributes.get("name") == "pypi:project-status":
                self.status = content
            elif attributes.get("name") == "pypi:project-status-reason":
                self.reason = content

    def _rebase(self, href: str) -> None:
        """Take a `<base>` on the page's own origin; another one would redirect every link at once."""
        target = _linked(self._url, href)
        if target is not None and Url.parse(target).origin == Url.parse(self._url).origin:
            self.base = target


def _linked(base: str, href: str) -> str | None:
    """Resolve a link; None for other schemes, malformed URLs, and files on this disk named by a web page."""
    try:
        joined = urljoin(base, href.strip())
        target = Url.parse(joined)
    except (ValueError, FetchError):
        return None
    return None if target.scheme == "file" and not base.startswith("file:") else joined


def _malformed(url: str, what: str) -> FetchError:
    return FetchError(
        f"`{redact(url)}` is not a project page: {what}",
        code="E-INDEX-PAGE",
        hint="check the index URL: it usually ends in `/simple`",
    )
