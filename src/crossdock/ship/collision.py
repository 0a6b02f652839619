"""Two owners of one path in what is shipped."""

from __future__ import annotations

from crossdock.errors import ShipError


def both_write(path: str, one: tuple[str, str], other: tuple[str, str]) -> ShipError:
    """Return the refusal of a path that two write, each given by its name and the SHA-256 of its content."""
    return ShipError(
        f"`{one[0]}` and `{other[0]}` both write `{path}`, and differ",
        code="E-SHIP-COLLISION",
        places=[f"{name}: sha256 {sha256}" for name, sha256 in (one, other)],
        hint="only one of the two can be installed; drop one from the requirements",
    )
