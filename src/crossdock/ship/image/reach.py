"""Which blobs of a layout its index leads to, and what an artifact in it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import ImageError
from crossdock.oci import media
from crossdock.oci.choose import read_manifest
from crossdock.oci.model import Index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.digest import Digest
    from crossdock.oci.choose import ManifestReader
    from crossdock.oci.model import Descriptor


def reachable(reader: ManifestReader, entries: Iterable[Descriptor]) -> frozenset[Digest]:
    """Return the digests of the entries and of all that they name, at any depth.

    Raise `ImageError` for a broken manifest; one that is not there (an image of which some platforms were left out)
    leads nowhere.
    """
    found: set[Digest] = set()
    waiting = list(entries)
    while waiting:
        one = waiting.pop()
        if one.digest in found:
            continue
        found.add(one.digest)
        if one.media_type in media.MANIFESTS | media.INDEXES:
            waiting += _named_by(reader, one)
    return frozenset(found)


def _named_by(reader: ManifestReader, descriptor: Descriptor) -> tuple[Descriptor, ...]:
    try:
        document = read_manifest(reader, descriptor)
    except ImageError as error:
        if error.code == "E-IMAGE-BLOB":
            return ()
        raise
    if isinstance(document, Index):
        return document.manifests
    return (document.config, *document.layers)


def subject_of(reader: ManifestReader, entry: Descriptor) -> Digest | None:
    """Return the digest of what an artifact refers to, None if it says nothing or is not there."""
    if entry.media_type not in media.MANIFESTS | media.INDEXES:
        return None
    try:
        subject = read_manifest(reader, entry).subject
    except ImageError as error:
        if error.code == "E-IMAGE-BLOB":
            return None
        raise
    return None if subject is None else subject.digest
