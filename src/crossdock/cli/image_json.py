"""The receipt of an image, as `crossdock image --json` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossdock.pipeline.image import MadeImage, MadePlatform
    from crossdock.ship.image.model import Attachment, Layer


def image_json(made: MadeImage) -> dict[str, Any]:
    """Return every digest and size of an image, and how each layer was come by."""
    return {
        "digest": str(made.image.descriptor.digest),
        "size": made.image.descriptor.size,
        "platforms": [_platform(one) for one in made.platforms],
        "attachments": [_attachment(one) for one in made.image.attachments],
    }


def _platform(made: MadePlatform) -> dict[str, Any]:
    image = made.image
    base = image.base
    return {
        "target": image.target.name,
        "platform": str(image.platform),
        "digest": str(image.descriptor.digest),
        "base": {"name": base.name, "digest": None if base.digest is None else str(base.digest)},
        "size": sum(layer.descriptor.size for layer in image.layers),
        "layers": [_layer(layer) for layer in image.layers],
        "packages": [
            {
                "name": record.name,
                "version": record.version,
                "wheel": record.filename,
                "digest": str(record.digest),
            }
            for record in made.records
        ],
        "binaries": sum(len(record.binaries) for record in made.records),
        "findings": [finding.to_json() for finding in made.findings],
        "start_up_hooks": [
            f"{path} ({record.name})" for record in made.records for path in record.start_up_hooks
        ],
        "notes": [
            *made.notes,
            *(f"{record.name}: {text}" for record in made.records for text in record.problems),
        ],
        "attachments": [_attachment(one) for one in image.attachments],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "kind": str(layer.kind),
        "title": layer.title,
        "digest": str(layer.descriptor.digest),
        "diff_id": str(layer.diff_id),
        "size": layer.descriptor.size,
        "origin": str(layer.origin),
        "key": layer.key,
        "packages": [one.to_json() for one in layer.slices],
    }


def _attachment(one: Attachment) -> dict[str, Any]:
    return {
        "type": one.descriptor.artifact_type,
        "digest": str(one.descriptor.digest),
        "size": sum(blob.descriptor.size for blob in one.blobs),
    }
