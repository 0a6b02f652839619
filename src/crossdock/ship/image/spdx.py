"""A bill of materials as SPDX 2.3 JSON (the specification's clauses are named where they decide)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crossdock.oci.model import canonical_json
from crossdock.ship.image.bill import TOOL, content_uuid
from crossdock.ship.image.components import ComponentKind
from crossdock.ship.image.config import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crossdock.ship.image.bill import Bill
    from crossdock.ship.image.components import Component
    from crossdock.ship.image.licences import Licence

MEDIA_TYPE = "application/spdx+json"
_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-image"
_NOTHING = "NOASSERTION"
#: A document must say a time; without one that the user gave, it is the one of all our files, 1980-01-01.
_EARLIEST = 315_532_800
#: 3.2: letters, digits, `.` and `-`.
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.-]")
_LICENCE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_PURPOSES = {
    ComponentKind.WHEEL: "LIBRARY",
    ComponentKind.DEBIAN: "LIBRARY",
    ComponentKind.EMBEDDED: "LIBRARY",
    ComponentKind.APPLICATION: "APPLICATION",
    ComponentKind.BASE: "CONTAINER",
}


def spdx(bill: Bill) -> bytes:
    """Return the document: the same bytes for the same bill."""
    ids = _ids(bill.components)
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{bill.name} {bill.platform}",
        "creationInfo": {
            "created": timestamp(_EARLIEST if bill.created is None else bill.created),
            "creators": [f"Tool: {TOOL}-{bill.tool_version}"],
        },
        "packages": [
            _image(bill),
            *(_package(one, ids) for one in _all(bill.components)),
        ],
        "relationships": list(_relationships(bill, ids)),
    }
    texts = _extracted(bill.components)
    if texts:
        document["hasExtractedLicensingInfos"] = texts
    document["documentNamespace"] = f"urn:uuid:{content_uuid(document)}"
    return canonical_json(document)


def _all(components: Iterable[Component]) -> Iterator[Component]:
    for one in components:
        yield one
        yield from _all(one.parts)


def _ids(components: Iterable[Component]) -> dict[str, str]:
    """Return identifiers by key; two keys that become the same without their odd characters are numbered."""
    found: dict[str, str] = {}
    taken = {_DOCUMENT, _IMAGE}
    for one in _all(components):
        bare = identifier = "SPDXRef-" + _NOT_IN_ID.sub("-", one.key)
        number = 1
        while identifier in taken:
            number += 1
            identifier = f"{bare}.{number}"
        taken.add(identifier)
        found[one.key] = identifier
    return found


def _image(bill: Bill) -> dict[str, Any]:
    found: dict[str, Any] = {
        "SPDXID": _IMAGE,
        "name": bill.name,
        "versionInfo": str(bill.digest),
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "externalRefs": _refs(bill.purl),
        "comment": f"an image for {bill.platform}",
    }
    if bill.digest.algorithm == "sha256":
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": bill.digest.hex}]
    return found


def _package(one: Component, ids: dict[str, str]) -> dict[str, Any]:
    remarks = [f"built from {one.built_from}"] if one.built_from else []
    remarks += [f"brings {path} ({digest})" for path, digest in one.evidence]
    remarks += one.notes
    found: dict[str, Any] = {
        "SPDXID": ids[one.key],
        "name": one.name,
        "versionInfo": one.version,
        "downloadLocation": one.url or _NOTHING,
        "packageFileName": one.filename,
        "checksums": []
        if one.digest is None
        else [{"algorithm": one.digest.algorithm.upper(), "checksumValue": one.digest.hex}],
        "licenseDeclared": one.licence.expression or _NOTHING,
        "licenseComments": _words(one.licence),
        "externalRefs": _refs(one.purl),
        "primaryPackagePurpose": _PURPOSES[one.kind],
        "comment": "; ".join(remarks),
    }
    found = {name: value for name, value in found.items() if value}
    # No file of a package is listed: its files are the wheel's, under the wheel's checksum (7.8).
    return {**found, "filesAnalyzed": False}


def _words(licence: Licence) -> str:
    return f"The package says: {', '.join(licence.words)}" if licence.words else ""


def _refs(purl: str) -> list[dict[str, str]]:
    if not purl:
        return []
    return [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]


def _relationships(bill: Bill, ids: dict[str, str]) -> Iterator[dict[str, str]]:
    yield _related(_DOCUMENT, "DESCRIBES", _IMAGE)
    for one in bill.components:
        kind = "DESCENDANT_OF" if one.kind is ComponentKind.BASE else "CONTAINS"
        yield _related(_IMAGE, kind, ids[one.key])
        for part in one.parts:
            yield _related(ids[one.key], "CONTAINS", ids[part.key])
    of = {one.key: one.kind for one in bill.components}
    for key, needs in bill.edges():
        kind = "CONTAINS" if of[key] is ComponentKind.BASE else "DEPENDS_ON"
        for other in needs:
            yield _related(ids[key], kind, ids[other])


def _related(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _extracted(components: Iterable[Component]) -> list[dict[str, str]]:
    """Return an entry for each `LicenseRef-`, which a document must explain (10.1); the text is in the wheel."""
    refs = {ref for one in _all(components) for ref in _LICENCE_REF.findall(one.licence.expression)}
    return [
        {
            "licenseId": ref,
            "name": ref.removeprefix("LicenseRef-"),
            "extractedText": "See the package's licence files.",
        }
        for ref in sorted(refs)
    ]
