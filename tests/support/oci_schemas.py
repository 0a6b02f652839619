"""The OCI JSON schemas: what we write must follow them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT4

_SCHEMAS = Path(__file__).parents[1] / "data" / "oci"


def _without_ids(table: dict[str, Any]) -> dict[str, Any]:
    # References are file names; beside an identifier they would be read as URLs.
    return {name: value for name, value in table.items() if not (name == "id" and isinstance(value, str))}


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_SCHEMAS / name).read_text("utf-8"), object_hook=_without_ids)
    return schema


def check(content: bytes, kind: str) -> None:
    """Raise `jsonschema.ValidationError` unless `content` is a `config`, `image-manifest` or `image-index`."""
    registry: Registry[Any] = Registry().with_resources(
        (path.name, DRAFT4.create_resource(_schema(path.name))) for path in _SCHEMAS.glob("*.json")
    )
    schema = _schema(f"{kind}-schema.json")
    Draft4Validator(schema, registry=registry).validate(json.loads(content))
