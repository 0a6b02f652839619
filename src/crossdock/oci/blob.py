"""Blobs: contents named by digest, and the places that their bytes are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crossdock.errors import ImageError

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


def verified(descriptor: Descriptor, source: BlobSource, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes of `source` from `start` on; raise `ImageError` unless they are what `descriptor` says.

    E-IMAGE-DIGEST for another size or digest, E-IMAGE-BLOB for bytes that cannot be read. Reading stops with
    the first piece past the size, and the last piece is only given out once the digest is known to be right,
    so that whoever writes all of it has the content. From a `start` above 0 the size alone can be checked.
    """
    hasher = descriptor.digest.hasher()
    at = start
    held = b""
    try:
        for piece in source.chunks(start):
            at += len(piece)
            if at > descriptor.size:
                raise _not_it(descriptor, f"more than {descriptor.size} bytes")
            if start == 0:
                hasher.update(piece)
            if held:
                yield held
            held = piece
    except OSError as error:
        raise ImageError(
            f"cannot read the blob `{descriptor.digest}`: {(error.strerror or str(error)).lower()}",
            code="E-IMAGE-BLOB",
            hint="the layout or archive lacks it: make or fetch it anew, with all its blobs",
        ) from error
    if at != descriptor.size:
        raise _not_it(descriptor, f"{at} of {descriptor.size} bytes")
    if start == 0 and (found := hasher.hexdigest()) != descriptor.digest.hex:
        raise _not_it(descriptor, f"`{descriptor.digest.algorithm}:{found}`")
    if held:
        yield held


def read_blob(descriptor: Descriptor, source: BlobSource, most: int) -> bytes:
    """Return a small blob whole, verified as by `verified`; one of more than `most` bytes is refused."""
    if descriptor.size > most:
        raise ImageError(
            f"broken image: `{descriptor.digest}` has {descriptor.size} bytes, more than {most}",
            code="E-IMAGE-BROKEN",
        )
    return b"".join(verified(descriptor, source))


def _not_it(descriptor: Descriptor, found: str) -> ImageError:
    return ImageError(
        f"a blob is not what its digest says: expected `{descriptor.digest}`, got {found}",
        code="E-IMAGE-DIGEST",
        hint="it was damaged or exchanged: make or fetch the image anew",
    )
