"""Files that are on this machine already: `file://` URLs and plain paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossdock.net.url import Url

_CHUNK = 1 << 20


def local_path(text: str) -> Path | None:
    """Return the path that a `file://` URL or a plain path means, None for a URL of another scheme."""
    if text[:5].lower() == "file:":
        from urllib.parse import urlsplit  # plain paths do without
        from urllib.request import url2pathname  # heavy, and correct on every system

        parts = urlsplit(text)
        # RFC 8089: an empty host or localhost; another host would be a network share.
        if parts.netloc.lower() not in {"", "localhost"}:
            raise FetchError(
                f"`file://` URL with a host: `{text[:300]}`", code="E-FETCH-URL", hint="write `file:///path`"
            )
        return Path(url2pathname(parts.path))
    return None if "://" in text else Path(text)


def read_local(url: Url, limit: int) -> bytes:
    """Return a file's content; raise `FetchError` when missing or beyond `limit`."""
    path = local_path(url.text)
    if path is None:
        raise FetchError(f"not a file: `{url}`", code="E-FETCH-URL")
    data = bytearray()
    for chunk in read_chunks(path, lambda _count: None):
        data += chunk
        if len(data) > limit:
            raise FetchError(f"`{path}` is larger than the limit of {limit} bytes", code="E-FETCH-SIZE")
    return bytes(data)


def read_chunks(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yield a file's bytes; raise `FetchError` (`E-FETCH-FILE`) naming it when it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                progress(len(chunk))
                yield chunk
    except OSError as error:
        raise FetchError(
            f"cannot read `{path}`: {(error.strerror or str(error)).lower()}", code="E-FETCH-FILE"
        ) from error
