"""The pages of a static package index: PEP 503's HTML and PEP 691's JSON, the same bytes for the same distributions.

A static server cannot negotiate what it answers, so the JSON of `simple/NAME/` lies beside its HTML, as `index.json`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.version import Version

    from crossdock.ship.wheelhouse.model import Distribution

HTML, JSON = "index.html", "index.json"
#: PEP 740 is what is newest of what these pages say.
API_VERSION = "1.3"

_PAGE = """\
<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <meta name="pypi:repository-version" content="{version}">
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
{links}  </body>
</html>
"""


def project_html(name: str, files: Iterable[Distribution]) -> bytes:
    """Return the HTML page of a project, `simple/NAME/index.html`; URLs are relative to it.

    Source: simple repository API, with PEP 592 (yanked), 658 and 714 (metadata), 740 (provenance).
    """
    links = "".join(f"    {_link(file)}<br>\n" for file in in_order(files))
    return _PAGE.format(version=API_VERSION, title=f"Links for {escape(name)}", links=links).encode()


def project_json(name: str, files: Iterable[Distribution]) -> bytes:
    """Return the JSON page of a project, `simple/NAME/index.json` (PEP 691, 700, 714, 740)."""
    listed = in_order(files)
    versions = sorted({file.version for file in listed}, key=_version)
    return _document({"name": name, "versions": versions, "files": [_entry(file) for file in listed]})


def root_html(names: Iterable[str]) -> bytes:
    """Return the HTML page of all projects, `simple/index.html`."""
    links = "".join(f'    <a href="{escape(name)}/">{escape(name)}</a><br>\n' for name in sorted(names))
    return _PAGE.format(version=API_VERSION, title="Simple index", links=links).encode()


def root_json(names: Iterable[str]) -> bytes:
    """Return the JSON page of all projects, `simple/index.json`."""
    return _document({"projects": [{"name": name} for name in sorted(names)]})


def in_order(files: Iterable[Distribution]) -> Sequence[Distribution]:
    """Return distributions by version, then by file name."""
    return sorted(files, key=lambda file: (_version(file.version), file.filename))


def file_url(file: Distribution) -> str:
    """Return where a distribution lies, seen from the page of its project."""
    return f"../../{quote(file.path)}"


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    from packaging.version import Version

    return Version(text)


def _link(file: Distribution) -> str:
    attributes = {"href": f"{file_url(file)}#sha256={file.sha256}"}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.metadata:
        # Both names: PEP 714 tells why clients older than it look for the second.
        attributes["data-core-metadata"] = f"sha256={file.metadata}"
        attributes["data-dist-info-metadata"] = f"sha256={file.metadata}"
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.provenance:
        attributes["data-provenance"] = file.provenance
    words = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {words}>{escape(file.filename)}</a>"


def _entry(file: Distribution) -> dict[str, Any]:
    found: dict[str, Any] = {
        "filename": file.filename,
        "url": file_url(file),
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "yanked": file.yanked or file.yanked is not None,
    }
    if file.requires_python:
        found["requires-python"] = file.requires_python
    if file.upload_time:
        found["upload-time"] = file.upload_time
    if file.metadata:
        found["core-metadata"] = found["dist-info-metadata"] = {"sha256": file.metadata}
    if file.provenance:
        found["provenance"] = file.provenance
    return found


def _document(content: dict[str, Any]) -> bytes:
    document = {"meta": {"api-version": API_VERSION}, **content}
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
