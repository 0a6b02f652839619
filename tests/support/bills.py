"""One platform's image made up for bills of materials: records and origins of wheels, no bytes behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor, Manifest, Platform
from crossdock.ship.application import Form
from crossdock.ship.entries import made_file
from crossdock.ship.image.application import Application
from crossdock.ship.image.model import BaseImage, Layer, LayerKind, Origin, PlatformImage
from crossdock.ship.image.records import WheelRecord
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE = "registry.example.com/library/python:3.12-slim"


@dataclass(frozen=True)
class Origins:
    """Where a wheel came from."""

    digest: Digest
    url: str | None = None
    direct_url: bytes | None = None
    built_from: str | None = None


@dataclass(frozen=True)
class MadeUp:
    """What `attach` is given."""

    image: PlatformImage
    wheels: Sequence[Origins]
    records: Sequence[WheelRecord]
    application: Application
    findings: tuple[()] = field(default=())


def record(
    name: str,
    version: str = "1.0",
    *,
    metadata: Mapping[str, tuple[str, ...]] | None = None,
    sboms: Mapping[str, str] | None = None,
) -> WheelRecord:
    """Return the record of a pure wheel."""
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return WheelRecord(
        name=name,
        version=version,
        filename=filename,
        digest=Digest.of(filename.encode()),
        tags=("py3-none-any",),
        metadata=metadata or {},
        sboms=sboms or {},
    )


def origin(one: WheelRecord, url: str | None = None, **more: object) -> Origins:
    """Return where a record's wheel came from: an index, unless `url` says another place."""
    place = f"https://index.example.com/files/{one.filename}" if url is None else url
    return Origins(digest=one.digest, url=place, **more)  # type: ignore[arg-type]


def made_up(
    records: Sequence[WheelRecord],
    *,
    origins: Sequence[Origins] | None = None,
    base: str = BASE,
    name: str = "shop",
    architecture: str = "arm64",
) -> MadeUp:
    """Return an image of these wheels above a base, with an application of one file."""
    platform = Platform(os="linux", architecture=architecture)
    machine = {"arm64": "aarch64", "amd64": "x86_64"}[architecture]
    content = b"layer"
    layer = Layer(
        descriptor=Descriptor.of(content, media.LAYER_GZIP),
        diff_id=Digest.of(content),
        source=BytesSource(content),
        kind=LayerKind.APPLICATION,
        title=name,
        origin=Origin.BUILT,
    )
    config = b"{}"
    manifest = Manifest(
        config=Descriptor.of(config, media.CONFIG),
        layers=(layer.descriptor,),
        annotations={"org.opencontainers.image.title": name, "org.opencontainers.image.version": "1.4"},
    ).to_bytes()
    image = PlatformImage(
        target=parse_target(f"cp312-linux-{machine}-glibc2.36"),
        platform=platform,
        base=BaseImage(
            name=base,
            digest=Digest.of(b"base") if base else None,
            platform=platform,
            config={},
            layers=(),
        ),
        layers=(layer,),
        config=config,
        manifest=manifest,
        descriptor=Descriptor.of(manifest, media.MANIFEST, platform=platform),
    )
    return MadeUp(
        image=image,
        wheels=[origin(one) for one in records] if origins is None else origins,
        records=records,
        application=Application(
            form=Form.PROJECT,
            title="shop 1.4",
            entries=(made_file("app/shop.py", b"print()"),),
            entrypoint=("shop",),
            name=name,
            version="1.4",
        ),
    )
