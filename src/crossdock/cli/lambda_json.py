"""The JSON that `crossdock lambda --json` prints: the receipt of each target's zips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.pipeline.bundle import Bundle
    from crossdock.ship.bundle.prune_judge import Removed
    from crossdock.ship.bundle.receipt import ZipReceipt


def bundle_json(bundle: Bundle, zips: Sequence[ZipReceipt]) -> dict[str, Any]:
    """Return JSON-ready values about one target: no host, no time in it, the same wherever it was made."""
    target = bundle.target
    return {
        "target": target.name,
        "place": bundle.place.name,
        "python": target.python.short,
        "zips": [one.to_json() for one in zips],
        "left-out": list(bundle.left_out),
        "removed": _removed(bundle),
        "binaries": bundle.binaries,
        "findings": [finding.to_json() for finding in bundle.findings],
        "notes": list(bundle.notes),
    }


def _removed(bundle: Bundle) -> list[dict[str, Any]]:
    """Return what each rule took of each package."""
    found: dict[tuple[str, str], list[Removed]] = {}
    for one in bundle.removed:
        found.setdefault((one.rule, one.package), []).append(one)
    return [
        {
            "rule": rule,
            "package": package,
            "files": len(taken),
            "unzipped": sum(one.size for one in taken),
            "zipped": sum(one.compressed for one in taken),
            "paths": sorted(one.path for one in taken),
        }
        for (rule, package), taken in sorted(found.items())
    ]
