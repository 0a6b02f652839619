"""A bill of materials before it has a format: what image it is of, when, and what is in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.oci.model import canonical_json, parse_manifest
from crossdock.purl import image_purl
from crossdock.ship.image.components import Component, Made, clean, components_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossdock.digest import Digest

TOOL = "crossdock"
_TITLE = "org.opencontainers.image.title"
_VERSION = "org.opencontainers.image.version"
#: Derives from a document's content the identifiers that formats want to be unique (RFC 9562, version 5).
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "dev.crossdock.sbom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An image's components. `digest` is that of the image's manifest, `created` in seconds since 1970 or None."""

    name: str
    version: str
    platform: str
    purl: str
    digest: Digest
    components: tuple[Component, ...]
    created: int | None = None
    tool_version: str = __version__

    def edges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give what each component needs, by keys; only such as are in the bill."""
        known = {one.key for one in self.components}
        for one in self.components:
            yield one.key, tuple(sorted(key for key in set(one.requires) if key in known))


def bill_of(made: Made, *, created: int | None = None, packages: Sequence[Component] = ()) -> Bill:
    """Return the bill of one platform's image; `packages` are the base's where it was made here."""
    image = made.image
    annotations = parse_manifest(image.manifest, image.descriptor.media_type).annotations
    name = clean(annotations.get(_TITLE) or made.application.name or made.application.title) or "image"
    digest = image.descriptor.digest
    return Bill(
        name=name,
        version=clean(annotations.get(_VERSION) or made.application.version),
        platform=str(image.platform),
        purl=image_purl(name, digest, architecture=image.platform.architecture),
        digest=digest,
        components=components_of(made, packages=packages),
        created=created,
    )


def content_uuid(document: dict[str, Any]) -> str:
    """Return an UUID that follows from a document's content: the same document has the same one, everywhere."""
    return str(uuid.uuid5(_NAMESPACE, canonical_json(document).decode()))
