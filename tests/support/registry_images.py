"""Small whole images for tests of registries: two platforms, real layers, and what refers to them."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.net.http import Http, HttpSettings
from crossdock.net.registry.client import Registry
from crossdock.net.registry.docker_config import RegistryLogins
from crossdock.net.registry.reference import ImageReference
from crossdock.net.registry.transport import RegistrySettings
from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource
from crossdock.oci.model import Descriptor, Index, Manifest, Platform, canonical_json
from crossdock.ship.image.annotations import layer_annotations
from crossdock.ship.image.model import (
    Attachment,
    BaseImage,
    Image,
    Layer,
    LayerKind,
    Origin,
    PlatformImage,
    Slice,
)
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TARGETS = {
    "linux/amd64": "cp311-linux-x86_64-glibc2.36",
    "linux/arm64/v8": "cp311-linux-aarch64-glibc2.36",
}


def client(
    *, login: tuple[str, str, str] | None = None, home: Path | None = None, insecure: Sequence[str] = (),
    realms: Sequence[str] = (), **http: object,
) -> Registry:  # fmt: skip
    """Return a client that does not wait long; `login` is registry, user and password, kept below `home`."""
    paths = []
    if login is not None:
        assert home is not None
        home.mkdir(exist_ok=True)
        path = home / "config.json"
        path.write_text(json.dumps({"auths": {login[0]: {"username": login[1], "password": login[2]}}}))
        paths = [path]
    settings = RegistrySettings(
        logins=RegistryLogins(paths), insecure=frozenset(insecure), realms=frozenset(realms)
    )
    chosen = {"backoff": 0.001, "timeout": 20.0, "tries": 3, **http}
    return Registry(Http(HttpSettings(**chosen)), settings)  # type: ignore[arg-type]


def reference(address: str, repository: str = "team/app", tag: str = "1") -> ImageReference:
    """Return a reference into a registry of the tests."""
    return ImageReference.parse(f"{address}/{repository}:{tag}")


def blob_of(content: bytes, media_type: str = "application/octet-stream") -> Blob:
    """Return a blob in memory."""
    return Blob(descriptor=Descriptor.of(content, media_type), source=BytesSource(content))


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress, the same for a seed."""
    return random.Random(seed).randbytes(size)


def tar_layer(title: str, size: int = 2000, *, kind: LayerKind = LayerKind.WHEELS, key: str = "") -> Layer:
    """Return a layer with one file of noise, of our making when it has a key."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo(f"app/{title}")
        member.size = size
        archive.addfile(member, io.BytesIO(noise(size, hash_of(title))))
    content = gzip.compress(raw.getvalue(), mtime=0)
    annotations = {}
    slices = (Slice(name=title, version="1", compressed=len(content), uncompressed=size, files=1),)
    if key:
        annotations = layer_annotations(
            key=key, kind=kind, title=title, slices=slices, toc_digest=Digest.of(b"toc"),
            uncompressed=len(raw.getvalue()),
        )  # fmt: skip
    descriptor = Descriptor.of(content, media.LAYER_GZIP, annotations=annotations)
    return Layer(
        descriptor=descriptor,
        diff_id=Digest.of(raw.getvalue()),
        source=BytesSource(content),
        kind=kind,
        title=title,
        origin=Origin.BUILT,
        key=key,
        slices=slices if key else (),
    )


def hash_of(text: str) -> int:
    """Return a number for a text, the same on every run."""
    return int(Digest.of(text.encode()).hex[:8], 16)


def whole_image(
    layers: Mapping[str, Sequence[Layer]] | None = None, *, base_name: str = "", attachments: bool = False
) -> Image:
    """Return an image for two platforms whose layers differ in one, over a base layer that both have."""
    if layers is None:
        base = tar_layer("base", kind=LayerKind.BASE)
        shared = tar_layer("pure", key="k-pure")
        layers = {
            name: (base, shared, tar_layer(f"numpy-{name.replace('/', '-')}", 5000, key=f"k-numpy-{name}"))
            for name in _TARGETS
        }
    platforms = tuple(_platform(name, tuple(found), base_name) for name, found in layers.items())
    if attachments:
        platforms = tuple(
            replace(one, attachments=(attachment(one.descriptor, f"sbom of {one.platform}"),))
            for one in platforms
        )
    index = Index(manifests=tuple(one.descriptor for one in platforms)).to_bytes()
    descriptor = Descriptor.of(index, media.INDEX)
    return Image(
        platforms=platforms,
        top=index,
        descriptor=descriptor,
        attachments=(attachment(descriptor, "provenance"),) if attachments else (),
    )


def _platform(name: str, layers: tuple[Layer, ...], base_name: str) -> PlatformImage:
    platform = Platform.parse(name)
    config = canonical_json(
        {
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
        }
    )
    manifest = Manifest(
        config=Descriptor.of(config, media.CONFIG), layers=tuple(layer.descriptor for layer in layers)
    ).to_bytes()
    base = tuple(layer for layer in layers if layer.kind is LayerKind.BASE)
    return PlatformImage(
        target=parse_target(_TARGETS[name]),
        platform=platform,
        base=BaseImage(name=base_name, digest=None, platform=platform, config={}, layers=base),
        layers=layers,
        config=config,
        manifest=manifest,
        descriptor=Descriptor.of(manifest, media.MANIFEST, platform=platform),
    )


def attachment(subject: Descriptor, text: str) -> Attachment:
    """Return an artifact that refers to a manifest."""
    content, empty = blob_of(text.encode(), "text/plain"), blob_of(b"{}", media.EMPTY)
    bare = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
    manifest = Manifest(
        config=empty.descriptor,
        layers=(content.descriptor,),
        artifact_type="application/vnd.example.note",
        annotations={"note": text},
        subject=bare,
    ).to_bytes()
    descriptor = Descriptor.of(manifest, media.MANIFEST, artifact_type="application/vnd.example.note")
    return Attachment(descriptor=descriptor, manifest=manifest, blobs=(empty, content))
