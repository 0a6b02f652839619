"""The image that was there before: what of it can be taken over without fetching or building it.

Facts, section 5: index by tag, manifest of the platform, config. `layers[i]` belongs to `rootfs.diff_ids[i]`.
Whoever may push a tag may write what he likes into its annotations, so a key found there is a claim; where this
machine's store knows the layer of that key, it must agree (`compare_with_store`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError, ImageError
from crossdock.oci import media
from crossdock.oci.model import LARGEST_MANIFEST, Index, Manifest, Platform, parse_manifest, read_json
from crossdock.ship.image.annotations import layer_of
from crossdock.ship.image.model import Origin
from crossdock.ship.image.parallel import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from crossdock.net.registry.client import Registry
    from crossdock.net.registry.reference import ImageReference
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.layout import Layout
    from crossdock.oci.model import Descriptor
    from crossdock.ship.image.model import Layer

#: Platforms read at once: each is two requests, one after the other.
_THREADS = 4
#: Each platform of an index costs two requests; no honest image is for more.
_MOST_PLATFORMS = 64


class Contents(Protocol):
    """Where an image's contents are: a repository, or a layout (`crossdock.oci.layout.Layout` is one)."""

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest's bytes, verified."""
        ...

    def blob(self, descriptor: Descriptor) -> BlobSource:
        """Return where a blob's bytes are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousPlatform:
    """One platform of the previous image; `config` is the config's JSON, `layers` the lowest first."""

    platform: Platform
    descriptor: Descriptor
    manifest: Manifest
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]

    @property
    def annotations(self) -> Mapping[str, str]:
        """The manifest's annotations."""
        return self.manifest.annotations


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The previous image: its index (None when the name stands for a single manifest) and its platforms."""

    name: str
    descriptor: Descriptor
    index: Index | None
    platforms: tuple[PreviousPlatform, ...]
    #: Gives what refers to a manifest of this image; asks the registry when it is called.
    referrers: Callable[[Digest], tuple[Descriptor, ...]]

    def platform(self, wanted: Platform) -> PreviousPlatform | None:
        """Return the image for a platform, None if there is none."""
        return next((one for one in self.platforms if one.platform == wanted), None)

    def layers_by_key(self) -> dict[str, Layer]:
        """Return all layers that say what they are a function of; the platforms may share some."""
        return {layer.key: layer for one in self.platforms for layer in one.layers if layer.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryContents:
    """A registry's repository as `Contents`."""

    registry: Registry
    reference: ImageReference

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest's bytes, verified."""
        return self.registry.manifest(self.reference.at(digest)).raw

    def blob(self, descriptor: Descriptor) -> BlobSource:
        """Return where a blob's bytes are."""
        return self.registry.source(self.reference, descriptor)


def read_previous(
    registry: Registry,
    reference: ImageReference,
    *,
    platforms: Iterable[Platform] | None = None,
    warn: Callable[[str], None],
) -> Previous | None:
    """Read what a reference names in its registry; None when there is nothing, or nothing that can be used.

    `platforms`: only these are read. What is broken or foreign is told to `warn` in one line and counts as
    absent, since a build does not depend on it. Raise `FetchError` when the registry cannot be asked: a push
    would fail later, after all the work.
    """
    try:
        top = registry.manifest(reference, push=True)
    except FetchError as error:
        if error.code == "E-REGISTRY-NONE":
            return None
        _unusable(reference.name, error, warn)
        return None
    return _read(
        reference.name,
        top.descriptor,
        top.raw,
        RepositoryContents(registry=registry, reference=reference),
        platforms=platforms,
        warn=warn,
        referrers=lambda digest: registry.referrers(reference, digest),
    )


def read_previous_layout(
    layout: Layout,
    name: str,
    entry: Descriptor,
    *,
    platforms: Iterable[Platform] | None = None,
    warn: Callable[[str], None],
) -> Previous | None:
    """Read an entry of a layout's index as the previous image; see `read_previous`. `name` is for messages."""
    try:
        raw = layout.manifest(entry.digest)
    except CrossdockError as error:
        _unusable(name, error, warn)
        return None
    return _read(
        name,
        entry,
        raw,
        layout,
        platforms=platforms,
        warn=warn,
        referrers=lambda digest: tuple(_layout_referrers(layout, digest)),
    )


def _layout_referrers(layout: Layout, digest: Digest) -> Iterator[Descriptor]:
    for entry in layout.entries():
        found = parse_manifest(layout.manifest(entry.digest), entry.media_type)
        if found.subject is not None and found.subject.digest == digest:
            yield replace(entry, artifact_type=found.artifact_type)


def _read(
    name: str,
    descriptor: Descriptor,
    raw: bytes,
    contents: Contents,
    *,
    platforms: Iterable[Platform] | None,
    warn: Callable[[str], None],
    referrers: Callable[[Digest], tuple[Descriptor, ...]],
) -> Previous | None:
    wanted = None if platforms is None else frozenset(platforms)
    try:
        top = parse_manifest(raw, descriptor.media_type or None)
        if isinstance(top, Index):
            entries = [
                one
                for one in top.manifests
                if one.platform is not None and (wanted is None or one.platform in wanted)
            ]
            if len(entries) > _MOST_PLATFORMS:
                raise ImageError(f"an index of {len(entries)} platforms", code="E-IMAGE-BROKEN")
            found = tuple(
                in_threads(
                    lambda one: _platform(one, contents.manifest(one.digest), contents),
                    entries,
                    threads=_THREADS,
                )
            )
        else:
            only = _platform(descriptor, raw, contents)
            found = (only,) if wanted is None or only.platform in wanted else ()
    except CrossdockError as error:
        _unusable(name, error, warn)
        return None
    return Previous(
        name=name,
        descriptor=descriptor,
        index=top if isinstance(top, Index) else None,
        platforms=found,
        referrers=referrers,
    )


def _platform(descriptor: Descriptor, raw: bytes, contents: Contents) -> PreviousPlatform:
    manifest = parse_manifest(raw, descriptor.media_type or None)
    if not isinstance(manifest, Manifest) or manifest.config.media_type not in {
        media.CONFIG,
        media.DOCKER_CONFIG,
    }:
        raise ImageError(f"`{descriptor.digest}` is not an image's manifest", code="E-IMAGE-BROKEN")
    config = read_json(_config_bytes(manifest.config, contents), "an image's config")
    diff_ids = _diff_ids(config)
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(f"{len(manifest.layers)} layers and {len(diff_ids)} diff IDs", code="E-IMAGE-BROKEN")
    platform = descriptor.platform
    if platform is None:
        platform = Platform.from_json(config)
    return PreviousPlatform(
        platform=platform,
        descriptor=replace(descriptor, platform=platform),
        manifest=manifest,
        config=config,
        layers=tuple(
            layer_of(layer, diff_id, contents.blob(layer), Origin.PREVIOUS)
            for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
        ),
    )


def _config_bytes(descriptor: Descriptor, contents: Contents) -> bytes:
    from crossdock.net.registry.source import verified  # net is a floor below

    if descriptor.size > LARGEST_MANIFEST:
        raise ImageError(f"a config of {descriptor.size} bytes", code="E-IMAGE-BROKEN")
    return b"".join(verified(descriptor, contents.blob(descriptor).chunks(), "a config"))


def _diff_ids(config: Mapping[str, Any]) -> tuple[Digest, ...]:
    rootfs = config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ImageError("a config without `rootfs.diff_ids`", code="E-IMAGE-BROKEN")
    return tuple(map(Digest.parse, listed))


#: Codes of what lies in the content of an image, not in the way to it: a build goes on without it.
_CONTENT = frozenset({"E-REGISTRY-NONE", "E-REGISTRY-DIGEST", "E-REGISTRY-SIZE"})


def _unusable(name: str, error: CrossdockError, warn: Callable[[str], None]) -> None:
    """Tell that an image cannot be used; raise the error again if it is the network's or the registry's."""
    if isinstance(error, FetchError) and error.code not in _CONTENT:
        raise error
    warn(f"nothing of `{name}` is taken over: {error.message}")


def compare_with_store(layers: Iterable[Layer], known: Callable[[str], tuple[Digest, Digest] | None]) -> None:
    """Hold the claims of a previous image to what this machine made itself.

    `known` gives digest and diff ID of the layer that was made here for a key, None when none was. Raise
    `ImageError` (`E-IMAGE-LAYER-MISMATCH`) naming every layer that is not the one made here: a layer's bytes
    are a function of its key, so the image, or this machine's store, was tampered with.
    """
    wrong: list[str] = []
    for layer in layers:
        made = known(layer.key) if layer.key else None
        if made is not None and made != (layer.descriptor.digest, layer.diff_id):
            wrong.append(
                f"{layer.title}: there `{layer.descriptor.digest}`, made here `{made[0]}` "
                f"(contents `{layer.diff_id}` and `{made[1]}`)"
            )
    if wrong:
        raise ImageError(
            "the previous image has layers that are not what they say they are",
            code="E-IMAGE-LAYER-MISMATCH",
            places=tuple(wrong),
            hint="someone changed the image or this machine's store: build with `--previous none` and compare",
        )
