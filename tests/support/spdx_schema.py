"""SPDX 2.3's rules for the JSON that we write.

Restated from the specification (clauses 6, 7, 10, 11) and its JSON schema, as far as our documents go: anything
else in a document is refused, so a new field needs its rule here first.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]

_TEXT = {"type": "string", "minLength": 1}
_ID = {"type": "string", "pattern": "^SPDXRef-[A-Za-z0-9.-]+$"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}


def _table(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _rows(row: dict[str, Any], least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": row, "minItems": least}


_CHECKSUM = {
    "oneOf": [
        _table(
            {
                "algorithm": {"const": name},
                "checksumValue": {"type": "string", "pattern": f"^[0-9a-f]{{{size}}}$"},
            }
        )
        for name, size in (("SHA256", 64), ("SHA384", 96), ("SHA512", 128))
    ]
}
_REFERENCE = _table(
    {
        "referenceCategory": {"enum": ["OTHER", "PERSISTENT-ID", "SECURITY", "PACKAGE-MANAGER"]},
        "referenceType": {"const": "purl"},
        "referenceLocator": {"type": "string", "pattern": "^pkg:[!-~]+$"},
    }
)
_PURPOSES = [
    "OTHER", "INSTALL", "ARCHIVE", "FIRMWARE", "APPLICATION", "FRAMEWORK",
    "LIBRARY", "CONTAINER", "SOURCE", "DEVICE", "OPERATING_SYSTEM", "FILE",
]  # fmt: skip
_PACKAGE = _table(
    {
        "SPDXID": _ID,
        "name": _TEXT,
        "downloadLocation": {"type": "string", "pattern": "^(NOASSERTION|NONE|https?://[!-~]+)$"},
        "filesAnalyzed": {"const": False},
    },
    {
        "checksums": _rows(_CHECKSUM),
        "comment": _TEXT,
        "externalRefs": _rows(_REFERENCE),
        "licenseComments": _TEXT,
        "licenseDeclared": _TEXT,
        "packageFileName": _TEXT,
        "primaryPackagePurpose": {"enum": _PURPOSES},
        "versionInfo": _TEXT,
    },
)
_RELATIONSHIP = _table(
    {
        "spdxElementId": _ID,
        "relationshipType": {"enum": ["DESCRIBES", "CONTAINS", "DESCENDANT_OF", "DEPENDS_ON"]},
        "relatedSpdxElement": _ID,
    }
)
_SCHEMA = _table(
    {
        "spdxVersion": {"const": "SPDX-2.3"},
        "dataLicense": {"const": "CC0-1.0"},
        "SPDXID": {"const": "SPDXRef-DOCUMENT"},
        "name": _TEXT,
        "documentNamespace": {"type": "string", "pattern": "^urn:uuid:[0-9a-f-]{36}$"},
        "creationInfo": _table(
            {"created": _TIME, "creators": _rows({"type": "string", "pattern": "^Tool: "})}
        ),
        "packages": _rows(_PACKAGE),
        "relationships": _rows(_RELATIONSHIP),
    },
    {
        "hasExtractedLicensingInfos": _rows(
            _table(
                {
                    "licenseId": {"type": "string", "pattern": "^LicenseRef-[A-Za-z0-9.-]+$"},
                    "extractedText": _TEXT,
                },
                {"name": _TEXT},
            )
        )
    },
)


def check(content: bytes) -> dict[str, Any]:
    """Return the document; raise `ValidationError` or `AssertionError` unless SPDX 2.3 allows it."""
    document: dict[str, Any] = json.loads(content)
    Draft7Validator(_SCHEMA).validate(document)
    identifiers = [one["SPDXID"] for one in document["packages"]]
    assert len(set(identifiers)) == len(identifiers), "an identifier is used twice"
    known = {*identifiers, document["SPDXID"]}
    for row in document["relationships"]:
        assert {row["spdxElementId"], row["relatedSpdxElement"]} <= known, row
    explained = {one["licenseId"] for one in document.get("hasExtractedLicensingInfos", [])}
    used = re.findall(
        r"LicenseRef-[A-Za-z0-9.-]+", " ".join(one.get("licenseDeclared", "") for one in document["packages"])
    )
    assert set(used) == explained
    return document
