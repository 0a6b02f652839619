"""Pushing: blobs in one piece or in chunks that can be resumed, mounts, and manifests.

Distribution specification 1.1, "Push". What is uploaded becomes visible only by the closing PUT, which names the
digest: a broken-off upload leaves nothing but a session, which is deleted where that is still possible.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError
from crossdock.net.attempts import Transient, check_cancelled
from crossdock.net.http import Streamed
from crossdock.net.registry.answers import check_digest, error_codes, received, refusal
from crossdock.net.registry.source import verified
from crossdock.net.registry.transport import Answer, Transport, all_scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.net.url import Url
    from crossdock.oci.blob import Blob

#: Beyond this a blob goes up in chunks, so that a cut does not cost all of it.
CHUNKED_ABOVE = 64 << 20
CHUNK = 16 << 20

_CREATED = frozenset({200, 201, 202, 204})
_ACCEPTED = frozenset({200, 201, 202, 204})
_NOT_FOUND = 404
_RANGE_WRONG = 416
#: Answers to a first PATCH by registries that only take a blob in one piece.
_NO_CHUNKS = frozenset({400, 405, 411, 415, 501})
_OCTETS = {"Content-Type": "application/octet-stream"}
#: `MANIFEST_BLOB_UNKNOWN` is the specification's, `BLOB_UNKNOWN` what older registries say.
_MISSING = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"})
#: The `detail` of an error may name them, in one way or another.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}(?![0-9a-f])")


class Pushed(StrEnum):
    """How a registry came by a blob."""

    PRESENT = "present"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


@dataclass(slots=True)
class Session:
    """An upload in progress: where it goes on, the smallest chunk the registry takes, and how far it is."""

    location: Url
    least: int = 0
    offset: int = 0


def try_mount(
    transport: Transport, reference: ImageReference, digest: Digest, source: str
) -> Literal[True] | Session | None:
    """Ask for a blob of another repository ("Mounting a blob from another repository").

    Return True when it was mounted, a session when the registry opened an upload instead, None when it wants
    to hear nothing of it.
    """
    url = transport.url(reference, f"blobs/uploads/?mount={digest}&from={quote(source, safe='')}")
    scopes = all_scopes(reference, push=True, also=(source,))
    try:
        answer = transport.call(
            "POST", reference, url, scopes=scopes, headers={"Content-Length": "0"}, body=b""
        )
    except FetchError as error:
        # Some token servers refuse the whole request when one of the scopes may not be had.
        if error.code != "E-REGISTRY-DENIED":
            raise
        return None
    if answer.status == 201:  # noqa: PLR2004 - Created
        check_digest(reference, answer.headers, digest, "a mounted blob")
        return True
    return _session(transport, reference, answer) if answer.status == 202 else None  # noqa: PLR2004 - Accepted


class Upload:
    """One blob on its way into a repository; `run` once."""

    def __init__(
        self,
        registry: Registry,
        transport: Transport,
        reference: ImageReference,
        blob: Blob,
        *,
        progress: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._transport = transport
        self._reference = reference
        self._blob = blob
        self._progress = progress
        self._cancelled = cancelled
        self._scopes = all_scopes(reference, push=True)
        self._chunked = blob.descriptor.size > CHUNKED_ABOVE
        self._session: Session | None = None
        self._reported = 0
        #: The furthest byte that the registry has said it has: only beyond it is progress.
        self._reached = 0

    def run(self, session: Session | None = None) -> None:
        """Upload, again after failures, resumed where the registry can; raise `FetchError` when given up."""
        self._session = session
        url = self._transport.url(self._reference, "blobs/uploads/")
        attempts = self._transport.attempts(url, self._cancelled)
        try:
            while True:
                before = self._reached
                try:
                    return self._try()
                except Transient as failure:
                    attempts.failed(failure, progressed=self._reached > before)
                # An answer that was lost may have been a yes.
                if self._registry.has_blob(self._reference, self._blob.descriptor.digest, push=True):
                    self._abandon()
                    return None
                self._find_out()
        except BaseException:
            self._abandon()
            raise

    def _try(self) -> None:
        session = self._session = self._session or self._begin()
        if self._chunked and session.least <= self._blob.descriptor.size:
            self._send_chunks(session)
        else:
            self._close(session, Streamed(length=self._blob.descriptor.size, chunks=self._whole))

    def _begin(self) -> Session:
        url = self._transport.url(self._reference, "blobs/uploads/")
        answer = self._transport.once("POST", self._reference, url, scopes=self._scopes, body=b"")
        if answer.status != 202:  # noqa: PLR2004 - Accepted
            raise refusal(self._reference, "takes no upload", answer.status, answer.body)
        return _session(self._transport, self._reference, answer)

    def _whole(self) -> Iterator[bytes]:
        self._report(0)
        sent = 0
        for chunk in self._stream():
            yield chunk
            sent += len(chunk)
            self._report(sent)

    def _stream(self) -> Iterator[bytes]:
        for chunk in verified(self._blob.descriptor, self._blob.source.chunks()):
            check_cancelled(self._cancelled)
            yield chunk

    def _send_chunks(self, session: Session) -> None:
        """PATCH chunk after chunk, and close; in one piece when the registry takes no chunks."""
        size = self._blob.descriptor.size
        reader = _Reader(self._stream())
        reader.skip(session.offset)
        while session.offset < size:
            length = min(max(CHUNK, session.least), size - session.offset)
            end = session.offset + length
            answer = self._transport.once(
                "PATCH",
                self._reference,
                session.location,
                scopes=self._scopes,
                headers={**_OCTETS, "Content-Range": f"{session.offset}-{end - 1}"},
                body=Streamed(length=length, chunks=reader.next_chunk(length)),
            )
            if answer.status in _NO_CHUNKS and session.offset == 0:
                self._abandon()
                self._chunked = False
                self._try()
                return
            self._acknowledge(session, answer, end)
        self._close(session, b"")

    def _acknowledge(self, session: Session, answer: Answer, end: int) -> None:
        if answer.status in {_NOT_FOUND, _RANGE_WRONG}:
            raise Transient(f"the server lost track of the upload ({answer.status})")
        if answer.status not in _ACCEPTED:
            raise refusal(self._reference, "takes no chunk", answer.status, answer.body)
        has = received(answer.headers)
        session.location = _location(self._transport, self._reference, answer)
        if has is not None and has != end:
            # Some registries accept chunks and drop what is behind their limit.
            raise Transient(f"the server has {has} of {end} bytes")
        session.offset = end
        self._reached = max(self._reached, end)
        self._report(end)

    def _close(self, session: Session, body: bytes | Streamed) -> None:
        digest = self._blob.descriptor.digest
        mark = "&" if "?" in session.location.text else "?"
        url = session.location.follow(f"{session.location.text}{mark}digest={quote(str(digest), safe='')}")
        answer = self._transport.once(
            "PUT", self._reference, url, scopes=self._scopes, headers=_OCTETS, body=body
        )
        if answer.status in {_NOT_FOUND, _RANGE_WRONG}:
            raise Transient(f"the server lost the upload ({answer.status})")
        if answer.status not in {200, 201, 204}:
            raise refusal(self._reference, f"does not take blob `{digest}`", answer.status, answer.body)
        check_digest(self._reference, answer.headers, digest, "an uploaded blob")
        self._session = None
        self._report(self._blob.descriptor.size)

    def _find_out(self) -> None:
        """After a failure: keep the session if the registry still knows it and how far it is, else drop it."""
        session = self._session
        if session is None:
            return
        if self._chunked:
            with suppress(Transient, CrossdockError):
                answer = self._transport.once("GET", self._reference, session.location, scopes=self._scopes)
                has = received(answer.headers)
                if answer.status in _ACCEPTED and has is not None and has <= self._blob.descriptor.size:
                    session.location = _location(self._transport, self._reference, answer)
                    session.offset = has
                    self._reached = max(self._reached, has)
                    self._report(has)
                    return
        self._abandon()
        self._report(0)

    def _abandon(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            # "Canceling a blob upload": a courtesy; sessions that are left end by themselves.
            with suppress(Transient, CrossdockError):
                self._transport.once("DELETE", self._reference, session.location, scopes=self._scopes)

    def _report(self, sent: int) -> None:
        if sent != self._reported:
            self._progress(sent - self._reported)
            self._reported = sent


class _Reader:
    """Cuts a stream into chunks of any length."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._rest = b""

    def skip(self, count: int) -> None:
        for _ in self._take(count):
            pass

    def next_chunk(self, length: int) -> Callable[[], Iterator[bytes]]:
        """Return the next `length` bytes as a request's body, which can be sent once."""
        parts = iter((self._take(length),))

        def chunks() -> Iterator[bytes]:
            stream = next(parts, None)
            if stream is None:
                # After a 401 in the middle, say: the upload is resumed where it stands.
                raise Transient("the server wants a chunk again")
            return stream

        return chunks

    def _take(self, count: int) -> Iterator[bytes]:
        while count > 0:
            data = self._rest or next(self._stream, b"")
            if not data:
                return
            self._rest = data[count:]
            yield data[:count]
            count -= min(count, len(data))


def _session(transport: Transport, reference: ImageReference, answer: Answer) -> Session:
    text = answer.headers.get("oci-chunk-min-length", "")
    least = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0  # noqa: PLR2004
    return Session(location=_location(transport, reference, answer), least=least)


def _location(transport: Transport, reference: ImageReference, answer: Answer) -> Url:
    """Return where an upload goes on; a place that is not the registry's is checked, and gets no login."""
    text = answer.headers.get("location", "")
    if not text:
        raise refusal(reference, "names no place for the upload", answer.status, b"")
    base = transport.base(reference)
    place = answer.url.follow(text)
    if place.scheme == "file":
        raise refusal(reference, "names no place for the upload", answer.status, b"")
    if place.origin != base.origin:
        transport.check_place(base, place, "sends an upload to")
    return place


def put_manifest(transport: Transport, reference: ImageReference, raw: bytes, media_type: str) -> bool:
    """Store a manifest; see `Registry.put_manifest`."""
    digest = Digest.of(raw, reference.digest.algorithm if reference.digest is not None else "sha256")
    url = transport.url(reference, f"manifests/{reference.tag or digest}")
    answer = transport.call(
        "PUT",
        reference,
        url,
        scopes=all_scopes(reference, push=True),
        headers={"Content-Type": media_type},
        body=raw,
    )
    if answer.status not in _CREATED:
        error = refusal(reference, "does not take the manifest", answer.status, answer.body)
        if error_codes(answer.body) & _MISSING:
            error.code = "E-REGISTRY-BLOB-MISSING"
            error.places = tuple(dict.fromkeys(_DIGEST.findall(answer.body.decode("utf-8", "replace"))))
            error.hint = "run the same command again: it was deleted in the meantime"
        elif answer.status == 415 or "MANIFEST_INVALID" in error_codes(answer.body):  # noqa: PLR2004
            error.code = "E-REGISTRY-MEDIA-TYPE"
            error.hint = f"it may not know `{media_type}`: ask for its version, or push one platform alone"
        raise error
    check_digest(reference, answer.headers, digest, "the manifest")
    return bool(answer.headers.get("oci-subject", "").strip())
