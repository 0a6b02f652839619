"""Large binaries on their way into a layer or a zip: kept on disk for as long as their facts are read."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING

from crossdock.inspect.binary import HEAD_SIZE, examine, is_binary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from crossdock.inspect.binary import Binary


class BinarySpool:
    """Passes a file's pieces on and keeps a copy on disk if it is a binary, which is read from any place.

    A library of a gigabyte does not fit the memory that we promise to stay in.
    """

    def __init__(self, scratch: Path | None) -> None:
        self._scratch = scratch
        self._copy: IO[bytes] | None = None

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces as they come."""
        first = True
        for chunk in chunks:
            if first and is_binary(chunk[:HEAD_SIZE]):
                self._copy = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  # closed by `facts`
            first = False
            if self._copy is not None:
                self._copy.write(chunk)
            yield chunk

    def facts(self, path: str) -> Binary | None:
        """Return the facts of what went through, None if it is no binary; the copy is gone then."""
        import mmap

        if self._copy is None:
            return None
        with self._copy as copy:
            copy.flush()
            with mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
                return examine(buffer, path)
