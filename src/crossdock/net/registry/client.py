"""The client: manifests, blobs and referrers of any registry (OCI distribution specification 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import FetchError, ImageError
from crossdock.net.attempts import Transient
from crossdock.net.registry.answers import check_digest, refusal, stated_digest, wrong_digest
from crossdock.net.registry.docker_config import RegistryLogins
from crossdock.net.registry.source import RemoteSource, verified
from crossdock.net.registry.transport import RegistrySettings, Transport, all_scopes, never
from crossdock.oci import media
from crossdock.oci.model import LARGEST_MANIFEST, Descriptor, Index, Manifest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from crossdock.net.http import Exchange, Http
    from crossdock.net.registry.reference import ImageReference
    from crossdock.net.registry.upload import Pushed
    from crossdock.oci.blob import Blob

_ACCEPT = f"{media.INDEX}, {media.MANIFEST}, {media.DOCKER_INDEX}, {media.DOCKER_MANIFEST}"
_KNOWN = media.INDEXES | media.MANIFESTS
_OK = 200
_PARTIAL = 206
_NOT_FOUND = 404
_CREATED = frozenset({200, 201, 202, 204})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedManifest:
    """A manifest or index as the registry has it; `digest` is that of `raw`, and was verified."""

    raw: bytes
    media_type: str
    digest: Digest

    @property
    def descriptor(self) -> Descriptor:
        """Its descriptor."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.raw))

    def parse(self) -> Manifest | Index:
        """Read it; raise `ImageError` (`E-IMAGE-BROKEN`)."""
        return parse_manifest(self.raw, self.media_type)


class Registry:
    """A client for all registries; safe for many threads. Every method takes a reference into a repository.

    What may be raised by all: `FetchError` with `E-REGISTRY-DENIED`, `E-REGISTRY-REALM`, `E-REGISTRY-TOKEN`,
    `E-REGISTRY-LOCATION`, `E-REGISTRY-ANSWER`, and the `E-FETCH-*` of the connection.
    """

    def __init__(self, http: Http, settings: RegistrySettings | None = None) -> None:
        self._transport = Transport(http, settings or RegistrySettings(logins=RegistryLogins()))
        #: Registries before OCI 1.1.
        self._without_referrers: set[str] = set()

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._transport.requests

    def manifest(self, reference: ImageReference, *, push: bool = False) -> FetchedManifest:
        """Return what a reference names: by digest if it has one, else by tag.

        `push` asks for a token that serves a push that follows. Raise `FetchError`: `E-REGISTRY-NONE`,
        `E-REGISTRY-DIGEST`, `E-REGISTRY-SIZE` beyond 4 MiB.
        """
        url = self._transport.url(reference, f"manifests/{reference.wanted}")
        try:
            answer = self._transport.call(
                "GET",
                reference,
                url,
                scopes=all_scopes(reference, push=push),
                headers={"Accept": _ACCEPT},
                limit=LARGEST_MANIFEST,
            )
        except FetchError as error:
            if error.code != "E-FETCH-SIZE":
                raise
            raise FetchError(
                f"`{reference.name}`: a manifest of more than {LARGEST_MANIFEST} bytes",
                code="E-REGISTRY-SIZE",
                hint="no honest manifest is so large: ask who runs the registry",
            ) from error
        if answer.status != _OK:
            raise refusal(reference, "no manifest", answer.status, answer.body)
        wanted = reference.digest
        digest = Digest.of(answer.body, wanted.algorithm if wanted is not None else "sha256")
        if wanted is not None and digest != wanted:
            raise wrong_digest(reference, "the manifest", want=wanted, got=digest)
        check_digest(reference, answer.headers, digest, "the manifest")
        return FetchedManifest(
            raw=answer.body,
            media_type=_media_type(answer.body, answer.headers.get("content-type", "")),
            digest=digest,
        )

    def head_manifest(self, reference: ImageReference, *, push: bool = False) -> Descriptor | None:
        """Return what a reference names without fetching it, or None if the registry has no such manifest."""
        url = self._transport.url(reference, f"manifests/{reference.wanted}")
        answer = self._transport.call(
            "HEAD", reference, url, scopes=all_scopes(reference, push=push), headers={"Accept": _ACCEPT}
        )
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise refusal(reference, "no manifest", answer.status, b"")
        length = answer.headers.get("content-length", "")
        digest = stated_digest(reference, answer.headers)
        if digest is None or not length.isdigit():
            # Both headers are optional: then there is only one way to know.
            return self.manifest(reference, push=push).descriptor
        if reference.digest is not None:
            check_digest(reference, answer.headers, reference.digest, "the manifest")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Descriptor(media_type=kind, digest=digest, size=int(length))

    def put_manifest(self, reference: ImageReference, raw: bytes, media_type: str) -> bool:
        """Store a manifest under the reference's tag, or under its digest if it has no tag.

        Return whether the registry said that it keeps the manifest's `subject` in its list of referrers
        (`OCI-Subject`). Raise `FetchError` (`E-REGISTRY-BLOB-MISSING` when it misses contents of it).
        """
        from crossdock.net.registry.upload import put_manifest  # not every run pushes

        return put_manifest(self._transport, reference, raw, media_type)

    def has_blob(self, reference: ImageReference, digest: Digest, *, push: bool = False) -> bool:
        """Tell whether a blob is in the repository."""
        url = self._transport.url(reference, f"blobs/{digest}")
        answer = self._transport.call("HEAD", reference, url, scopes=all_scopes(reference, push=push))
        if answer.status not in {_OK, _NOT_FOUND}:
            raise refusal(reference, f"cannot tell whether it has `{digest}`", answer.status, b"")
        if answer.status == _OK:
            check_digest(reference, answer.headers, digest, "a blob")
        return answer.status == _OK

    def blob(
        self, reference: ImageReference, descriptor: Descriptor, *, limit: int = LARGEST_MANIFEST
    ) -> bytes:
        """Return a small blob, verified; raise `FetchError` (`E-REGISTRY-SIZE`) when it is beyond `limit` bytes."""
        if descriptor.size > limit:
            raise FetchError(
                f"`{reference.name}`: blob `{descriptor.digest}` has {descriptor.size} bytes, more than {limit}",
                code="E-REGISTRY-SIZE",
            )
        return b"".join(verified(descriptor, self.read_blob(reference, descriptor)))

    def source(self, reference: ImageReference, descriptor: Descriptor) -> RemoteSource:
        """Return a blob's bytes as a source that fetches only when it is read."""
        return RemoteSource(reference=reference, descriptor=descriptor, registry=self)

    def read_blob(self, reference: ImageReference, descriptor: Descriptor, start: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from `start` on, resumed after cuts; not verified."""
        url = self._transport.url(reference, f"blobs/{descriptor.digest}")
        attempts = self._transport.attempts(url)
        position = start
        while position < descriptor.size:
            before = position
            headers = {"Range": f"bytes={position}-"} if position else {}
            try:
                with self._transport.open(
                    "GET", reference, url, scopes=all_scopes(reference), headers=headers
                ) as answer:
                    skip = _skip(reference, answer, descriptor, position)
                    for chunk in answer.chunks():
                        fresh = chunk[skip:]
                        skip = max(0, skip - len(chunk))
                        position += len(fresh)
                        if position > descriptor.size:
                            raise _too_long(reference, descriptor)
                        if fresh:
                            yield fresh
                    if position < descriptor.size:
                        raise Transient(f"short: {position} of {descriptor.size} bytes")  # noqa: TRY301
            except Transient as failure:
                attempts.failed(failure, progressed=position > before)

    def push_blob(
        self,
        reference: ImageReference,
        blob: Blob,
        *,
        mount_from: Sequence[str] = (),
        progress: Callable[[int], None] = lambda _count: None,
        cancelled: Callable[[], bool] = never,
        check: bool = True,
    ) -> Pushed:
        """See to it that the repository has a blob: it does, or it is mounted, or uploaded and verified.

        Without `check` the registry is not believed that it has it: it is uploaded.

        `mount_from` are repositories of the same registry that may have it. `progress` gets byte counts,
        negative ones when bytes must be sent again. Raise `FetchError`, also `E-REGISTRY-SIZE` and
        `E-REGISTRY-DIGEST` when the source gives something else than the descriptor says; then nothing stays.
        """
        from crossdock.net.registry.upload import Pushed, Upload, try_mount  # not every run pushes

        if check and self.has_blob(reference, blob.descriptor.digest, push=True):
            return Pushed.PRESENT
        session = None
        for source in mount_from if check else ():
            mounted = try_mount(self._transport, reference, blob.descriptor.digest, source)
            if mounted is True:
                return Pushed.MOUNTED
            if mounted is not None:
                session = mounted
                break
        Upload(self, self._transport, reference, blob, progress=progress, cancelled=cancelled).run(session)
        return Pushed.UPLOADED

    def referrers(
        self, reference: ImageReference, digest: Digest, *, push: bool = False
    ) -> tuple[Descriptor, ...]:
        """Return what refers to a manifest (SBOMs, provenance, signatures), by the API or the tag in its stead.

        Raise `ImageError` (`E-IMAGE-BROKEN`) for a list that is none.
        """
        from crossdock.net.registry.referrers import list_referrers, tagged_referrers  # rare

        if reference.api_host not in self._without_referrers:
            found = list_referrers(self._transport, reference, digest, push=push)
            if found is not None:
                return found
            self._without_referrers.add(reference.api_host)
        return tagged_referrers(self, reference, digest, push=push)


def _media_type(raw: bytes, content_type: str) -> str:
    """Return the type of a manifest: what the server says, or what it says itself under a general one."""
    said = content_type.partition(";")[0].strip().lower()
    if said in _KNOWN:
        return said
    try:
        return parse_manifest(raw).media_type
    except ImageError:
        return said


def _skip(reference: ImageReference, answer: Exchange, descriptor: Descriptor, position: int) -> int:
    """Judge the head of a blob's answer; return how many of its bytes we have already."""
    if answer.status == _OK:
        if answer.length is not None and answer.length > descriptor.size:
            raise _too_long(reference, descriptor)
        return position
    first = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    if answer.status == _PARTIAL and first == str(position) and position:
        return 0
    if answer.status == _PARTIAL:
        raise Transient("the server sent another range than was asked for")
    raise refusal(reference, f"no blob `{descriptor.digest}`", answer.status, answer.read(1 << 20))


def _too_long(reference: ImageReference, descriptor: Descriptor) -> FetchError:
    return FetchError(
        f"`{reference.name}`: blob `{descriptor.digest}` is longer than the {descriptor.size} bytes stated",
        code="E-REGISTRY-SIZE",
        hint="the registry or a proxy changed it: ask who runs them",
    )
