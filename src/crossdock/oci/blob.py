"""Blobs: contents named by digest, and the places that their bytes are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.oci.model import Descriptor

#: Bytes read at once.
CHUNK = 1 << 20


class BlobSource(Protocol):
    """Where the bytes of a blob are. Read as often as needed, by several threads at once; nothing is verified."""

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on."""
        ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory."""

    content: bytes

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on."""
        if start < len(self.content):
            yield self.content[start:] if start else self.content


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file, or `size` bytes of one from `offset` on."""

    path: Path
    offset: int = 0
    size: int | None = None

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on; `OSError` if the file is gone."""
        left = None if self.size is None else self.size - start
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            while left is None or left > 0:
                chunk = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A content and where its bytes are."""

    descriptor: Descriptor
    source: BlobSource
