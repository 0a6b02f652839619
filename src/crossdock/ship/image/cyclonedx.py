"""An image's bill of materials as CycloneDX 1.6 JSON (ECMA-424): short, and the same for the same content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from crossdock import __version__
from crossdock.oci.model import canonical_json
from crossdock.ship.image.components import as_jsonable, quoted_path
from crossdock.ship.image.config import timestamp

if TYPE_CHECKING:
    from crossdock.digest import Digest
    from crossdock.ship.image.components import Component, Materials
    from crossdock.ship.image.embedded import Part
    from crossdock.ship.image.licences import Licence

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def cyclonedx_document(materials: Materials, *, created: int | None = None) -> bytes:
    """Return the document. `created` is in seconds since 1970; without it no time is told."""
    document = as_jsonable(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": as_jsonable(
                {
                    "component": _component(materials.subject, "container"),
                    "timestamp": "" if created is None else timestamp(created),
                    "tools": {
                        "components": [{"type": "application", "name": "crossdock", "version": __version__}]
                    },
                    "properties": [{"name": "dev.crossdock.platform", "value": materials.architecture}],
                }
            ),
            "components": _components(materials),
            "dependencies": _dependencies(materials),
        }
    )
    serial = uuid5(NAMESPACE_URL, canonical_json(document).decode())
    return canonical_json({**document, "serialNumber": f"urn:uuid:{serial}"})


def _components(materials: Materials) -> list[dict[str, Any]]:
    found = [] if materials.base is None else [_component(materials.base, "container")]
    if materials.application is not None:
        found.append(_component(materials.application, "application"))
    found += [_component(one, "library") for one in (*materials.system, *materials.packages)]
    return found


def _component(component: Component, kind: str) -> dict[str, Any]:
    is_base = kind == "container"
    return as_jsonable(
        {
            "type": kind,
            "bom-ref": component.ref,
            "name": component.name,
            "version": component.version,
            "publisher": component.supplier,
            "purl": component.purl,
            "hashes": [] if is_base else _hashes(component.digest),
            "licenses": _licences(component.licence),
            "externalReferences": _references(component),
            "properties": _properties(component),
            "components": [_part(part) for part in component.embedded.parts],
        }
    )


def _hashes(digest: Digest | None) -> list[dict[str, str]]:
    return [] if digest is None else [{"alg": _ALGORITHMS[digest.algorithm], "content": digest.hex}]


def _licences(licence: Licence) -> list[dict[str, Any]]:
    # Always as an expression: the schema's list of identifiers is older than the standard's.
    if licence.expression:
        return [{"expression": licence.expression}]
    return [{"license": {"name": licence.name}}] if licence.name else []


def _references(component: Component) -> list[dict[str, str]]:
    return [{"type": "bom", "url": quoted_path(path)} for path in component.embedded.unread]


def _properties(component: Component) -> list[dict[str, str]]:
    built = component.built_from
    return [{"name": "dev.crossdock.built-from", "value": built}] if built else []


def _part(part: Part) -> dict[str, Any]:
    return as_jsonable(
        {
            "type": part.kind,
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
            "licenses": [{"expression": part.licence}] if part.licence else [],
        }
    )


def _dependencies(materials: Materials) -> list[dict[str, Any]]:
    """Return who needs whom; the image needs what nobody else does."""
    below = [
        *(one.ref for one in (materials.application, materials.base) if one is not None),
        *(one.ref for one in materials.system),
    ]
    rows = [{"ref": "image", "dependsOn": sorted([*below, *materials.tops])}]
    rows += [{"ref": one.ref, "dependsOn": list(one.requires)} for one in materials.packages if one.requires]
    return rows
