"""What refers to a manifest: the API of OCI 1.1, and the tag that stands in for it ("Referrers Tag Schema")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.errors import FetchError, ImageError
from crossdock.net.registry.answers import refusal
from crossdock.net.registry.transport import Transport, all_scopes
from crossdock.oci import media
from crossdock.oci.model import LARGEST_MANIFEST, Descriptor, Index, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.digest import Digest
    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.net.url import Url

_OK = 200
_NO_API = frozenset({400, 404, 405, 501})
_MOST_PAGES = 20
_NEXT = re.compile(r'<([^<>]{1,2000})>\s*;[^,]*\brel="?next"?')
#: How often the tag is read again when another push changes it at the same time.
_ROUNDS = 4


def fallback_tag(digest: Digest) -> str:
    """Return the tag under which a registry without the API keeps what refers to `digest`."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def list_referrers(
    transport: Transport, reference: ImageReference, digest: Digest, *, push: bool
) -> tuple[Descriptor, ...] | None:
    """Return the descriptors of what refers to `digest`; None from a registry without the API."""
    found: list[Descriptor] = []
    url: Url | None = transport.url(reference, f"referrers/{digest}")
    for _ in range(_MOST_PAGES):
        if url is None:
            break
        answer = transport.call(
            "GET",
            reference,
            url,
            scopes=all_scopes(reference, push=push),
            headers={"Accept": media.INDEX},
            limit=LARGEST_MANIFEST,
        )
        # A registry that does not know the path may answer it with anything but an index.
        is_index = answer.headers.get("content-type", "").partition(";")[0].strip() == media.INDEX
        if not found and (answer.status in _NO_API or (answer.status == _OK and not is_index)):
            return None
        if answer.status != _OK:
            raise refusal(reference, "does not list referrers", answer.status, answer.body)
        page = parse_manifest(answer.body, media.INDEX)
        found += page.manifests if isinstance(page, Index) else ()
        more = _NEXT.search(answer.headers.get("link", ""))
        # Never to another origin: a login goes with it.
        after = answer.url.follow(more[1]) if more else None
        url = after if after is not None and after.origin == url.origin else None
    return tuple(found)


def tagged_referrers(
    registry: Registry, reference: ImageReference, digest: Digest, *, push: bool = False
) -> tuple[Descriptor, ...]:
    """Return what stands under the fallback tag; nothing when there is none or it is not an index."""
    try:
        found = registry.manifest(reference.tagged(fallback_tag(digest)), push=push).parse()
    except FetchError as error:
        if error.code != "E-REGISTRY-NONE":
            raise
        return ()
    return found.manifests if isinstance(found, Index) else ()


def add_tagged_referrers(
    registry: Registry, reference: ImageReference, digest: Digest, new: Iterable[Descriptor]
) -> None:
    """Add to what stands under the fallback tag, and keep what others put there.

    There is no way to change a tag only if nobody else did (`If-Match` is optional, and few honour it), so it
    is read back, and done again while something of ours is missing. Raise `FetchError` (`E-REGISTRY-REFERRERS`)
    when it never holds, or what stands there is no index.
    """
    ours = tuple(new)
    tag = reference.tagged(fallback_tag(digest))
    for _ in range(_ROUNDS):
        before = _standing(registry, tag)
        known = {one.digest for one in before}
        missing = tuple(one for one in ours if one.digest not in known)
        if not missing:
            return
        index = Index(manifests=(*before, *missing))
        registry.put_manifest(tag, index.to_bytes(), media.INDEX)
    if {one.digest for one in ours} - {one.digest for one in _standing(registry, tag)}:
        raise _lost(tag, "somebody else changes it all the time")


def _standing(registry: Registry, tag: ImageReference) -> tuple[Descriptor, ...]:
    """Return what a fallback tag lists; what is no list is somebody's, and not overwritten."""
    try:
        found = registry.manifest(tag, push=True).parse()
    except ImageError as error:
        raise _lost(tag, f"what stands there is broken ({error.message})") from error
    except FetchError as error:
        if error.code != "E-REGISTRY-NONE":
            raise
        return ()
    if not isinstance(found, Index):
        raise _lost(tag, "what stands there is no list")
    return found.manifests


def _lost(tag: ImageReference, why: str) -> FetchError:
    return FetchError(
        f"`{tag.name}`: cannot add to the list of referrers: {why}",
        code="E-REGISTRY-REFERRERS",
        hint="run the same command again, or delete that tag if nobody needs it",
    )
