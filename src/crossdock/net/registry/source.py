"""Blobs in a registry, read as a stream that survives cuts, and the check that every stream goes through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.errors import FetchError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.oci.model import Descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSource:
    """A blob in a registry's repository (a `BlobSource`).

    `reference` is any reference into that repository: where it could be mounted from.
    """

    reference: ImageReference
    descriptor: Descriptor
    registry: Registry = field(repr=False)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `start` on, resumed when the connection is cut; not verified (see `verified`).

        Raise `FetchError`: `E-REGISTRY-NONE` if the blob is gone, and what the registry raises.
        """
        yield from self.registry.read_blob(self.reference, self.descriptor, start)


def verified(descriptor: Descriptor, chunks: Iterable[bytes], what: str = "a blob") -> Iterator[bytes]:
    """Pass chunks on, and raise before the last is out unless all are exactly what `descriptor` says.

    The last chunk is held back until size and digest are known to be right, so that whoever forwards the
    stream can never complete a wrong one. Raise `FetchError` (`E-REGISTRY-SIZE`, `E-REGISTRY-DIGEST`), and
    `ImageError` (`E-IMAGE-READ`) when a file behind the chunks cannot be read.
    """
    hasher = descriptor.digest.hasher()
    left = descriptor.size
    held = b""
    stream = iter(chunks)
    while True:
        try:
            chunk = next(stream, None)
        except OSError as error:
            # In the middle of a request an OSError would be taken for the network's.
            raise ImageError(
                f"cannot read {what} `{descriptor.digest}`: {(error.strerror or str(error)).lower()}",
                code="E-IMAGE-READ",
                hint="run the same command again; nothing was published",
            ) from error
        if chunk is None:
            break
        left -= len(chunk)
        if left < 0:
            raise _wrong_size(descriptor, what, "more")
        hasher.update(chunk)
        if held:
            yield held
        held = chunk
    if left:
        raise _wrong_size(descriptor, what, f"{descriptor.size - left}")
    if hasher.hexdigest() != descriptor.digest.hex:
        raise FetchError(
            f"{what} is not what its digest says: want `{descriptor.digest}`, "
            f"got `{descriptor.digest.algorithm}:{hasher.hexdigest()}`",
            code="E-REGISTRY-DIGEST",
            hint="the registry, a proxy or a disk changed it: fetch or build it again",
        )
    if held:
        yield held


def _wrong_size(descriptor: Descriptor, what: str, got: str) -> FetchError:
    return FetchError(
        f"{what} `{descriptor.digest}` has another size than stated: want {descriptor.size} bytes, got {got}",
        code="E-REGISTRY-SIZE",
        hint="the registry, a proxy or a disk changed it: fetch or build it again",
    )
