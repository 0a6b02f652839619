"""Descriptors, manifests and indexes: read strictly, written the same way everywhere.

OCI image specification 1.1: descriptor.md, manifest.md, image-index.md. Docker's schema 2 is read as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, ImageError
from crossdock.oci import media

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Registries must take manifests of 4 MiB (distribution specification, "Pushing Manifests"); no honest one is larger.
LARGEST_MANIFEST = 4 << 20
#: No runtime takes more layers than this (podman 128); a manifest that names more is an attack or a mistake.
MOST_LAYERS = 500
#: Sizes are int64 in the specification.
_LARGEST_SIZE = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """`os/architecture[/variant]` in Go's words, for example `linux/arm64/v8`."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/architecture[/variant]`; raise `ImageError` for anything else."""
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(parts):
            raise ImageError(
                f"not a platform (want `os/architecture[/variant]`): `{text}`", code="E-IMAGE-PLATFORM"
            )
        return cls(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == 3 else "")  # noqa: PLR2004

    def to_json(self) -> dict[str, str]:
        """Return the JSON of an index's `platform`."""
        named = {
            "os": self.os,
            "architecture": self.architecture,
            "variant": self.variant,
            "os.version": self.os_version,
        }
        return {name: value for name, value in named.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read an index's `platform`."""
        table = _table(value, "platform")
        return cls(
            os=_text(table, "os"),
            architecture=_text(table, "architecture"),
            variant=_text(table, "variant", ""),
            os_version=_text(table, "os.version", ""),
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a content is: its type, digest and size in bytes (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, absent ones left out."""
        result: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        if self.platform is not None:
            result["platform"] = self.platform.to_json()
        if self.artifact_type:
            result["artifactType"] = self.artifact_type
        return result

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a descriptor strictly; `urls` of foreign layers are not followed (CVE-2020-15157)."""
        table = _table(value, "descriptor")
        size = table.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_SIZE:
            raise _broken(f"a descriptor has the size {size!r}")
        annotations = _annotations(table)
        platform = table.get("platform")
        try:
            digest = Digest.parse(_text(table, "digest"))
        except ImageError:
            raise
        except CrossdockError as error:
            raise _broken(error.message) from error
        return cls(
            media_type=_text(table, "mediaType"),
            digest=digest,
            size=size,
            annotations=annotations,
            platform=None if platform is None else Platform.from_json(platform),
            artifact_type=_text(table, "artifactType", ""),
        )

    @classmethod
    def of(
        cls,
        content: bytes,
        media_type: str,
        *,
        annotations: Mapping[str, str] | None = None,
        platform: Platform | None = None,
        artifact_type: str = "",
    ) -> Self:
        """Describe `content`."""
        return cls(
            media_type=media_type,
            digest=Digest.of(content),
            size=len(content),
            annotations=annotations or {},
            platform=platform,
            artifact_type=artifact_type,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An image, or an artifact, for one platform: config and layers, the lowest first (manifest.md)."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = media.MANIFEST
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None

    def to_bytes(self) -> bytes:
        """Return the manifest as it is hashed and stored."""
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.subject is not None:
            value["subject"] = self.subject.to_json()
        return canonical_json(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests, one a platform, or the referrers of a content (image-index.md)."""

    manifests: tuple[Descriptor, ...]
    media_type: str = media.INDEX
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None

    def to_bytes(self) -> bytes:
        """Return the index as it is hashed and stored."""
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [one.to_json() for one in self.manifests],
        }
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.subject is not None:
            value["subject"] = self.subject.to_json()
        return canonical_json(value)


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and no blanks, in UTF-8: the same bytes for the same value, everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_json(raw: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object; raise `ImageError` naming `what` if it is none, or says a key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise _broken(f"{what} says a key twice")
        return table

    try:
        value = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _broken(f"{what} is not JSON ({error})") from error
    return _table(value, what)


def parse_manifest(raw: bytes, media_type: str | None = None) -> Manifest | Index:
    """Read a manifest or an index; raise `ImageError` unless type, content and `media_type` agree.

    `media_type` is what the descriptor or the server called it, None if nobody did. A document that could be
    taken for both is refused (CVE-2021-41190).
    """
    if len(raw) > LARGEST_MANIFEST:
        raise _broken(f"a manifest has {len(raw)} bytes, more than {LARGEST_MANIFEST}")
    table = read_json(raw, "a manifest")
    if table.get("schemaVersion") != 2:  # noqa: PLR2004
        raise _broken(f"a manifest has the schema version {table.get('schemaVersion')!r}, only 2 is known")
    stated = table.get("mediaType", media_type)
    if media_type is not None and stated != media_type:
        raise _broken(f"a manifest says it is `{stated}` but was announced as `{media_type}`")
    if "manifests" in table and ("layers" in table or "config" in table):
        raise _broken("a document is both a manifest and an index")
    is_index = "manifests" in table
    known = media.INDEXES if is_index else media.MANIFESTS
    if stated is None:
        stated = media.INDEX if is_index else media.MANIFEST
    if stated not in known:
        raise _broken(f"a manifest is called `{stated}`, which it is not or which is not supported")
    common: dict[str, Any] = {
        "media_type": stated,
        "artifact_type": _text(table, "artifactType", ""),
        "annotations": _annotations(table),
        "subject": Descriptor.from_json(table["subject"]) if table.get("subject") is not None else None,
    }
    if is_index:
        return Index(manifests=_descriptors(table, "manifests"), **common)
    return Manifest(
        config=Descriptor.from_json(table.get("config")), layers=_descriptors(table, "layers"), **common
    )


def _descriptors(table: dict[str, Any], name: str) -> tuple[Descriptor, ...]:
    values = table.get(name)
    if not isinstance(values, list):
        raise _broken(f"`{name}` is not a list")
    if len(values) > MOST_LAYERS:
        raise _broken(f"`{name}` has {len(values)} entries, more than {MOST_LAYERS}")
    return tuple(map(Descriptor.from_json, values))


def _annotations(table: dict[str, Any]) -> dict[str, str]:
    found = table.get("annotations")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _broken("annotations are not a table of strings")
    return found


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _broken(f"{what} is not a JSON object")
    return value


def _text(table: dict[str, Any], name: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise _broken(f"`{name}` is missing or not a string")
    return value


def _broken(what: str) -> ImageError:
    return ImageError(f"broken image: {what}", code="E-IMAGE-BROKEN", hint="make or fetch it anew")
