"""Package URLs: names of packages that scanners and vulnerability databases look things up by (purl-spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.digest import Digest

#: Characters that stand for themselves; `:` too, but not in what a `?` or `@` would end.
_PLAIN = "-._~"


def purl(
    kind: str,
    name: str,
    version: str = "",
    *,
    namespace: str = "",
    qualifiers: Mapping[str, str] | None = None,
) -> str:
    """Return a package URL in canonical form: qualifiers sorted, empty ones left out, all parts encoded."""
    parts = [kind, *(quote(part, safe=_PLAIN) for part in (*namespace.split("/"), name) if part)]
    text = "pkg:" + "/".join(parts)
    if version:
        text += "@" + quote(version, safe=_PLAIN)
    found = [
        f"{key}={quote(value, safe=_PLAIN + '/:')}"
        for key, value in sorted((qualifiers or {}).items())
        if value
    ]
    return text + ("?" + "&".join(found) if found else "")


def pypi_purl(name: str, version: str, *, filename: str = "", download_url: str = "") -> str:
    """Return the URL of a Python package; `name` is normalised here as the type `pypi` asks for.

    `filename` tells which of a release's files it is. `download_url` is given for what is not from an index.
    """
    bare = name.lower().replace("_", "-")
    return purl("pypi", bare, version, qualifiers={"file_name": filename, "download_url": download_url})


def debian_purl(name: str, version: str, *, architecture: str, distribution: str) -> str:
    """Return the URL of a binary package of Debian; `distribution` is a suite such as `bookworm`."""
    return purl(
        "deb",
        name.lower(),
        version,
        namespace="debian",
        qualifiers={"arch": architecture, "distro": distribution},
    )


def image_purl(
    name: str, digest: Digest, *, repository: str = "", tag: str = "", architecture: str = ""
) -> str:
    """Return the URL of an image: by digest, with the repository and the tag that it was found by."""
    return purl(
        "oci",
        name.rpartition("/")[2].lower(),
        str(digest),
        qualifiers={"repository_url": repository, "tag": tag, "arch": architecture},
    )
