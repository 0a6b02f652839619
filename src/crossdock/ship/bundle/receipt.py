"""The receipt of a zip: what is in it, where that came from, and the hashes that others know it by; no host, no time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.write import WrittenZip


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipReceipt:
    """One zip that was written: what it is for, its name as the user gave it, and what is in it."""

    role: str
    file: str
    packages: Sequence[BundledPackage]
    written: WrittenZip

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; sizes are bytes, those of packages without their RECORD."""
        written = self.written
        return {
            "role": self.role,
            "file": self.file,
            "sha256": written.sha256,
            "source_code_hash": written.source_code_hash,
            "size": written.size,
            "unzipped": written.unzipped,
            "files": written.files,
            "packages": [_package(one) for one in self.packages if one.package is not None],
            "application": [_files(one) for one in self.packages if one.package is None],
        }


def _package(package: BundledPackage) -> dict[str, Any]:
    told = {} if package.package is None else package.package.to_json()
    return {**told, **_files(package)}


def _files(package: BundledPackage) -> dict[str, Any]:
    return {"files": len(package.files), "unzipped": package.size, "zipped": package.compressed}
