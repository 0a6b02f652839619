"""Reads images kept in files: OCI layouts, OCI archives, and what `docker save` writes. Nothing is unpacked.

OCI image specification 1.1, image-layout.md; for docker's `manifest.json`, moby's image/spec v1.2. Since Docker 25
its archives are both, and are taken for the layout that they hold.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from crossdock.digest import Digest
from crossdock.errors import ImageError
from crossdock.oci import media
from crossdock.oci.archive import DirectoryParts, TarParts, is_tar, layer_suffix, open_tar
from crossdock.oci.choose import config_of
from crossdock.oci.model import LARGEST_MANIFEST, Descriptor, Index, Manifest, parse_manifest, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.oci.blob import BlobSource

_LAYOUT, _INDEX, _DOCKER = "oci-layout", "index.json", "manifest.json"
_HEX = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")


class _Parts(Protocol):
    def size(self, name: str) -> int | None: ...

    def source(self, name: str) -> BlobSource | None: ...


@dataclass(frozen=True, slots=True)
class _Missing:
    """The bytes of a blob that is named and not there."""

    name: str
    digest: Digest

    def chunks(self, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002  # as every source
        raise _missing(self.name, self.digest)


class Layout:
    """The images in a layout or archive: a `crossdock.oci.choose.ManifestReader`.

    It holds names and offsets only, no open file, and may be used by several threads.
    """

    def __init__(self, path: Path, parts: _Parts) -> None:
        self.path = path
        self.name = path.name or str(path)
        self._parts = parts
        #: Blobs that lie elsewhere than their digest says, and manifests made up for docker's older archives.
        self._places: dict[Digest, str] = {}
        self._manifests: dict[Digest, bytes] = {}
        self._index = self._read_index() if parts.size(_INDEX) is not None else self._read_docker()

    def index(self) -> Index:
        """Return the layout's index; an entry's names are in its annotations (`media.REF_NAME`)."""
        return self._index

    def entries(self, reference: str | None = None) -> tuple[Descriptor, ...]:
        """Return the entries of the index, or those that go by a tag, a full name or a digest.

        Raise `ImageError` (E-IMAGE-TAG, with the names that are there) if none does.
        """
        if reference is None:
            return self._index.manifests
        found = tuple(one for one in self._index.manifests if reference in _names(one))
        if found:
            return found
        there = dict.fromkeys(name for one in self._index.manifests for name in _names(one))
        raise ImageError(
            f"`{self.name}` has nothing called `{reference}`",
            code="E-IMAGE-TAG",
            places=[f"it has: {', '.join(list(there)[:20])}"] if there else (),
            hint="leave the tag out if it holds one image only",
        )

    def manifest(self, digest: Digest) -> bytes:
        """Return the bytes of a manifest or index; raise `ImageError` E-IMAGE-BLOB if it is not there."""
        made = self._manifests.get(digest)
        if made is not None:
            return made
        name = _blob_name(digest)
        if self._parts.size(name) is None:
            raise _missing(self.name, digest)
        return self._small(name)

    def blob(self, descriptor: Descriptor) -> BlobSource:
        """Return where a blob's bytes are, unverified; reading one that is not there raises E-IMAGE-BLOB."""
        name = self._places.get(descriptor.digest) or _blob_name(descriptor.digest)
        return self._parts.source(name) or _Missing(self.name, descriptor.digest)

    def _small(self, name: str) -> bytes:
        """Return a small part whole."""
        source, size = self._parts.source(name), self._parts.size(name)
        if source is None or size is None:
            self._bad(f"`{name}` is missing")
        if size > LARGEST_MANIFEST:
            self._bad(f"`{name}` has {size} bytes, more than {LARGEST_MANIFEST}")
        try:
            return b"".join(source.chunks())
        except OSError as error:
            self._bad(f"`{name}` cannot be read ({error.strerror})")

    def _read_index(self) -> Index:
        # image-layout.md: both files MUST exist, and the version is 1.0.0 to this day.
        version = read_json(self._small(_LAYOUT), f"`{_LAYOUT}`").get("imageLayoutVersion")
        if version != "1.0.0":
            self._bad(f"its version is {version!r}, only 1.0.0 is known")
        index = parse_manifest(self._small(_INDEX))
        if not isinstance(index, Index):
            self._bad(f"`{_INDEX}` is not an index")
        return index

    def _read_docker(self) -> Index:
        try:
            images = json.loads(self._small(_DOCKER))
        except (ValueError, RecursionError) as error:
            self._bad(f"`{_DOCKER}` is not JSON ({error})")
        if not isinstance(images, list):
            self._bad(f"`{_DOCKER}` is not a list")
        return Index(manifests=tuple(one for image in images for one in self._docker_image(image)))

    def _docker_image(self, image: Any) -> Iterator[Descriptor]:
        """Make a manifest of what docker's says of an image, and yield it under each of its tags."""
        if not isinstance(image, dict):
            self._bad(f"`{_DOCKER}` is not a list of images")
        place, layers, tags = image.get("Config"), image.get("Layers") or [], image.get("RepoTags") or []
        if not isinstance(place, str) or not _texts(layers) or not _texts(tags):
            self._bad(f"an image of `{_DOCKER}` is not described by names")
        raw = self._small(place)
        config = Descriptor.of(raw, media.CONFIG)
        stated = _HEX.fullmatch(place)
        if stated and stated[1] != config.digest.hex:
            self._bad(f"`{place}` is not what its name says")
        self._places[config.digest] = place
        platform, diff_ids = config_of(raw, len(layers))
        described = tuple(map(self._docker_layer, layers, diff_ids))
        made = Manifest(config=config, layers=described).to_bytes()
        entry = Descriptor.of(made, media.MANIFEST, platform=platform)
        self._manifests[entry.digest] = made
        for tag in tags or [""]:
            yield Descriptor.of(
                made, media.MANIFEST, platform=platform, annotations={media.REF_NAME: tag} if tag else {}
            )

    def _docker_layer(self, place: str, diff_id: Digest) -> Descriptor:
        """Describe a layer. An uncompressed one's digest is its diff ID; who reads it verifies that."""
        source, size = self._parts.source(place), self._parts.size(place)
        if source is None or size is None:
            self._bad(f"the layer `{place}` is missing")
        digest = diff_id
        suffix = layer_suffix(next(iter(source.chunks()), b""))
        if suffix:
            hasher = diff_id.hasher()
            for piece in source.chunks():
                hasher.update(piece)
            digest = Digest(diff_id.algorithm, hasher.hexdigest())
        self._places[digest] = place
        return Descriptor(media_type=media.LAYER + suffix, digest=digest, size=size)

    def _bad(self, what: str) -> NoReturn:
        raise ImageError(
            f"not a whole image layout or archive: {what}",
            code="E-IMAGE-LAYOUT",
            places=[str(self.path)],
            hint="make or fetch it anew",
        )


def is_layout(path: Path) -> bool:
    """Whether a directory is an OCI layout, by the two files that every one has."""
    return (path / _LAYOUT).is_file() and (path / _INDEX).is_file()


def find_layout(path: Path) -> Layout | None:
    """Return the images at a path, None if it is something else; raise `ImageError` for broken ones."""
    if path.is_dir():
        return Layout(path, DirectoryParts(path)) if is_layout(path) else None
    if path.exists() and not path.is_file():
        return None  # A pipe would be waited for.
    try:
        with path.open("rb") as file:
            if not is_tar(file.read(512)):
                return None
        parts: TarParts = open_tar(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if parts.size(_DOCKER) is None and (parts.size(_LAYOUT) is None or parts.size(_INDEX) is None):
        return None
    return Layout(path, parts)


def open_layout(path: Path) -> Layout:
    """Return the images in an OCI layout, an OCI archive or an archive of docker's (also gzip'd).

    Raise `ImageError`: E-IMAGE-LAYOUT if it is none or is broken, E-IMAGE-BROKEN, E-IMAGE-ZSTD. A gzip'd archive
    works and is slow: it is read from its top for every blob.
    """
    found = find_layout(path)
    if found is None:
        raise ImageError(
            f"not an image: `{path}`",
            code="E-IMAGE-LAYOUT",
            hint="give an OCI layout (a directory with `oci-layout` and `index.json`), or an archive of one, or "
            "one that `docker save` or `podman save` wrote",
        )
    return found


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _names(entry: Descriptor) -> list[str]:
    """Return what an entry goes by: tag, full name, digest."""
    found = [entry.annotations.get(media.REF_NAME, ""), entry.annotations.get(media.CONTAINERD_NAME, "")]
    # Docker's tags are full names (`docker.io/library/app:1`); people call them by what they typed.
    found += [name.rpartition(":")[2] for name in found if ":" in name.rpartition("/")[2]]
    return [name for name in dict.fromkeys([*found, str(entry.digest)]) if name]


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _missing(name: str, digest: Digest) -> ImageError:
    return ImageError(
        f"`{name}` lacks the blob `{digest}`",
        code="E-IMAGE-BLOB",
        hint="make or fetch it anew, with the blobs of this platform",
    )


def _unreadable(path: Path, error: OSError) -> ImageError:
    return ImageError(
        f"cannot read `{path}`: {(error.strerror or str(error)).lower()}", code="E-IMAGE-LAYOUT"
    )
