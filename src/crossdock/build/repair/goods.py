"""Files that lie in the source as they are: what of a wheel is equal to one of them was not made by the build."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def hashes_below(directory: Path) -> frozenset[str]:
    """Return the hex SHA-256 of every file below a directory: `RepairJob.shipped`, if taken before the build."""
    found = set()
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                found.add(hashlib.file_digest(file, "sha256").hexdigest())
    return frozenset(found)
