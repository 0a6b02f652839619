"""Small JSON records that prove themselves: a truncated or damaged one is as good as none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SEAL = 32  # hex digits of sha256 kept: against accidents, not against an attacker who can write here


def seal(value: Any) -> bytes:
    """Return a JSON value as bytes with its own checksum in front."""
    import json  # 10 ms that a bare `--version` need not pay

    body = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest()[:_SEAL].encode() + b"\n" + body


def unseal(data: bytes) -> Any | None:
    """Return the value of `seal`'s bytes, or None when they are not whole."""
    import json  # as above

    mark, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest()[:_SEAL].encode() != mark:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def read_sealed(path: Path) -> Any | None:
    """Read a sealed file; None when it is missing, unreadable or damaged."""
    try:
        return unseal(path.read_bytes())
    except OSError:
        return None
