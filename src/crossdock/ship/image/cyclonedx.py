"""A bill of materials as CycloneDX 1.6 JSON (ECMA-424)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.oci.model import canonical_json
from crossdock.ship.image.bill import TOOL, content_uuid
from crossdock.ship.image.components import ComponentKind
from crossdock.ship.image.config import timestamp

if TYPE_CHECKING:
    from crossdock.digest import Digest
    from crossdock.ship.image.bill import Bill
    from crossdock.ship.image.components import Component
    from crossdock.ship.image.licences import Licence

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_IMAGE = "image"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_TYPES = {
    ComponentKind.WHEEL: "library",
    ComponentKind.DEBIAN: "library",
    ComponentKind.EMBEDDED: "library",
    ComponentKind.APPLICATION: "application",
    ComponentKind.BASE: "container",
}


def cyclonedx(bill: Bill) -> bytes:
    """Return the document: the same bytes for the same bill.

    A wheel's parts are nested in it, which says that it contains them. Without a time that the user gave there
    is no `timestamp`.
    """
    metadata: dict[str, Any] = {
        "tools": {"components": [{"type": "application", "name": TOOL, "version": bill.tool_version}]},
        "component": {
            "type": "container",
            "bom-ref": _IMAGE,
            "name": bill.name,
            "version": str(bill.digest),
            "purl": bill.purl,
            "properties": _properties(
                [("dev.crossdock.platform", bill.platform), ("dev.crossdock.version", bill.version)]
            ),
        },
    }
    if bill.created is not None:
        metadata["timestamp"] = timestamp(bill.created)
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": [_component(one) for one in bill.components],
        "dependencies": [
            {"ref": _IMAGE, "dependsOn": [one.key for one in bill.components]},
            *({"ref": key, "dependsOn": list(needs)} for key, needs in bill.edges() if needs),
        ],
    }
    document["serialNumber"] = f"urn:uuid:{content_uuid(document)}"
    return canonical_json(document)


def _component(one: Component) -> dict[str, Any]:
    properties = [("dev.crossdock.built-from", one.built_from)]
    properties += [("dev.crossdock.note", note) for note in one.notes]
    found: dict[str, Any] = {
        "type": _TYPES[one.kind],
        "bom-ref": one.key,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "hashes": _hashes(one.digest),
        "licenses": _licenses(one.licence),
        "externalReferences": _references(one),
        "properties": _properties(properties),
        "components": [_component(part) for part in one.parts],
    }
    return {name: value for name, value in found.items() if value}


def _hashes(digest: Digest | None) -> list[dict[str, str]]:
    return [] if digest is None else [{"alg": _ALGORITHMS[digest.algorithm], "content": digest.hex}]


def _licenses(licence: Licence) -> list[dict[str, Any]]:
    if licence.expression:
        # An expression even for one licence: the schema's list of identifiers ages faster than the standard's.
        return [{"expression": licence.expression}]
    return [{"license": {"name": words}} for words in licence.words]


def _references(one: Component) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if one.url:
        found.append({"type": "distribution", "url": one.url})
    # A path within the wheel: nobody vouches for what it says, hence the hash.
    found += [
        {"type": "bom", "url": _relative(path), "hashes": _hashes(digest)} for path, digest in one.evidence
    ]
    return found


def _relative(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/-._~")


def _properties(rows: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in rows if value]
