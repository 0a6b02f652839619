from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.fake_registry import FakeRegistry, always, is_a
from tests.support.registry import DockerRegistry, docker_registry, skopeo
from tests.support.registry_images import blob_of, client, reference, tar_layer, whole_image

from crossdock.digest import Digest
from crossdock.errors import FetchError, ImageError
from crossdock.net.registry.source import RemoteSource
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.layout import open_layout
from crossdock.oci.model import Descriptor, Index, Manifest, Platform
from crossdock.ship.image.annotations import KIND, PACKAGES, layer_of
from crossdock.ship.image.manifest import single_image
from crossdock.ship.image.model import LayerKind, Origin
from crossdock.ship.image.previous import compare_with_store, read_previous, read_previous_layout
from crossdock.ship.image.publish import publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["docker_registry"]

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64/v8")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def warnings() -> list[str]:
    return []


def test_what_was_published_is_found_again(docker_registry: DockerRegistry, warnings: list[str]) -> None:
    image = whole_image(attachments=True)
    name = reference(docker_registry.address)
    publish(image, [name], client())
    registry = client()
    found = read_previous(registry, name, warn=warnings.append)
    assert found is not None
    assert not warnings
    # Probe, index, a manifest and a config each: no layer.
    assert registry.requests == 1 + 1 + 2 * 2
    assert found.descriptor == image.descriptor
    assert [one.platform for one in found.platforms] == [AMD64, ARM64]
    for before, now in zip(image.platforms, found.platforms, strict=True):
        assert now.descriptor == before.descriptor
        assert [layer.diff_id for layer in now.layers] == [layer.diff_id for layer in before.layers]
        assert [layer.key for layer in now.layers] == ["", "k-pure", f"k-numpy-{now.platform}"]
        assert [layer.kind for layer in now.layers][:2] == [LayerKind.BASE, LayerKind.WHEELS]
        assert [layer.origin for layer in now.layers][:2] == [Origin.BASE, Origin.PREVIOUS]
        assert now.layers[1].slices == before.layers[1].slices
        assert now.config == json.loads(before.config)
    layer = found.layers_by_key()["k-pure"]
    assert isinstance(layer.source, RemoteSource)
    assert Digest.of(b"".join(layer.source.chunks())) == layer.descriptor.digest
    assert {one.digest for one in found.referrers(image.descriptor.digest)} == {
        one.descriptor.digest for one in image.attachments
    }


def test_only_the_platforms_asked_for_are_read(fake: FakeRegistry, warnings: list[str]) -> None:
    name = reference(fake.address)
    publish(whole_image(), [name], client())
    fake.seen.clear()
    found = read_previous(client(), name, platforms=[ARM64], warn=warnings.append)
    assert found is not None
    assert [one.platform for one in found.platforms] == [ARM64]
    assert found.platform(AMD64) is None
    assert len(fake.asked("GET", "/manifests/")) == 2


def test_a_rebuild_takes_layers_over_without_reading_them(fake: FakeRegistry, warnings: list[str]) -> None:
    registry = client()
    publish(whole_image(), [reference(fake.address)], registry)
    found = read_previous(registry, reference(fake.address), warn=warnings.append)
    assert found is not None
    new = {str(one.platform): (*one.layers, tar_layer("app")) for one in found.platforms}
    fake.seen.clear()
    # Into another repository of the same registry: everything old is mounted.
    done = publish(whole_image(new), [reference(fake.address, "team/copy")], registry)
    assert sorted(one.outcome for one in done.blobs) == [*["mounted"] * 4, *["uploaded"] * 3]
    assert not fake.asked("GET", "/blobs/")


def test_a_layout_is_as_good(docker_registry: DockerRegistry, tmp_path: Path, warnings: list[str]) -> None:
    image = whole_image()
    name = reference(docker_registry.address)
    publish(image, [name], client())
    place = tmp_path / "layout"
    skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{place}:1")
    layout = open_layout(place)
    (entry,) = layout.entries("1")
    found = read_previous_layout(layout, str(place), entry, warn=warnings.append)
    assert found is not None
    assert not warnings
    assert {layer.key for one in found.platforms for layer in one.layers} >= {"k-pure"}
    assert found.referrers(image.descriptor.digest) == ()


def test_a_single_manifest_tells_its_platform_by_its_config(fake: FakeRegistry, warnings: list[str]) -> None:
    image = whole_image({"linux/arm64/v8": (tar_layer("a", key="k"),)})
    publish(single_image(image.platforms[0]), [reference(fake.address)], client())
    found = read_previous(client(), reference(fake.address), warn=warnings.append)
    assert found is not None
    assert found.index is None
    assert [one.platform for one in found.platforms] == [ARM64]


def test_no_tag_is_no_previous(fake: FakeRegistry, warnings: list[str]) -> None:
    assert read_previous(client(), reference(fake.address), warn=warnings.append) is None
    assert not warnings


def broken(fake: FakeRegistry, how: str) -> None:
    """Put a broken or foreign image under the tag."""
    image = whole_image({"linux/amd64": (tar_layer("a", key="k"),)})
    publish(image, [reference(fake.address)], client())
    only = image.platforms[0]
    own = ("team/app", str(only.descriptor.digest))
    config = ("team/app", str(Digest.of(only.config)))
    match how:
        case "no manifest":
            del fake.manifests[own]
        case "no config":
            del fake.blobs[config]
        case "config changed":
            fake.blobs[config] = only.config.replace(b"amd64", b"riscv")
        case "manifest changed":
            fake.manifests[own] = (media.MANIFEST, only.manifest + b" ")
        case "not json":
            fake.put_manifest("team/app", "1", b"{", media.INDEX)
        case "both":
            fake.put_manifest("team/app", "1", b'{"schemaVersion":2,"manifests":[],"layers":[]}', media.INDEX)
        case "schema 1":
            fake.put_manifest("team/app", "1", b'{"schemaVersion":1}', "application/json")
        case _:
            foreign(fake, how, only.layers[0].descriptor)


def foreign(fake: FakeRegistry, how: str, layer: Descriptor) -> None:
    contents = {
        "artifact": b"{}",
        "config no json": b"[" * 5000,
        "no rootfs": b'{"rootfs":[]}',
        "diff ids": b'{"rootfs":{"diff_ids":["sha256:../../x"]}}',
    }
    config = blob_of(contents[how], media.EMPTY if how == "artifact" else media.CONFIG)
    fake.put_blob("team/app", contents[how])
    manifest = Manifest(config=config.descriptor, layers=(layer,)).to_bytes()
    fake.put_manifest("team/app", "", manifest, media.MANIFEST)
    index = Index(manifests=(Descriptor.of(manifest, media.MANIFEST, platform=AMD64),)).to_bytes()
    fake.put_manifest("team/app", "1", index, media.INDEX)


@pytest.mark.parametrize(
    "how",
    [
        "no manifest", "no config", "config changed", "manifest changed", "not json", "both", "schema 1", "artifact",
        "diff ids", "config no json", "no rootfs",
    ],
)  # fmt: skip
def test_what_is_broken_or_foreign_is_passed_over(fake: FakeRegistry, warnings: list[str], how: str) -> None:
    broken(fake, how)
    assert read_previous(client(), reference(fake.address), warn=warnings.append) is None
    assert len(warnings) == 1
    assert "team/app:1" in warnings[0]
    assert "\n" not in warnings[0]


@pytest.mark.parametrize(("status", "code"), [(500, "E-FETCH-TRIES"), (403, "E-REGISTRY-DENIED")])
def test_a_registry_that_cannot_be_asked_stops_the_build(
    fake: FakeRegistry, warnings: list[str], status: int, code: str
) -> None:
    fake.fault = always(is_a("GET", "/manifests/"), lambda exchange: exchange.answer(status))
    with pytest.raises(FetchError) as error:
        read_previous(client(), reference(fake.address), warn=warnings.append)
    assert error.value.code == code


def test_a_false_key_is_an_error_and_no_miss() -> None:
    honest = tar_layer("numpy", key="k")
    made = {"k": (honest.descriptor.digest, honest.diff_id)}
    compare_with_store([honest, tar_layer("other", key="unknown"), tar_layer("base")], made.get)
    poisoned = tar_layer("evil", key="k")
    other_content = replace(honest, diff_id=Digest.of(b"other"))
    for layer in (poisoned, other_content):
        with pytest.raises(ImageError) as error:
            compare_with_store([layer], made.get)
        assert error.value.code == "E-IMAGE-LAYER-MISMATCH"
        assert str(honest.descriptor.digest) in str(error.value)


@pytest.mark.parametrize(
    "text", ['[["a","1",Infinity,1,1]]', '[["a","1",NaN,1,1]]', "[1]", "{", "[" * 100_000]
)
def test_what_a_layer_says_of_its_packages_counts_as_absent_where_it_cannot_be_read(text: str) -> None:
    said = {KIND: "wheels", PACKAGES: text}
    descriptor = Descriptor.of(b"x", media.LAYER_GZIP, annotations=said)
    assert layer_of(descriptor, descriptor.digest, BytesSource(b"x"), Origin.PREVIOUS).slices == ()
