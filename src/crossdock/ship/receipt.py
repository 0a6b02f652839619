"""The receipt of a shipment: what lies in it and where that came from; no host, no time in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as encode
from typing import TYPE_CHECKING, Any

from crossdock.errors import ShipError
from crossdock.ship.tree import RECEIPT

if TYPE_CHECKING:
    from pathlib import Path

#: A receipt larger than this is not ours: a tree of a million files stays below.
_LIMIT = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedPackage:
    """One package of a shipment: the wheel and its hash, and what it was built from if it was built."""

    name: str
    version: str
    wheel: str
    sha256: str
    built_from: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, absent ones left out."""
        result: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "wheel": self.wheel,
            "sha256": self.sha256,
        }
        if self.built_from:
            result["built-from"] = self.built_from
        if self.notes:
            result["notes"] = list(self.notes)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a tree holds: the target, the packages, and every file by path with its SHA-256."""

    target: str = ""
    packages: tuple[ShippedPackage, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the receipt as it is written: the same bytes for the same shipment, on any host."""
        # A line a package and a file, so that two receipts can be compared by eye; json's own indentation
        # takes its slow path, which costs more than linking the files.
        packages = ",\n".join(json.dumps(package.to_json(), sort_keys=True) for package in self.packages)
        files = ",\n".join([f"{encode(path)}: {encode(sha)}" for path, sha in sorted(self.files.items())])
        return (
            f'{{"crossdock-receipt": 1,\n"target": {encode(self.target)},\n'
            f'"packages": [\n{packages}\n],\n"files": {{\n{files}\n}}}}\n'
        ).encode()

    @classmethod
    def read(cls, root: Path) -> Receipt:
        """Read the receipt of `root`; an empty one if there is none. Raise `ShipError` if it is not ours.

        Every path is checked again: a receipt is input, and what it names is removed by the next sync
        (GHSA-pjjw-68hj-v9mw was a RECORD that named files outside the root).
        """
        from crossdock.errors import ArchiveError
        from crossdock.safepath import PathRules, parse_member_path

        path = root / RECEIPT
        if path.is_symlink() or not path.is_file():
            return cls()
        try:
            if path.stat().st_size > _LIMIT:
                raise ValueError("too large")  # noqa: TRY301  # one text for all that is wrong with it
            value = json.loads(path.read_bytes())
            files = {
                parse_member_path(name, PathRules.POSIX): str(sha256)
                for name, sha256 in value["files"].items()
            }
        except (ValueError, LookupError, TypeError, AttributeError, ArchiveError) as error:
            raise ShipError(
                f"`{path}` is not a receipt of crossdock: {error}",
                code="E-SHIP-RECEIPT",
                hint="install into another directory, or remove this file and what crossdock wrote beside it",
            ) from error
        return cls(target=str(value.get("target", "")), files={str(name): sha for name, sha in files.items()})
