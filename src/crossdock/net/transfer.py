"""One file from a server into the store: streamed, checked, resumed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.errors import FetchError, StoreError
from crossdock.net.attempts import Attempts, Transient, check_cancelled
from crossdock.net.local import local_path, read_chunks
from crossdock.net.url import Url, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.net.http import Exchange, Http
    from crossdock.store import Partial, Store

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_ANSWERS = frozenset({200, 206, 416})


def download(
    http: Http,
    url: str,
    *,
    digest: Digest,
    size: int | None,
    store: Store,
    progress: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> Path:
    """Bring one file into the store; see `Http.download`."""
    if found := store.blob(digest):
        return found
    local = local_path(url)
    if local is not None:
        return _ingest_local(local, digest, size, store, progress)
    target = Url.parse(url)
    try:
        with store.partial(digest, cancelled=cancelled) as partial:
            if partial.done is not None:
                return partial.done
            return _Transfer(http, target, partial, size=size, progress=progress, cancelled=cancelled).run()
    except StoreError as error:
        if error.code == "E-STORE-CANCELLED":
            check_cancelled(cancelled)
        raise


def _ingest_local(
    path: Path, digest: Digest, size: int | None, store: Store, progress: Callable[[int], None]
) -> Path:
    try:
        return store.ingest(digest, read_chunks(path, progress), size)
    except StoreError as error:
        if error.code != "E-STORE-HASH":
            raise
        raise FetchError(f"`{path}`: {error.message}", code="E-FETCH-HASH", hint=_CHANGED) from error


_CHANGED = "the file is not the one that was locked: lock again if that is expected, else ask who changed it"


class _Transfer:
    """The tries for one file."""

    def __init__(
        self,
        http: Http,
        url: Url,
        partial: Partial,
        *,
        size: int | None,
        progress: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._http = http
        self._url = url
        self._partial = partial
        self._size = size
        self._progress = progress
        self._cancelled = cancelled
        #: The furthest byte reached: only beyond it is progress.
        self._reached = partial.offset
        #: Bytes of a former process are in the file: a mismatch is tried once more without them.
        self._inherited = partial.offset > 0
        self._encoding: str | None = None

    def run(self) -> Path:
        attempts = Attempts(self._http.settings, self._url, cancelled=self._cancelled)
        self._progress(self._partial.offset)
        while True:
            before = self._reached
            try:
                if self._size is None or self._partial.offset != self._size or not self._size:
                    self._receive()
                return self._commit()
            except Transient as failure:
                self._reached = max(before, self._partial.offset)
                attempts.failed(failure, progressed=self._reached > before)

    def _receive(self) -> None:
        with self._http.open("GET", self._url, headers=self._headers(), ok=_ANSWERS) as answer:
            end = self._begin(answer)
            try:
                for chunk in answer.chunks():
                    check_cancelled(self._cancelled)
                    self._take(chunk)
            except Transient as failure:
                known = end if end is not None else "unknown"
                where = f"at {self._partial.offset} of {known} bytes"
                raise Transient(f"{failure.reason} {where}", pause=failure.pause) from failure
            offset = self._partial.offset
            if end is not None and offset < end:
                raise Transient(f"short: {offset} of {end} bytes")

    def _headers(self) -> Mapping[str, str]:
        # The bytes as they are: a digest is of the file, not of somebody's compression of it.
        headers = {"Accept-Encoding": "identity"}
        partial = self._partial
        if self._size is not None and partial.offset > self._size:
            self._start(None)
        if partial.offset and partial.validator is not None:
            headers["Range"] = f"bytes={partial.offset}-"
            headers["If-Range"] = partial.validator
        return headers

    def _begin(self, answer: Exchange) -> int | None:
        """Judge the answer's head; return where the body ends as far as anybody knows."""
        self._encoding = answer.headers.get("content-encoding")
        if answer.status == 416:  # noqa: PLR2004 - Range Not Satisfiable: what we kept is not of this file
            self._start(None)
            raise Transient("the server cannot resume where the download stopped")
        if answer.status == 206:  # noqa: PLR2004 - Partial Content
            return self._check_range(answer)
        self._start(_validator(answer.headers))
        announced = answer.length
        if announced is not None and self._size is not None and announced > self._size:
            raise self._too_long(f"the server announces {announced}")
        return self._size if self._size is not None else announced

    def _check_range(self, answer: Exchange) -> int | None:
        # RFC 9110, 14.4; a 206 that is not exactly the rest would splice two files together.
        partial = self._partial
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        first, last, total = found.groups() if found else ("", "", "")
        end = int(total) if total.isdigit() else None
        good = (
            found is not None
            and partial.offset > 0
            and int(first) == partial.offset
            and (end is None or int(last) == end - 1)
            and (end is None or self._size is None or end == self._size)
        )
        if not good:
            self._start(None)
            raise Transient("the server sent another range than was asked for")
        return self._size if self._size is not None else end

    def _take(self, chunk: bytes) -> None:
        if self._size is not None and self._partial.offset + len(chunk) > self._size:
            raise self._too_long(f"more than {self._size} came")
        self._partial.append(chunk)
        self._progress(len(chunk))

    def _start(self, validator: str | None) -> None:
        if self._partial.offset:
            self._progress(-self._partial.offset)
        self._inherited = False
        self._partial.start(validator)

    def _too_long(self, what: str) -> FetchError:
        self._start(None)
        return FetchError(
            f"cannot fetch `{self._url}`: too long: {what}, the lock says {self._size} bytes",
            code="E-FETCH-SIZE",
            hint=_CHANGED,
        )

    def _commit(self) -> Path:
        offset = self._partial.offset
        try:
            return self._partial.commit()
        except FetchError as error:
            self._progress(-offset)
            if self._inherited:
                self._inherited = False
                raise Transient("what an earlier run kept does not fit") from error
            note = f", sent with Content-Encoding `{self._encoding[:40]}`" if self._encoding else ""
            raise FetchError(
                f"`{redact(self._url.text)}`: {error.message}{note}", code=error.code, hint=_CHANGED
            ) from error


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what proves that a later range is of the same body: a strong ETag, or a date that is as good."""
    if headers.get("content-encoding", "identity") != "identity" or headers.get("accept-ranges") == "none":
        return None
    etag = headers.get("etag", "")
    # RFC 9110, 13.1.5: a weak validator must not be sent in If-Range.
    if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', etag):
        return etag
    modified, date = headers.get("last-modified"), headers.get("date")
    if modified is None or date is None:
        return None
    from email.utils import parsedate_to_datetime  # most servers send an ETag

    try:
        # RFC 9110, 8.8.2.2: strong when the file had not changed for a while before it was sent.
        settled = (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds() >= 1
    except (ValueError, TypeError, OverflowError):
        return None
    return modified if settled else None
