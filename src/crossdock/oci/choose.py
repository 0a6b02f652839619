"""Finds the image of one platform among many: in an index, an index of indexes, a layout, a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, ImageError
from crossdock.oci import media
from crossdock.oci.blob import read_blob
from crossdock.oci.model import LARGEST_MANIFEST, Index, Manifest, Platform, parse_manifest, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossdock.oci.blob import BlobSource
    from crossdock.oci.model import Descriptor

#: A layout's index names an index that names images; nobody nests deeper.
_DEEPEST = 3
#: Most manifests that one search reads.
_MOST_READ = 500
#: BuildKit's attestations look like images of an unknown platform (docs/attestations/attestation-storage.md).
_ATTESTATION = "vnd.docker.reference.type"
_VARIANT = re.compile(r"v([0-9]{1,3})", re.ASCII)
_CONFIGS = frozenset({media.CONFIG, media.DOCKER_CONFIG})


class ManifestReader(Protocol):
    """A place that images lie in: a layout, an archive, a registry's repository."""

    def manifest(self, digest: Digest) -> bytes:
        """Return the bytes of a manifest or index, at most 4 MiB; raise `CrossdockError` if it is not there."""
        ...

    def blob(self, descriptor: Descriptor) -> BlobSource:
        """Return where the bytes of a blob are, unverified and perhaps missing (`crossdock.oci.blob.verified`)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One platform's image: `descriptor` is its manifest's, `config` the parsed JSON of `raw_config`.

    `diff_ids[i]` is the digest of the unpacked `manifest.layers[i]`.
    """

    descriptor: Descriptor
    manifest: Manifest
    platform: Platform
    config: dict[str, Any]
    raw_config: bytes
    diff_ids: tuple[Digest, ...]


def choose(
    reader: ManifestReader, entries: Sequence[Descriptor], platform: Platform | None, *, name: str
) -> Chosen:
    """Return the one image for `platform` that `entries` lead to.

    `entries` are what a name came to: the manifests of a layout's index, or the one descriptor that a tag
    stands for. Indexes are followed, attestations and other artifacts passed over. In an index the best variant
    wins, and the first of equals; several entries that fit alike are an error, and so are several images where
    no platform is given. `name` is for messages. Raise `ImageError`: E-IMAGE-NO-PLATFORM (with the platforms
    that are there), E-IMAGE-SEVERAL, E-IMAGE-BROKEN, E-IMAGE-DIGEST.
    """
    search = _Search(reader)
    found: list[tuple[int, _Candidate]] = []
    for entry in entries:
        ranked = [
            (rank, one)
            for one in search.candidates(entry, _DEEPEST)
            if (rank := _rank(platform, one.platform)) is not None
        ]
        if platform is None:
            found += ranked
        elif ranked:
            found.append(min(ranked, key=lambda pair: pair[0]))
    best = min((rank for rank, _ in found), default=0)
    images = {one.descriptor.digest: one for rank, one in found if rank == best}
    if not images:
        raise _none(name, platform, search)
    if len(images) > 1:
        raise _several(name, platform, images.values())
    (chosen,) = images.values()
    return search.whole(chosen)


def platforms(reader: ManifestReader, entries: Sequence[Descriptor]) -> tuple[Platform, ...]:
    """Return the platforms of all images that `entries` lead to, in their order, each once."""
    search = _Search(reader)
    return tuple(
        dict.fromkeys(one.platform for entry in entries for one in search.candidates(entry, _DEEPEST))
    )


def read_manifest(reader: ManifestReader, descriptor: Descriptor) -> Manifest | Index:
    """Return the manifest or index that a descriptor names, its digest, size and type checked."""
    raw = reader.manifest(descriptor.digest)
    if len(raw) != descriptor.size or Digest.of(raw, descriptor.digest.algorithm) != descriptor.digest:
        raise ImageError(
            f"a manifest is not what its digest says: `{descriptor.digest}`, {descriptor.size} bytes",
            code="E-IMAGE-DIGEST",
            hint="it was damaged or exchanged: make or fetch the image anew",
        )
    return parse_manifest(raw, descriptor.media_type)


def fits(wanted: Platform, there: Platform) -> bool:
    """Whether an image for the platform `there` runs where `wanted` is asked for."""
    return _rank(wanted, there) is not None


def _normal(platform: Platform) -> tuple[str, str, str]:
    """Return os, architecture and variant, the variant written out (containerd's platforms.Normalize)."""
    variant = platform.variant
    match platform.architecture:
        case "arm64":
            variant = variant or "v8"
        case "arm":
            variant = variant or "v7"
        case "amd64":
            variant = variant or "v1"
        case _:
            pass
    return platform.os, platform.architecture, variant


def _rank(wanted: Platform | None, there: Platform) -> int | None:
    """Return how far an image is from what is wanted, 0 the best; None if it does not run there.

    A CPU runs what is made for older variants of it (containerd's platforms.platformVector).
    """
    if wanted is None:
        return 0
    (system, architecture, variant), (its_system, its_architecture, its_variant) = map(
        _normal, (wanted, there)
    )
    if (system, architecture) != (its_system, its_architecture):
        return None
    if wanted.os_version and there.os_version and wanted.os_version != there.os_version:
        return None
    if variant == its_variant:
        return 0
    newest, other = _number(variant), _number(its_variant)
    older = newest is not None and other is not None and other < newest
    # arm64/v9 falls back to v8; arm/v8 to v7, v6, v5; amd64/v3 to v2, v1.
    return newest - other if older and newest is not None and other is not None else None


def _number(variant: str) -> int | None:
    found = _VARIANT.fullmatch(variant)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class _Candidate:
    descriptor: Descriptor
    platform: Platform
    manifest: Manifest | None = None


class _Search:
    """One walk over entries: what was read is counted, so that indexes of indexes end."""

    def __init__(self, reader: ManifestReader) -> None:
        self.reader = reader
        self.read = 0
        self.seen: list[Platform] = []

    def candidates(self, entry: Descriptor, depth: int) -> Iterator[_Candidate]:
        """Yield the images that an entry leads to."""
        if _ATTESTATION in entry.annotations or entry.artifact_type:
            return
        if entry.platform is not None and entry.platform.os == "unknown":
            return
        if entry.platform is not None and entry.media_type in media.MANIFESTS:
            yield self._seen(_Candidate(entry, entry.platform))
            return
        if entry.media_type not in media.MANIFESTS | media.INDEXES:
            return  # image-index.md: "encountering a mediaType that is unknown MUST NOT generate an error"
        document = self._document(entry)
        if isinstance(document, Index):
            if depth == 0:
                raise _broken(f"indexes are nested more than {_DEEPEST} deep")
            for one in document.manifests:
                yield from self.candidates(one, depth - 1)
        elif document.config.media_type in _CONFIGS and document.subject is None:
            config = read_json(self._config(document), "an image's config")
            yield self._seen(_Candidate(entry, _config_platform(config), document))

    def whole(self, one: _Candidate) -> Chosen:
        """Read manifest and config of what was chosen."""
        manifest = one.manifest or self._document(one.descriptor)
        if not isinstance(manifest, Manifest):
            raise _broken(f"`{one.descriptor.digest}` is an index where an image is announced")
        raw = self._config(manifest)
        config = read_json(raw, "an image's config")
        return Chosen(
            descriptor=one.descriptor,
            manifest=manifest,
            platform=one.platform,
            config=config,
            raw_config=raw,
            diff_ids=_diff_ids(config, len(manifest.layers)),
        )

    def _seen(self, one: _Candidate) -> _Candidate:
        self.seen.append(one.platform)
        return one

    def _document(self, entry: Descriptor) -> Manifest | Index:
        self.read += 1
        if self.read > _MOST_READ:
            raise _broken(f"more than {_MOST_READ} manifests")
        return read_manifest(self.reader, entry)

    def _config(self, manifest: Manifest) -> bytes:
        return read_blob(manifest.config, self.reader.blob(manifest.config), LARGEST_MANIFEST)


def config_of(raw: bytes, layers: int) -> tuple[Platform, tuple[Digest, ...]]:
    """Return platform and diff IDs that an image's config states; raise `ImageError` unless it has `layers`."""
    config = read_json(raw, "an image's config")
    return _config_platform(config), _diff_ids(config, layers)


def _config_platform(config: dict[str, Any]) -> Platform:
    words = {name: config.get(name) or "" for name in ("os", "architecture", "variant", "os.version")}
    return Platform.from_json(words)


def _diff_ids(config: dict[str, Any], count: int) -> tuple[Digest, ...]:
    rootfs = config.get("rootfs")
    values = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    # Docker leaves `diff_ids` null in an image without layers.
    if not isinstance(values, list | None) or not all(isinstance(one, str) for one in values or ()):
        raise _broken("a config's `rootfs.diff_ids` is not a list of digests")
    if len(values or ()) != count:
        raise _broken(f"{count} layers, and {len(values or ())} diff IDs in the config")
    try:
        return tuple(map(Digest.parse, values or ()))
    except CrossdockError as error:
        raise _broken(error.message) from error


def _broken(what: str) -> ImageError:
    return ImageError(f"broken image: {what}", code="E-IMAGE-BROKEN", hint="make or fetch it anew")


def _none(name: str, platform: Platform | None, search: _Search) -> ImageError:
    there = ", ".join(dict.fromkeys(map(str, search.seen)))
    return ImageError(
        f"`{name}` has no image for {platform}" if platform else f"`{name}` has no image",
        code="E-IMAGE-NO-PLATFORM",
        places=[f"it has: {there}"] if there else (),
        hint="take an image that is made for this platform, or leave the platform out",
    )


def _several(name: str, platform: Platform | None, images: Any) -> ImageError:
    rows = [f"{one.descriptor.digest} {_called(one.descriptor)}{one.platform}" for one in images]
    return ImageError(
        f"`{name}` has {len(rows)} images" + (f" for {platform}" if platform else ""),
        code="E-IMAGE-SEVERAL",
        places=rows[:20],
        hint="name the tag of the one that is meant" if platform else "say for which platform",
    )


def _called(descriptor: Descriptor) -> str:
    tag = descriptor.annotations.get(media.REF_NAME, "")
    return f"({tag}) " if tag else ""
