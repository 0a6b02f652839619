"""Documents about an image as artifacts that refer to it (OCI image specification 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource
from crossdock.oci.model import Descriptor, Manifest
from crossdock.ship.image.config import timestamp
from crossdock.ship.image.model import Attachment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.components import Component, Made
    from crossdock.ship.image.model import Image
    from crossdock.ship.image.options import ImageOptions

IN_TOTO = "application/vnd.in-toto+json"
_TITLE = "org.opencontainers.image.title"
_CREATED = "org.opencontainers.image.created"
#: What tools look for on an in-toto statement (BuildKit's name for it).
PREDICATE_TYPE = "in-toto.io/predicate-type"
_EMPTY = b"{}"
#: What `--sbom` says, and the formats that it means.
SBOM_FORMATS: Mapping[str, tuple[str, ...]] = {
    "both": ("cyclonedx", "spdx"),
    "cyclonedx": ("cyclonedx",),
    "spdx": ("spdx",),
    "none": (),
}


def attachment(
    subject: Descriptor,
    document: bytes,
    media_type: str,
    *,
    filename: str,
    annotations: Mapping[str, str] | None = None,
    created: int | None = None,
) -> Attachment:
    """Return an artifact of one document that refers to `subject`, the descriptor of a manifest or index.

    The artifact's type is the document's media type, by which `oras discover` and scanners find it. `filename`
    is what `oras pull` calls it. `created`, in seconds since 1970, is told only where the user gives a time.
    """
    blob = Descriptor.of(document, media_type, annotations={_TITLE: filename})
    config = Descriptor.of(_EMPTY, media.EMPTY)
    notes = dict(annotations or {})
    if created is not None:
        notes[_CREATED] = timestamp(created)
    manifest = Manifest(
        config=config,
        layers=(blob,),
        artifact_type=media_type,
        annotations=notes,
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
    ).to_bytes()
    return Attachment(
        descriptor=Descriptor.of(manifest, media.MANIFEST, artifact_type=media_type),
        manifest=manifest,
        blobs=(
            Blob(descriptor=config, source=BytesSource(_EMPTY)),
            Blob(descriptor=blob, source=BytesSource(document)),
        ),
    )


def sbom_attachments(
    made: Made, *, kinds: str, created: int | None = None, packages: Sequence[Component] = ()
) -> tuple[Attachment, ...]:
    """Return the bills of materials of one platform's image, in the formats that `kinds` asks for.

    `kinds` is a key of `SBOM_FORMATS`; `UsageError` (E-IMAGE-OPTION) for another. `packages` are Debian's in a
    base that was made here (`components.debian_component`).
    """
    formats = SBOM_FORMATS.get(kinds)
    if formats is None:
        raise UsageError(
            f"not a kind of bill of materials: `{kinds}`",
            code="E-IMAGE-OPTION",
            hint=f"one of {', '.join(SBOM_FORMATS)}",
        )
    if not formats:
        return ()
    from crossdock.ship.image import cyclonedx, spdx
    from crossdock.ship.image.bill import bill_of

    bill = bill_of(made, created=created, packages=packages)
    writers = {
        "cyclonedx": (cyclonedx.cyclonedx, cyclonedx.MEDIA_TYPE, "sbom.cdx.json"),
        "spdx": (spdx.spdx, spdx.MEDIA_TYPE, "sbom.spdx.json"),
    }
    found = []
    for name in formats:
        write, media_type, filename = writers[name]
        found.append(
            attachment(made.image.descriptor, write(bill), media_type, filename=filename, created=created)
        )
    return tuple(found)


def with_provenance(
    image: Image,
    made: Sequence[Made],
    *,
    options: ImageOptions,
    lock: Digest | None = None,
    revision: str = "",
    created: int | None = None,
    packages: Sequence[Component] = (),
) -> Image:
    """Return the image with the statement of how it came to be, attached to its index; see `provenance`."""
    from crossdock.ship.image import provenance

    document = provenance.provenance(
        image, made, options=options, lock=lock, revision=revision, created=created, packages=packages
    )
    one = attachment(
        image.descriptor,
        document,
        IN_TOTO,
        filename="provenance.intoto.json",
        annotations={PREDICATE_TYPE: provenance.PREDICATE_TYPE},
        created=created,
    )
    return replace(image, attachments=(*image.attachments, one))
