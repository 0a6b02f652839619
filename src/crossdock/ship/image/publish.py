"""An image into registries: blobs, manifests, what refers to them, and the index last, under each tag.

Nothing of a push that ends half-way can be seen: until the last step no tag is touched, and a tag is put in one
request. What is there already is never sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import CrossdockError, ShipError
from crossdock.net.registry.source import RemoteSource
from crossdock.oci.model import Descriptor, Manifest, parse_manifest
from crossdock.ship.image.model import LayerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crossdock.digest import Digest
    from crossdock.net.fetch import Reporter
    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.oci.blob import Blob
    from crossdock.ship.image.model import Attachment, Image, PlatformImage

#: Blobs on their way at once; each holds at most two chunks of a stream in memory.
THREADS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBlob:
    """What became of a blob in one repository: `present`, `mounted` or `uploaded`; `sent` is in bytes."""

    place: str
    descriptor: Descriptor
    outcome: str
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a push did.

    `references` name the image by tag and digest, `unchanged` are those that said so before, `blobs` is
    empty for a repository where everything was found in place, `requests` counts all that was asked.
    """

    references: tuple[ImageReference, ...]
    descriptor: Descriptor
    unchanged: tuple[ImageReference, ...]
    blobs: tuple[PublishedBlob, ...]
    requests: int

    @property
    def sent(self) -> int:
        """Bytes of blobs that were uploaded."""
        return sum(blob.sent for blob in self.blobs)


def publish(
    image: Image,
    references: Sequence[ImageReference],
    registry: Registry,
    *,
    threads: int = THREADS,
    mount_from: Sequence[ImageReference] = (),
    thorough: bool = False,
    reporter: Reporter | None = None,
) -> Published:
    """Push an image to one or more references, to each repository once; return what was done.

    References with a tag are tagged; one with a digest alone must name this very image. `mount_from` are
    references to images that may share blobs (the base's and the previous image's are known by their layers'
    sources). Where tags, manifests and what refers to them are all in place, nothing more is
    asked: a registry that took a manifest has its blobs; `thorough` asks for each blob all the same. Raise
    `FetchError` as `Registry` does, `ShipError` (`E-IMAGE-PUSH`) for references that do not fit the image.
    """
    from crossdock.ship.image.push import Destination  # threads and queues: only where something is pushed

    before = registry.requests
    destinations = [
        Destination(registry, place, tags, image, threads=threads, mount_from=mount_from, reporter=reporter)
        for place, tags in _by_place(references, image.descriptor.digest)
    ]
    unchanged: list[ImageReference] = []
    blobs: list[PublishedBlob] = []
    for destination in destinations:
        if destination.is_in_place(thorough=thorough):
            unchanged += destination.tags
        else:
            blobs += destination.put_contents()
    # Not before everything is everywhere: the tags of one image should not differ for long.
    for destination in destinations:
        destination.put_tags()
    return Published(
        references=tuple(name for one in destinations for name in one.published()),
        descriptor=image.descriptor,
        unchanged=tuple(unchanged),
        blobs=tuple(blobs),
        requests=registry.requests - before,
    )


def survey(
    image: Image, references: Sequence[ImageReference], registry: Registry, *, threads: int = THREADS
) -> tuple[PublishedBlob, ...]:
    """Tell for every blob and repository whether it is `present` or `missing`; nothing is changed."""
    from crossdock.ship.image.parallel import in_threads  # as above

    pairs = [
        (place, blob.descriptor)
        for place, _ in _by_place(references, image.descriptor.digest)
        for blob in all_blobs(image).values()
    ]
    there = in_threads(lambda pair: registry.has_blob(pair[0], pair[1].digest), pairs, threads=threads)
    return tuple(
        PublishedBlob(
            place=place.place, descriptor=descriptor, outcome="present" if has else "missing", sent=0
        )
        for (place, descriptor), has in zip(pairs, there, strict=True)
    )


def _by_place(
    references: Iterable[ImageReference], digest: Digest
) -> list[tuple[ImageReference, tuple[ImageReference, ...]]]:
    """Group references by repository; check those that ask for a digest."""
    groups: dict[str, list[ImageReference]] = {}
    for reference in references:
        if reference.digest is not None and reference.digest != digest:
            raise ShipError(
                f"`{reference.name}` names another image: this one is `{digest}`",
                code="E-IMAGE-PUSH",
                hint="push to a tag; the digest follows from the image",
            )
        group = groups.setdefault(reference.place, [])
        bare = reference.tagged(reference.tag) if reference.tag else reference.at(digest)
        if bare not in group:
            group.append(bare)
    return [(group[0].at(digest), tuple(one for one in group if one.tag)) for group in groups.values()]


def all_attachments(image: Image) -> tuple[Attachment, ...]:
    """Return what refers to the image's manifests and to its index."""
    return (*(one for platform in image.platforms for one in platform.attachments), *image.attachments)


def all_blobs(image: Image) -> dict[Digest, Blob]:
    """Return every blob of an image and of what refers to it, once, the largest first."""
    found: dict[Digest, Blob] = {}
    for blob in _each_blob(image):
        found.setdefault(blob.descriptor.digest, blob)
    return dict(sorted(found.items(), key=lambda item: -item[1].descriptor.size))


def _each_blob(image: Image) -> Iterator[Blob]:
    for platform in image.platforms:
        yield from platform.blobs()
    for attachment in all_attachments(image):
        yield from attachment.blobs


def mount_sources(
    image: Image, place: ImageReference, mount_from: Iterable[ImageReference]
) -> Mapping[Digest, tuple[str, ...]]:
    """Return, by blob, the other repositories of the same registry that may have it, the likeliest first."""
    others = [one.repository for one in mount_from if one.registry == place.registry]
    found: dict[Digest, tuple[str, ...]] = {}
    for platform in image.platforms:
        base = _base_repository(platform, place)
        for layer in platform.layers:
            names = list(others)
            if base and layer.kind is LayerKind.BASE:
                names.insert(0, base)
            source = layer.source
            if isinstance(source, RemoteSource) and source.reference.registry == place.registry:
                names.insert(0, source.reference.repository)
            names = [name for name in dict.fromkeys(names) if name != place.repository]
            found[layer.descriptor.digest] = tuple(names)
    return found


def _base_repository(platform: PlatformImage, place: ImageReference) -> str:
    from crossdock.net.registry.reference import ImageReference  # as the annotation

    if not platform.base.name:
        return ""
    try:
        base = ImageReference.parse(platform.base.name)
    except CrossdockError:
        return ""
    return base.repository if base.registry == place.registry else ""


def subject_of(attachment: Attachment) -> Descriptor | None:
    """Return what an attachment refers to."""
    return parse_manifest(attachment.manifest, attachment.descriptor.media_type).subject


def listed(attachment: Attachment) -> Descriptor:
    """Return an attachment's line in a list of referrers ("Pushing Manifests with Subject")."""
    manifest = parse_manifest(attachment.manifest, attachment.descriptor.media_type)
    kind = manifest.artifact_type
    if not kind and isinstance(manifest, Manifest):
        kind = manifest.config.media_type
    return Descriptor(
        media_type=manifest.media_type,
        digest=attachment.descriptor.digest,
        size=attachment.descriptor.size,
        annotations=manifest.annotations,
        artifact_type=kind,
    )
