"""repairwheel on strangers' files: whatever it stumbles over is a broken binary."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossdock.errors import InspectError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Anything that reading a table at a wrong place can raise.
_STUMBLES = (
    ValueError, LookupError, AssertionError, AttributeError, TypeError, OverflowError, struct.error,
)  # fmt: skip


@contextmanager
def rewriting(name: str) -> Iterator[None]:
    """Turn what repairwheel raises into `InspectError` (E-BINARY-ELF) about the file `name`."""
    try:
        yield
    except _STUMBLES as error:
        raise InspectError(
            f"broken binary: {str(error) or type(error).__name__}",
            code="E-BINARY-ELF",
            places=[name],
            hint="get the wheel anew; report it to the project",
        ) from error
