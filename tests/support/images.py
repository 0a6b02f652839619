"""Images made up for tests: layers with packages in them, without any bytes behind the digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor, Index, Platform
from crossdock.ship.image.model import BaseImage, Image, Layer, LayerKind, Origin, PlatformImage, Slice
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Sequence

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def make_layer(
    title: str,
    size: int,
    *packages: tuple[str, str, int],
    kind: LayerKind = LayerKind.WHEELS,
    origin: Origin = Origin.BUILT,
    content: str = "",
) -> Layer:
    """Return a layer; its digest follows from title, size, packages and `content`."""
    digest = Digest.of(repr((title, size, packages, content)).encode())
    return Layer(
        descriptor=Descriptor(media_type=media.LAYER_GZIP, digest=digest, size=size),
        diff_id=digest,
        source=BytesSource(b""),
        kind=kind,
        title=title,
        origin=origin,
        slices=tuple(
            Slice(name=name, version=version, compressed=part, uncompressed=3 * part, files=10)
            for name, version, part in packages
        ),
    )


def make_image(layers: dict[str, Sequence[Layer]], **annotations: str) -> Image:
    """Return an image with these layers for each platform."""
    platforms = tuple(_platform(name, tuple(found)) for name, found in layers.items())
    index = Index(manifests=tuple(one.descriptor for one in platforms)).to_bytes()
    return Image(
        platforms=platforms,
        top=index,
        descriptor=Descriptor.of(index, media.INDEX),
        annotations={f"org.opencontainers.image.{name}": value for name, value in annotations.items()},
    )


def _platform(name: str, layers: tuple[Layer, ...]) -> PlatformImage:
    platform = Platform.parse(name)
    manifest = name.encode()
    return PlatformImage(
        target=parse_target(f"cp311-{platform.os}-{_MACHINES[platform.architecture]}-glibc2.36"),
        platform=platform,
        base=BaseImage(
            name="debian:bookworm",
            digest=Digest.of(b"base"),
            platform=platform,
            config={},
            layers=tuple(layer for layer in layers if layer.kind is LayerKind.BASE),
        ),
        layers=layers,
        config=b"{}",
        manifest=manifest,
        descriptor=Descriptor.of(manifest, media.MANIFEST, platform=platform),
    )
