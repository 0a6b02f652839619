"""The image below: from a registry, a layout or archive, nothing, or made of Debian's packages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock.errors import ImageError, UsageError
from crossdock.oci.blob import BytesSource, read_blob
from crossdock.oci.choose import choose
from crossdock.oci.model import LARGEST_MANIFEST, Descriptor
from crossdock.ship.image.annotations import layer_of
from crossdock.ship.image.model import BaseImage, Origin
from crossdock.target.model import Implementation, LibcKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.net.registry.client import Registry
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.choose import Chosen, ManifestReader
    from crossdock.oci.model import Platform
    from crossdock.ship.image.base_lock import BaseLock
    from crossdock.store import Store
    from crossdock.target.model import Target

_LAYOUTS = ("oci:", "oci-archive:", "docker-archive:")
#: Where a config asks for what the base lacks; the same for every image without a base.
_NO_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BaseKind(StrEnum):
    """Where a base comes from."""

    SCRATCH = "scratch"
    DEBIAN = "debian"
    LAYOUT = "layout"
    REGISTRY = "registry"


def kind_of(spec: str, directory: Path) -> BaseKind:
    """Tell what `--base SPEC` means, paths seen from `directory`.

    `debian:SUITE` is the one made here; Docker Hub's is `docker.io/library/debian:SUITE`.
    """
    if spec == "scratch":
        return BaseKind.SCRATCH
    if spec.startswith("debian:"):
        return BaseKind.DEBIAN
    if spec.startswith((*_LAYOUTS, "./", "../", "/")) or (directory / spec).exists():
        return BaseKind.LAYOUT
    return BaseKind.REGISTRY


def default_base(target: Target) -> str:
    """Return the official image of the target's Python; `UsageError` where there is none."""
    python = target.python
    if python.implementation is not Implementation.CPYTHON or python.free_threaded:
        kind = "PyPy" if python.implementation is Implementation.PYPY else "free-threaded Python"
        raise UsageError(
            f"there is no usual image of {kind}: say which one lies below",
            code="E-IMAGE-BASE",
            hint="`--base REGISTRY/IMAGE:TAG`",
        )
    musl = target.libc is not None and target.libc.kind is LibcKind.MUSL
    return f"python:{python.short}-{'alpine' if musl else 'slim'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMeans:
    """What bases are opened with.

    `registry` is made when it is needed. `debian` makes the base of a suite's packages: of (suite, further
    packages, target, platform, lock). `lock` pins bases, and takes down what was opened.
    """

    directory: Path
    store: Store
    registry: Callable[[], Registry]
    debian: Callable[[str, Sequence[str], Target, Platform, BaseLock], BaseImage]
    lock: BaseLock
    offline: bool = False


def open_base(spec: str, target: Target, platform: Platform, means: BaseMeans) -> BaseImage:
    """Return the base that `spec` names for a platform; of a registry's image only manifest and config are read.

    Raise `UsageError` (E-IMAGE-BASE) for a name that cannot be, `ImageError` or `FetchError` for an image that
    is broken, absent, or not there for the platform.
    """
    match kind_of(spec, means.directory):
        case BaseKind.SCRATCH:
            return _scratch(platform)
        case BaseKind.DEBIAN:
            from crossdock.ship.image.debian.suites import suite_and_packages

            found = suite_and_packages(spec)
            if found is None:
                raise UsageError(
                    f"not a base of Debian's packages: `{spec}`",
                    code="E-IMAGE-BASE",
                    hint="write `debian:bookworm`, or `debian:bookworm+libpq5+libxml2` for packages beside Python",
                )
            return means.debian(*found, target, platform, means.lock)
        case BaseKind.LAYOUT:
            return _from_layout(spec, platform, means)
        case BaseKind.REGISTRY:
            return _from_registry(spec, platform, means)


def _scratch(platform: Platform) -> BaseImage:
    config = {
        **platform.to_json(),
        "config": {"Env": [_NO_PATH]},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    return BaseImage(name="", digest=None, platform=platform, config=config, layers=())


def _from_layout(spec: str, platform: Platform, means: BaseMeans) -> BaseImage:
    from crossdock.oci.layout import open_layout

    text = spec
    for prefix in _LAYOUTS:
        text = text.removeprefix(prefix)
    path, reference = means.directory / text, None
    if not path.exists() and ":" in text:
        # skopeo's way: `oci:PATH:TAG`.
        before, _colon, reference = text.rpartition(":")
        path = means.directory / before
    if not path.exists():
        raise UsageError(f"no image at `{text}`", code="E-IMAGE-BASE", hint="give a layout or an archive")
    layout = open_layout(path)
    chosen = choose(layout, layout.entries(reference), platform, name=layout.name)
    # A path of this machine is nobody's business: an image from a layout has a digest and no name.
    return _base("", chosen.descriptor.digest, chosen, layout)


def _from_registry(spec: str, platform: Platform, means: BaseMeans) -> BaseImage:
    from crossdock.net.registry.reference import ImageReference

    reference = ImageReference.parse(spec)
    digest = reference.digest or means.lock.digest(reference.name)
    registry = means.registry()
    if digest is None:
        if means.offline:
            raise ImageError(
                f"offline, and `{reference.name}` is not pinned",
                code="E-IMAGE-BASE-OFFLINE",
                hint="name its digest, or keep it in a file by `--base-lock`",
            )
        top = registry.head_manifest(reference)
        if top is None:
            raise ImageError(
                f"the registry has no image `{reference.name}`",
                code="E-IMAGE-NO-BASE",
                hint="is the name right, and are you logged in (`docker login`, `podman login`)?",
            )
        digest = top.digest
    reader = _Remembered(_Repository(registry, reference), means.store)
    raw = reader.manifest(digest)
    top = Descriptor(media_type=_type_of(raw), digest=digest, size=len(raw))
    chosen = choose(reader, [top], platform, name=reference.name)
    means.lock.note_digest(reference.name, digest)
    name = reference.name.partition("@")[0]
    return _base(name, digest, chosen, reader)


def _type_of(raw: bytes) -> str:
    from crossdock.oci.model import parse_manifest

    return parse_manifest(raw).media_type


def _base(name: str, digest: Digest, chosen: Chosen, reader: ManifestReader) -> BaseImage:
    return BaseImage(
        name=name,
        digest=digest,
        platform=chosen.platform,
        config=chosen.config,
        layers=tuple(
            layer_of(descriptor, diff_id, reader.blob(descriptor), Origin.BASE)
            for descriptor, diff_id in zip(chosen.manifest.layers, chosen.diff_ids, strict=True)
        ),
    )


class _Repository:
    """A registry's repository as a `ManifestReader`."""

    def __init__(self, registry: Registry, reference: Any) -> None:
        self._registry = registry
        self._reference = reference

    def manifest(self, digest: Digest) -> bytes:
        return self._registry.manifest(self._reference.at(digest)).raw

    def blob(self, descriptor: Descriptor) -> BlobSource:
        return self._registry.source(self._reference, descriptor)


class _Remembered:
    """Manifests and configs from the store where it has them: what a digest names never changes."""

    def __init__(self, reader: ManifestReader, store: Store) -> None:
        self._reader = reader
        self._store = store

    def manifest(self, digest: Digest) -> bytes:
        known = self._store.blob(digest)
        if known is not None:
            return known.read_bytes()
        raw = self._reader.manifest(digest)
        self._store.ingest(digest, (raw,), len(raw))
        return raw

    def blob(self, descriptor: Descriptor) -> BlobSource:
        source = self._reader.blob(descriptor)
        if descriptor.size > LARGEST_MANIFEST or "config" not in descriptor.media_type:
            return source
        return _Small(descriptor, source, self._store)


@dataclass(frozen=True, slots=True)
class _Small:
    """A config: fetched once."""

    descriptor: Descriptor
    source: BlobSource
    store: Store

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        known = self.store.blob(self.descriptor.digest)
        if known is not None:
            content = known.read_bytes()
        else:
            content = read_blob(self.descriptor, self.source, LARGEST_MANIFEST)
            self.store.ingest(self.descriptor.digest, (content,), len(content))
        yield from BytesSource(content).chunks(start)
