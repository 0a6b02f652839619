"""What goes out in a request and comes back in an answer: streams, read within bounds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.errors import FetchError
from crossdock.net.attempts import Transient, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from crossdock.net.url import Url

#: Bytes asked for at once: large enough that hashing and writing dominate, small enough for a progress bar.
CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer: lower-case header names, the decoded body, and the URL it came from in the end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A request's body that is not in memory: `length` bytes, and how to get them from the start, again if need be.

    What `chunks` raises comes out of `Http.open` as it is, except `OSError`, which is taken for the network's.
    """

    length: int
    chunks: Callable[[], Iterator[bytes]]


class Exchange:
    """One answer being read. Network failures come out as `Transient` or `FetchError`."""

    def __init__(self, raw: Any, url: Url) -> None:
        self._raw = raw
        self.url = url
        self.status: int = raw.status
        self.headers: Mapping[str, str] = {key.lower(): value for key, value in raw.headers.items()}
        if len(asked := raw.headers.getlist("www-authenticate")) > 1:
            # The one header that servers repeat (RFC 9110, 11.6.1).
            self.headers = {**self.headers, "www-authenticate": ", ".join(asked)}

    @property
    def length(self) -> int | None:
        """The announced length of this body, None when the server does not say."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def chunks(self) -> Iterator[bytes]:
        """Yield the body's bytes as they come over the wire (no content decoding)."""
        while True:
            try:
                chunk = self._raw.read(CHUNK, decode_content=False)
            except Exception as error:
                raise judge(expected(error), self.url) from error
            if not chunk:
                return
            yield chunk

    def read(self, limit: int) -> bytes:
        """Return the decoded body; raise `FetchError` (`E-FETCH-SIZE`) beyond `limit` bytes, packed or not."""
        data = bytearray()
        for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                raise _too_large(self.url, limit)
        if self.length is not None and len(data) < self.length:
            raise Transient(f"short: {len(data)} of {self.length} bytes")
        return _decoded(bytes(data), self.headers.get("content-encoding", ""), limit, self.url)

    def close(self) -> None:
        """Give the connection back: for reuse when the body was read to its end, else closed."""
        self._raw.close()
        self._raw.release_conn()


def _decoded(data: bytes, encoding: str, limit: int, url: Url) -> bytes:
    """Undo gzip or deflate, never beyond `limit`: a small body may hold a bomb."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return data
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise FetchError(
            f"cannot fetch `{url}`: unknown Content-Encoding `{encoding}`", code="E-FETCH-ENCODING"
        )
    try:
        unpacker = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, by its header
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise Transient(f"damaged {encoding} body ({error})") from error
    if len(plain) > limit:
        raise _too_large(url, limit)
    if not unpacker.eof:
        raise Transient(f"short {encoding} body")
    return plain


def _too_large(url: Url, limit: int) -> FetchError:
    return FetchError(f"`{url}` is larger than the limit of {limit} bytes", code="E-FETCH-SIZE")


def expected(error: Exception) -> Exception:
    """Pass what a network does on; a mistake of ours is not a network failure."""
    from urllib3.exceptions import HTTPError  # loaded by now

    if isinstance(error, (HTTPError, OSError)) or type(error).__module__ == "http.client":
        return error
    raise error
