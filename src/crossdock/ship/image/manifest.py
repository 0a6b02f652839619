"""The manifest of each platform's image, the index over them, and what both say of the project."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.errors import ImageError, UsageError
from crossdock.oci import media
from crossdock.oci.model import LARGEST_MANIFEST, Descriptor, Index, Manifest
from crossdock.ship.image.config import platform_of, timestamp
from crossdock.ship.image.model import Image, LayerKind, PlatformImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.build.metadata import ProjectMetadata
    from crossdock.ship.image.model import BaseImage, Layer
    from crossdock.target.model import Target

_STANDARD = "org.opencontainers.image."
#: Well-known labels of `[project.urls]`, normalised (well-known project URLs specification), by annotation.
_URLS = {
    "url": ("homepage",),
    "source": ("source", "repository", "sourcecode", "github"),
    "documentation": ("documentation", "docs"),
}
#: Our own marks on a layer speak of layers that we put over a base; the base's own may carry them too.
_OURS = "dev.crossdock."


def standard_annotations(
    metadata: ProjectMetadata,
    base: BaseImage,
    *,
    version: str = "",
    revision: str = "",
    created: int | None = None,
) -> dict[str, str]:
    """Return the annotations of OCI image specification 1.1, annotations.md, as far as they are known.

    `version` stands in for one that pyproject.toml does not tell; `created` is in seconds since 1970 and given
    only where the user says a time: a manifest must not change when nothing in it did.
    """
    digest = base.digest
    found = {
        "title": metadata.name,
        "version": metadata.version or version,
        "description": " ".join(metadata.description.split()),
        "licenses": metadata.license,
        "authors": ", ".join(metadata.authors),
        "revision": revision,
        "created": "" if created is None else timestamp(created),
        "base.name": base.name,
        "base.digest": "" if digest is None else str(digest),
        **_urls(metadata.urls),
    }
    return {f"{_STANDARD}{name}": value for name, value in found.items() if value}


def _urls(urls: Mapping[str, str]) -> dict[str, str]:
    by_label: dict[str, str] = {}
    for label, url in urls.items():
        by_label.setdefault("".join(part for part in label.lower() if part.isalnum()), url)
    found: dict[str, str] = {}
    for name, labels in _URLS.items():
        for label in labels:
            if label in by_label:
                found.setdefault(name, by_label[label])
    return found


def platform_image(
    target: Target,
    base: BaseImage,
    layers: Sequence[Layer],
    config: bytes,
    annotations: Mapping[str, str],
) -> PlatformImage:
    """Return the image of `target`: `layers` are ours, above the base's; `config` is theirs together.

    Types are OCI's even where the base's are Docker's: the bytes are the same.
    """
    platform = platform_of(target)
    below = tuple(
        replace(layer, descriptor=_as_oci(layer), kind=LayerKind.BASE, key="") for layer in base.layers
    )
    everything = (*below, *layers)
    manifest = Manifest(
        config=Descriptor.of(config, media.CONFIG),
        layers=tuple(layer.descriptor for layer in everything),
        annotations=annotations,
    ).to_bytes()
    _check_size(manifest, f"the manifest of {platform}")
    return PlatformImage(
        target=target,
        platform=platform,
        base=base,
        layers=everything,
        config=config,
        manifest=manifest,
        descriptor=Descriptor.of(manifest, media.MANIFEST, platform=platform),
    )


def image_index(platforms: Sequence[PlatformImage], annotations: Mapping[str, str]) -> Image:
    """Return the index over `platforms`, in their order; `UsageError` if two are the same to a runtime."""
    seen: dict[str, PlatformImage] = {}
    for one in platforms:
        twin = seen.setdefault(str(one.platform), one)
        if twin is not one:
            raise UsageError(
                f"an image has one part for {one.platform}, and two targets come to it",
                code="E-IMAGE-PLATFORM-TWICE",
                places=[twin.target.name, one.target.name],
                hint="make two images, each with a tag of its own",
            )
    index = Index(manifests=tuple(one.descriptor for one in platforms), annotations=annotations).to_bytes()
    _check_size(index, "the index")
    return Image(
        platforms=tuple(platforms),
        top=index,
        descriptor=Descriptor.of(index, media.INDEX),
        annotations=annotations,
    )


def single_image(platform: PlatformImage) -> Image:
    """Return the image that is one platform's manifest, without an index: AWS Lambda takes no other."""
    return Image(platforms=(platform,), top=platform.manifest, descriptor=platform.descriptor)


def _as_oci(layer: Layer) -> Descriptor:
    descriptor = layer.descriptor
    return replace(
        descriptor,
        media_type=media.AS_OCI.get(descriptor.media_type, descriptor.media_type),
        annotations={
            name: text for name, text in descriptor.annotations.items() if not name.startswith(_OURS)
        },
    )


def _check_size(content: bytes, what: str) -> None:
    if len(content) > LARGEST_MANIFEST:
        raise ImageError(
            f"{what} has {len(content)} bytes, and registries take {LARGEST_MANIFEST}",
            code="E-IMAGE-MANIFEST-SIZE",
            hint="shorten the annotations",
        )
