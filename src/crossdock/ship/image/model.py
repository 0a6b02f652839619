"""What an image is made of: layers, the base, one image a platform, and the index over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource
from crossdock.oci.model import Descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossdock.digest import Digest
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.model import Platform
    from crossdock.target.model import Target


class LayerKind(StrEnum):
    """What a layer holds, in the order in which layers lie above each other."""

    BASE = "base"
    WHEELS = "wheels"
    ENVIRONMENT = "environment"
    BYTECODE = "bytecode"
    APPLICATION = "application"


class Origin(StrEnum):
    """How this run came by a layer."""

    BUILT = "built"
    #: Its bytes were in the store.
    STORE = "store"
    #: The previous image has it, and nothing of it was fetched.
    PREVIOUS = "previous"
    #: It is the base's.
    BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A package's part of a layer: bytes as compressed in the layer and as unpacked, and number of files."""

    name: str
    version: str
    compressed: int
    uncompressed: int
    files: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "name": self.name,
            "version": self.version,
            "compressed": self.compressed,
            "uncompressed": self.uncompressed,
            "files": self.files,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of an image: what it is, what it holds, and where its bytes are.

    `source` may have to fetch from a registry: it is asked only when the bytes must go somewhere that has
    them not. `key` is empty for the base's layers. `history` is the text of its line in the config.
    """

    descriptor: Descriptor
    diff_id: Digest
    source: BlobSource
    kind: LayerKind
    title: str
    origin: Origin
    key: str = ""
    slices: tuple[Slice, ...] = ()

    @property
    def blob(self) -> Blob:
        """The layer as a blob."""
        return Blob(descriptor=self.descriptor, source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """The image below ours, for one platform.

    `name` is the reference as `org.opencontainers.image.base.name` has it (empty for `scratch`), `digest` what
    that reference came to: the digest of the index or manifest it names. `config` is the config's JSON.
    """

    name: str
    digest: Digest | None
    platform: Platform
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An artifact that refers to an image: an SBOM, a provenance statement, a signature (OCI 1.1 referrers).

    `manifest` is its manifest's bytes, whose `subject` is the image; `blobs` are config and layers of it.
    """

    descriptor: Descriptor
    manifest: bytes
    blobs: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """The image of one platform, whole: `descriptor` is its manifest's, with the platform in it."""

    target: Target
    platform: Platform
    base: BaseImage
    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes
    descriptor: Descriptor
    attachments: tuple[Attachment, ...] = ()

    def blobs(self) -> Iterator[Blob]:
        """Give every blob that the manifest names: layers from the lowest on, then the config."""
        for layer in self.layers:
            yield layer.blob
        yield Blob(descriptor=Descriptor.of(self.config, media.CONFIG), source=BytesSource(self.config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a name stands for: the index over all platforms, or the manifest of the only one.

    `top` are its bytes, `descriptor` is theirs.
    """

    platforms: tuple[PlatformImage, ...]
    top: bytes
    descriptor: Descriptor
    attachments: tuple[Attachment, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
