"""An image's bill of materials as SPDX 2.3 JSON: short, and the same for the same content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from crossdock import __version__
from crossdock.oci.model import canonical_json
from crossdock.ship.image.components import as_jsonable, quoted_path
from crossdock.ship.image.config import timestamp
from crossdock.ship.image.licences import Licence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.ship.image.components import Component, Materials

MEDIA_TYPE = "application/spdx+json"
#: 1980-01-01: the standard wants a time, and the files of the image have this one.
_EARLIEST = 315_532_800
_NONE = "NOASSERTION"
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.-]+")


def spdx_document(materials: Materials, *, created: int | None = None) -> bytes:
    """Return the document. `created` is in seconds since 1970; without it the document says 1980."""
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": materials.subject.name,
        "creationInfo": {
            "created": timestamp(_EARLIEST if created is None else created),
            "creators": [f"Tool: crossdock-{__version__}"],
        },
        "packages": [row for one in _everything(materials) for row in _rows(one)],
        "relationships": [*_relations(materials)],
    }
    serial = uuid5(NAMESPACE_URL, canonical_json(document).decode())
    return canonical_json({**document, "documentNamespace": f"urn:uuid:{serial}"})


def _everything(materials: Materials) -> Iterator[Component]:
    yield materials.subject
    for one in (materials.base, materials.application):
        if one is not None:
            yield one
    yield from materials.system
    yield from materials.packages


def _rows(component: Component) -> Iterator[dict[str, Any]]:
    """Give the package, then what its own bills of materials list."""
    is_image = component.ref in {"image", "base"}
    yield _row(
        component.ref,
        component.name,
        component.version,
        component.licence,
        [_purl(component.purl), *map(_own_document, component.embedded.unread)],
        packageFileName=component.filename,
        supplier=f"Person: {component.supplier}" if component.supplier else "",
        sourceInfo=f"built from {component.built_from}" if component.built_from else "",
        primaryPackagePurpose="CONTAINER" if is_image else "",
        checksums=[]
        if component.digest is None or is_image
        else [{"algorithm": component.digest.algorithm.upper(), "checksumValue": component.digest.hex}],
    )
    for number, part in enumerate(component.embedded.parts):
        licence = Licence(expression=part.licence)
        yield _row(_part_ref(component, number), part.name, part.version, licence, [_purl(part.purl)])


def _row(
    ref: str,
    name: str,
    version: str,
    licence: Licence,
    references: list[dict[str, str]],
    **more: Any,
) -> dict[str, Any]:
    """Return a package's row. What is not said in it means no assertion (SPDX 2.3, 7.8, 7.13, 7.15, 7.17)."""
    # A licence of the package's own would need its text here.
    known = licence.expression if "LicenseRef-" not in licence.expression else ""
    return as_jsonable(
        {
            "SPDXID": _id(ref),
            "name": name,
            "versionInfo": version,
            "downloadLocation": _NONE,
            "filesAnalyzed": False,
            "licenseDeclared": known,
            "licenseComments": "" if known else licence.name or licence.expression,
            "externalRefs": [reference for reference in references if reference],
            **more,
        }
    )


def _id(ref: str) -> str:
    return f"SPDXRef-{_NOT_IN_ID.sub('-', ref)}"


def _part_ref(component: Component, number: int) -> str:
    # Two dots: no normalized name has them.
    return f"{component.ref}..{number}"


def _purl(purl: str) -> dict[str, str]:
    if not purl:
        return {}
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _own_document(path: str) -> dict[str, str]:
    return {"referenceCategory": "OTHER", "referenceType": "sbom", "referenceLocator": quoted_path(path)}


def _relations(materials: Materials) -> Iterator[dict[str, str]]:
    """Give who describes, contains and needs whom; the image contains what nobody else needs, and those the rest."""
    yield _relation("DOCUMENT", "DESCRIBES", "image")
    for one in (materials.application, *materials.system):
        if one is not None:
            yield _relation("image", "CONTAINS", one.ref)
    if materials.base is not None:
        yield _relation("image", "DESCENDANT_OF", "base")
    for ref in materials.tops:
        yield _relation("image", "CONTAINS", ref)
    for component in materials.packages:
        for ref in component.requires:
            yield _relation(component.ref, "DEPENDS_ON", ref)
        for number in range(len(component.embedded.parts)):
            yield _relation(component.ref, "CONTAINS", _part_ref(component, number))


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": _id(one), "relationshipType": kind, "relatedSpdxElement": _id(other)}
