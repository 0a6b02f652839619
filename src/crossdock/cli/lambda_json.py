"""The JSON that `crossdock lambda --json` prints: the receipt of each target's zips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.pipeline.bundle import Bundle
    from crossdock.ship.bundle.receipt import ZipReceipt


def bundle_json(bundle: Bundle, zips: Sequence[ZipReceipt]) -> dict[str, Any]:
    """Return JSON-ready values about one target: no host, no time in it, the same wherever it was made."""
    target = bundle.target
    return {
        "target": target.name,
        "place": bundle.place.name,
        "python": target.python.short,
        "zips": [one.to_json() for one in zips],
        "binaries": bundle.binaries,
        "findings": [finding.to_json() for finding in bundle.findings],
        "notes": list(bundle.notes),
    }
