"""Documents as artifacts that refer to an image: OCI image specification 1.1, manifest.md, "artifact usage"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource
from crossdock.oci.model import Descriptor, Manifest
from crossdock.ship.image.model import Attachment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.ship.image.components import DebianPackage, MadeImage

#: The specification's empty config.
_EMPTY = b"{}"
#: In-toto's specification for attestations in registries; tools filter referrers by it.
PREDICATE_TYPE = "in-toto.io/predicate-type"


def sbom_attachments(
    made: MadeImage,
    *,
    kinds: str = "both",
    created: int | None = None,
    system: Sequence[DebianPackage] = (),
    distribution: str = "debian",
) -> tuple[Attachment, ...]:
    """Return a platform's bills of materials: `cyclonedx`, `spdx`, `both`, or `none`.

    `created` is in seconds since 1970 where the user gives a time; `system` are the packages of a base that
    was made here, `distribution` is purl's `distro` for them.
    """
    if kinds == "none":
        return ()
    from crossdock.ship.image import cyclonedx, spdx
    from crossdock.ship.image.components import materials

    found = materials(made, system=system, distribution=distribution)
    subject = made.image.descriptor
    result = []
    if kinds in {"both", "cyclonedx"}:
        document = cyclonedx.cyclonedx_document(found, created=created)
        result.append(attachment(subject, document, cyclonedx.MEDIA_TYPE))
    if kinds in {"both", "spdx"}:
        document = spdx.spdx_document(found, created=created)
        result.append(attachment(subject, document, spdx.MEDIA_TYPE))
    return tuple(result)


def attachment(
    subject: Descriptor,
    document: bytes,
    media_type: str,
    *,
    annotations: Mapping[str, str] | None = None,
    layer_annotations: Mapping[str, str] | None = None,
) -> Attachment:
    """Return `document` as an artifact that refers to `subject`: its type is the artifact's, its config empty."""
    config = Descriptor.of(_EMPTY, media.EMPTY)
    layer = Descriptor.of(document, media_type, annotations=layer_annotations)
    manifest = Manifest(
        config=config,
        layers=(layer,),
        artifact_type=media_type,
        annotations=annotations or {},
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
    ).to_bytes()
    return Attachment(
        descriptor=Descriptor.of(manifest, media.MANIFEST, annotations=annotations, artifact_type=media_type),
        manifest=manifest,
        blobs=(
            Blob(descriptor=config, source=BytesSource(_EMPTY)),
            Blob(descriptor=layer, source=BytesSource(document)),
        ),
    )
