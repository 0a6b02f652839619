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
        "left-out": list(bundle.left_out),
        "removed": _removed(bundle),
        "binaries": bundle.binaries,
        "findings": [finding.to_json() for finding in bundle.findings],
        "notes": list(bundle.notes),
    }


def _removed(bundle: Bundle) -> list[dict[str, Any]]:
    """Return what each rule took of each package."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in bundle.removed:
        counts = found.setdefault((one.rule, one.package), [0, 0, 0])
        for place, more in enumerate((1, one.size, one.compressed)):
            counts[place] += more
    return [
        {"rule": rule, "package": package, "files": files, "unzipped": size, "zipped": zipped}
        for (rule, package), (files, size, zipped) in sorted(found.items())
    ]
