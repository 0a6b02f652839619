"""One image into one repository, in steps that can end anywhere and leave no tag wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from crossdock.errors import FetchError
from crossdock.net.fetch import Silent
from crossdock.ship.image.parallel import Item, Result, in_threads
from crossdock.ship.image.publish import (
    PublishedBlob,
    all_attachments,
    all_blobs,
    listed,
    mount_sources,
    subject_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossdock.digest import Digest
    from crossdock.net.fetch import Reporter
    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.oci.blob import Blob
    from crossdock.oci.model import Descriptor
    from crossdock.ship.image.model import Attachment, Image


class Destination:
    """A repository, and the tags that the image is to have there."""

    def __init__(
        self,
        registry: Registry,
        place: ImageReference,
        tags: tuple[ImageReference, ...],
        image: Image,
        *,
        threads: int,
        mount_from: Sequence[ImageReference],
        reporter: Reporter | None,
    ) -> None:
        self.tags = tags
        self._registry = registry
        self._place = place
        self._image = image
        self._threads = threads
        self._mount_from = mount_from
        self._reporter = reporter or Silent()
        self._attachments = all_attachments(image)
        #: Tags that say the right thing already.
        self._said: frozenset[ImageReference] = frozenset()

    def published(self) -> tuple[ImageReference, ...]:
        """Return the final references: every tag, and the digest."""
        return (*self.tags, self._place)

    def is_in_place(self, *, thorough: bool) -> bool:
        """Tell whether tags, manifests and attachments are all there; few small requests, at once."""
        names = self.tags or (self._place,)
        found = self._all(lambda name: self._registry.head_manifest(name, push=True), names[:1])
        # The first alone: in a changed image the others' answers are not needed, and a login is asked for once.
        if found[0] is None or found[0].digest != self._image.descriptor.digest:
            return False
        found += self._all(lambda name: self._registry.head_manifest(name, push=True), names[1:])
        right = [one is not None and one.digest == self._image.descriptor.digest for one in found]
        self._said = frozenset(name for name, good in zip(names, right, strict=True) if good)
        if not all(right):
            return False
        manifests = {one.descriptor.digest for one in self._image.platforms} - {self._image.descriptor.digest}
        if not all(self._all(self._has_manifest, sorted(manifests))) or not self._are_listed():
            return False
        return not thorough or all(self._all(self._has_blob, tuple(all_blobs(self._image))))

    def _has_manifest(self, digest: Digest) -> bool:
        return self._registry.head_manifest(self._place.at(digest), push=True) is not None

    def _has_blob(self, digest: Digest) -> bool:
        return self._registry.has_blob(self._place, digest, push=True)

    def _are_listed(self) -> bool:
        """Tell whether the lists of referrers name all attachments; what they name is there."""
        groups = self._by_subject(self._attachments)

        def is_listed(subject: Digest) -> bool:
            known = {one.digest for one in self._registry.referrers(self._place, subject, push=True)}
            return {one.digest for one in groups[subject]} <= known

        return all(self._all(is_listed, tuple(groups)))

    def put_contents(self) -> list[PublishedBlob]:
        """Put everything but the tags; return what became of the blobs."""
        blobs = all_blobs(self._image)
        self._reporter.started(len(blobs), sum(blob.descriptor.size for blob in blobs.values()))
        try:
            done = self._put_blobs(blobs)
            try:
                self._put_manifests()
            except FetchError as error:
                if error.code != "E-REGISTRY-BLOB-MISSING":
                    raise
                # It said that it had them, from a cache that outlived its garbage collection.
                lost = {
                    digest: blob for digest, blob in blobs.items() if str(digest) in error.places
                } or blobs
                again = {one.descriptor.digest: one for one in self._put_blobs(lost, check=False)}
                done = [again.get(one.descriptor.digest, one) for one in done]
                self._put_manifests()
        finally:
            self._reporter.finished()
        return done

    def _put_blobs(self, blobs: dict[Digest, Blob], *, check: bool = True) -> list[PublishedBlob]:
        sources = mount_sources(self._image, self._place, self._mount_from)
        stop = threading.Event()

        def push(blob: Blob) -> PublishedBlob:
            outcome = self._registry.push_blob(
                self._place,
                blob,
                mount_from=sources.get(blob.descriptor.digest, ()),
                progress=self._reporter.advanced,
                cancelled=stop.is_set,
                check=check,
            )
            sent = blob.descriptor.size if outcome == "uploaded" else 0
            if not sent:
                self._reporter.advanced(blob.descriptor.size)
            return PublishedBlob(
                place=self._place.place, descriptor=blob.descriptor, outcome=str(outcome), sent=sent
            )

        return self._all(push, tuple(blobs.values()), stop)

    def _put_manifests(self) -> None:
        def put(item: tuple[Descriptor, bytes]) -> bool:
            descriptor, raw = item
            return self._registry.put_manifest(self._place.at(descriptor.digest), raw, descriptor.media_type)

        self._all(put, [(one.descriptor, one.manifest) for one in self._image.platforms])
        if self._image.attachments:
            # What they refer to comes first, by digest: nobody sees it yet.
            put((self._image.descriptor, self._image.top))
        kept = self._all(put, [(one.descriptor, one.manifest) for one in self._attachments])
        unlisted = [one for one, said in zip(self._attachments, kept, strict=True) if not said]
        if unlisted:
            from crossdock.net.registry.referrers import add_tagged_referrers  # for registries before OCI 1.1

            for subject, ours in self._by_subject(unlisted).items():
                add_tagged_referrers(self._registry, self._place, subject, ours)

    @staticmethod
    def _by_subject(attachments: Iterable[Attachment]) -> dict[Digest, list[Descriptor]]:
        groups: dict[Digest, list[Descriptor]] = {}
        for attachment in attachments:
            subject = subject_of(attachment)
            if subject is not None:
                groups.setdefault(subject.digest, []).append(listed(attachment))
        return groups

    def put_tags(self) -> None:
        """Make the image visible: the last step, one request a tag."""
        raw, kind = self._image.top, self._image.descriptor.media_type
        for name in self.tags or (self._place,):
            if name in self._said:
                continue
            try:
                self._registry.put_manifest(name, raw, kind)
            except FetchError as error:
                if error.code != "E-REGISTRY-BLOB-MISSING":
                    raise
                # Someone deleted a manifest of ours in the meantime.
                self.put_contents()
                self._registry.put_manifest(name, raw, kind)

    def _all(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        stop: threading.Event | None = None,
    ) -> list[Result]:
        return in_threads(work, items, threads=self._threads, stop=stop)
