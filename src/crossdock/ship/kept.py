"""How the store keeps a content: by what name, and with which date."""

from __future__ import annotations

import os

#: The date of every file in the store and so of every file shipped: 1980-01-01 UTC, the first that a zip
#: can hold. It tells nothing of the host, and an edit in place, through a hard link too, changes it.
FIXED_MTIME = 315_532_800


def content_name(hexdigest: str, *, executable: bool) -> str:
    """Return the name of a content in an unpacked wheel's directory."""
    return f"{hexdigest}x" if executable else hexdigest


def has_mode(found: os.stat_result, *, executable: bool) -> bool:
    """Tell whether a file has the mode that it is kept and shipped with; Windows knows none."""
    return os.name == "nt" or found.st_mode & 0o777 == (0o755 if executable else 0o644)
