"""What changes between two images, and what a machine without anything fetches and sends."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import AMD, ARM, BOTH, Contents, base_layout, make_modules, native_wheel, push_base
from tests.cli.world import elf
from tests.support.fake_registry import FakeRegistry, always, digest_of, is_a
from tests.support.wheels import make_wheel

from crossdock.oci import media
from crossdock.oci.model import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.images import Shop

APP = ("--app", "app")
KEY = "dev.crossdock.layer.key"
RECORDS = "application/vnd.crossdock.wheel-records.v1"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def layers_of(receipt: Any, platform: str) -> dict[str, str]:
    """The digest of each of our layers by what it is."""
    (found,) = (one for one in receipt["image"]["platforms"] if one["platform"] == platform)
    rows = [layer for layer in found["layers"] if layer["kind"] != "base"]
    return {
        layer["title"].partition(" ")[0] if layer["kind"] == "wheels" else layer["kind"]: layer["digest"]
        for layer in rows
    }


def cold(shop: Shop, number: int = 0) -> dict[str, str]:
    """The variables of a machine that has nothing in its store."""
    return {"CROSSDOCK_STORE": str(shop.root / f"cold-{number}")}


def sent_by(registry: FakeRegistry) -> dict[str, int]:
    """The blobs that were uploaded, with their sizes, by digest."""
    done = registry.asked("PUT", "/blobs/uploads/")
    digests = [one.path.partition("digest=")[2].partition("&")[0].replace("%3A", ":") for one in done]
    sizes = {digest: len(data) for (_name, digest), data in registry.blobs.items()}
    return {digest: sizes[digest] for digest in digests}


def test_layers_lie_in_the_order_of_their_changes(shop: Shop) -> None:
    receipt = shop.image(*APP, "-o", "out")
    contents = shop.layout()
    for platform in (AMD, ARM):
        kinds = [kind for kind, _digest in contents.layers(platform)]
        assert kinds == ["base", *["wheels"] * 4, "environment", "application"]
        assert next(iter(layers_of(receipt, platform))) == "large"
    amd, arm = layers_of(receipt, AMD), layers_of(receipt, ARM)
    differing = {name for name in amd if amd[name] != arm[name]}
    assert differing == {"numlib"}
    (one, two) = receipt["image"]["platforms"]
    packages = {row["wheel"] for row in one["packages"]} - {row["wheel"] for row in two["packages"]}
    assert packages == {"numlib-1.1-cp312-cp312-manylinux2014_x86_64.whl"}


def test_a_bumped_wheel_changes_its_layer_and_only_that_is_sent(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1")
    before = shop.image(*words)
    shop.bump("purelib")
    registry.seen.clear()
    shop.index.requests.clear()
    after = shop.image(*words)
    assert shop.fetched() == ["purelib-1.0-py3-none-any.whl"]
    for platform in (AMD, ARM):
        one, two = layers_of(before, platform), layers_of(after, platform)
        assert {name for name in one if one[name] != two[name]} == {"purelib"}
    sent = sent_by(registry)
    layer = layers_of(after, AMD)["purelib"]
    contents = Contents.of_registry(registry, "shop", "1")
    others = {digest for digest in sent if digest != layer}
    layers = {digest for platform in (AMD, ARM) for _kind, digest in contents.layers(platform)}
    assert layer in sent
    # The rest are configurations, records and bills of materials: nothing of any other layer.
    assert not others & layers
    assert sum(sent.values()) <= sent[layer] + (64 << 10)
    assert after["pushed"]["sent"] <= sent[layer] + (64 << 10)
    assert {one["digest"] for one in after["pushed"]["blobs"] if one["outcome"] == "uploaded"} == set(sent)


def test_a_further_package_moves_no_layer(shop: Shop) -> None:
    before = shop.image(*APP, "-o", "out")
    shop.run("lock", "web", "extra-one", *BOTH, "-o", "pylock.toml")
    after = shop.image(*APP, "-o", "out")
    for platform in (AMD, ARM):
        one, two = layers_of(before, platform), layers_of(after, platform)
        # It may share the layer of one small wheel; no other moves.
        moved = {name for name in one if one[name] not in two.values()}
        assert len(moved) <= 1
        assert "large" not in moved
        assert not moved & {"environment", "application"}


def test_an_edit_of_the_application_sends_its_layer_alone(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1", "--sbom", "none", "--no-provenance")
    before = shop.image(*words)
    make_modules(shop.work / "app", "print('edited')\n")
    registry.seen.clear()
    after = shop.image(*words)
    for platform in (AMD, ARM):
        one, two = layers_of(before, platform), layers_of(after, platform)
        assert {name for name in one if one[name] != two[name]} == {"application"}
    contents = Contents.of_registry(registry, "shop", "1")
    configs = {contents.manifest(platform)["config"]["digest"] for platform in (AMD, ARM)}
    assert set(sent_by(registry)) == {layers_of(after, AMD)["application"], *configs}


def test_a_warm_store_needs_no_index(image_stock: Any, tmp_path: Path) -> None:
    shop = image_stock.shop(tmp_path)
    make_modules(shop.work / "app")
    with shop.index:
        image_stock.write_lock(shop)
        environ = shop.variables()
        first = shop.image(*APP, "-o", "out")
    # The index is closed now; the lock itself is another one, so that nothing is remembered of it.
    lock = shop.work / "pylock.toml"
    lock.write_text(lock.read_text() + "\n")
    second = shop.run(
        "image", "pylock.toml", *BOTH, "--base", shop.base, *APP, "-o", "again", "--json", environ=environ
    )
    assert json.loads(second.stdout)["image"]["digest"] == first["image"]["digest"]


def test_a_cold_machine_fetches_no_wheel_for_an_edit(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1")
    first = shop.image(*words)
    make_modules(shop.work / "app", "print('edited')\n")
    shop.index.requests.clear()
    registry.seen.clear()
    receipt = shop.image(*words, environ=cold(shop))
    assert shop.index.requests == []
    origins = {
        layer["origin"]
        for one in receipt["image"]["platforms"]
        for layer in one["layers"]
        if layer["kind"] == "wheels"
    }
    assert origins == {"previous"}
    # No layer of wheels was read either.
    large = layers_of(first, AMD)["large"]
    assert not registry.asked("GET", large)
    assert large not in sent_by(registry)
    # What was made here from everything is the same, byte for byte.
    whole = shop.image(*APP, "-o", "out", "--previous", "none", environ=cold(shop, 1))
    assert whole["image"] == {**receipt["image"], "platforms": whole["image"]["platforms"]}
    assert [one["packages"] for one in whole["image"]["platforms"]] == [
        one["packages"] for one in receipt["image"]["platforms"]
    ]
    assert [one["attachments"] for one in whole["image"]["platforms"]] == [
        one["attachments"] for one in receipt["image"]["platforms"]
    ]


def test_a_cold_machine_fetches_the_one_bumped_wheel(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1")
    shop.image(*words)
    shop.bump("large")
    shop.index.requests.clear()
    shop.image(*words, environ=cold(shop))
    assert shop.fetched() == ["large-1.0-py3-none-any.whl"]


def test_layers_may_come_from_another_tag_than_is_pushed(shop: Shop, registry: FakeRegistry) -> None:
    place = f"{registry.address}/shop"
    shop.image(*APP, "--push", f"{place}:old")
    shop.index.requests.clear()
    shop.image(*APP, "--push", f"{place}:new", "--previous", f"{place}:old", environ=cold(shop))
    assert shop.fetched() == []
    assert registry.tags["shop", "new"] == registry.tags["shop", "old"]
    shop.image(*APP, "-o", "out", "--previous", f"{place}:old", environ=cold(shop, 1))
    assert shop.fetched() == []
    # Written to a disk they are read and verified.
    assert shop.layout().top == registry.tags["shop", "old"]


def test_previous_none_takes_nothing_over(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1")
    shop.image(*words)
    shop.index.requests.clear()
    shop.image(*words, "--previous", "none", environ=cold(shop))
    assert len(shop.fetched()) == 5


# Previous images that somebody changed


def rewrite(registry: FakeRegistry, name: str, tag: str, change: Any) -> None:
    """Put the image of a tag there again with manifests that `change` has been at."""
    index = json.loads(registry.manifests[name, registry.tags[name, tag]][1])
    for row in index["manifests"]:
        kind, raw = registry.manifests[name, row["digest"]]
        manifest = json.loads(raw)
        change(manifest)
        content = canonical_json(manifest)
        row["digest"], row["size"] = registry.put_manifest(name, "", content, kind), len(content)
    content = canonical_json(index)
    registry.put_manifest(name, tag, content, index["mediaType"])


def swap_keys(manifest: Any) -> None:
    """Let two layers of wheels claim each other's key."""
    one, two = (row["annotations"] for row in manifest["layers"][2:4])
    one[KEY], two[KEY] = two[KEY], one[KEY]


def test_a_previous_image_with_swapped_keys_is_found_out_by_a_store_that_knows(
    shop: Shop, registry: FakeRegistry
) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1")
    shop.image(*words)
    rewrite(registry, "shop", "1", swap_keys)
    poisoned = registry.tags["shop", "1"]
    # Something must be asked of the previous image.
    shop.bump("large")
    text = shop.refuses(*words, code="E-IMAGE-LAYER-MISMATCH")
    assert "made here" in text
    assert "--previous none" in text
    assert registry.tags["shop", "1"] == poisoned
    shop.image(*words, "--previous", "none")
    assert registry.tags["shop", "1"] != poisoned


def records_of(registry: FakeRegistry, name: str = "shop") -> list[str]:
    """The digests of the artifacts with the wheels' records."""
    return [
        digest
        for (where, digest), (_kind, raw) in registry.manifests.items()
        if where == name and json.loads(raw).get("artifactType") == RECORDS
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_broken_records_cost_downloads_and_nothing_else(
    shop: Shop, registry: FakeRegistry, gone: bool
) -> None:
    """Each blob of them is broken in another way."""
    words = (*APP, "--push", f"{registry.address}/shop:1")
    first = shop.image(*words)
    faults = [b"hello", gzip_of(b"{]"), gzip_of(b"{}"), gzip_of(bytes(80 << 20)), None]
    for digest in records_of(registry):
        kind, raw = registry.manifests.pop(("shop", digest))
        manifest = json.loads(raw)
        if gone:
            continue
        for row, fault in zip(manifest["layers"], faults, strict=True):
            content = registry.blobs["shop", row["digest"]][:-9] if fault is None else fault
            row["digest"], row["size"] = registry.put_blob("shop", content), len(content)
        registry.put_manifest("shop", "", canonical_json(manifest), kind)
    shop.index.requests.clear()
    done = shop.build(*words, "--json", environ=cold(shop))
    assert len(shop.fetched()) == 5
    assert json.loads(done.stdout)["image"]["digest"] == first["image"]["digest"]
    assert ("cannot be used" in done.stderr) == (not gone)


def gzip_of(content: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return engine.compress(content) + engine.flush()


def test_what_a_previous_image_claims_is_not_believed_for_longer_than_it_is_asked(
    shop: Shop, registry: FakeRegistry
) -> None:
    """Records without binaries pass the audit; a build that reads the wheels itself must not remember that."""
    for platform in ("manylinux2014_x86_64", "manylinux2014_aarch64"):
        native_wheel(shop.files, "wrong", "1.0", platform, elf("aarch64"))
    shop.run("lock", "wrong", *BOTH, "-o", "pylock.wrong.toml")
    place = f"{registry.address}/shop:1"
    words = (*APP, "--push", place)
    shop.image(*words, "--accept", "wrong", source="pylock.wrong.toml")
    for digest in records_of(registry):
        kind, raw = registry.manifests.pop(("shop", digest))
        manifest = json.loads(raw)
        for row in manifest["layers"]:
            said = zlib.decompress(registry.blobs["shop", row["digest"]], 31)
            value = json.loads(said)
            for record in value.get("wheels", value.get("records", [])):
                record["binaries"] = {} if isinstance(record.get("binaries"), dict) else []
            content = gzip_of(json.dumps(value).encode())
            row["digest"], row["size"] = registry.put_blob("shop", content), len(content)
        registry.put_manifest("shop", "", canonical_json(manifest), kind)
    lied = shop.image(*words, source="pylock.wrong.toml", environ=cold(shop))
    assert all(one["binaries"] == 0 for one in lied["image"]["platforms"])
    shop.refuses(
        *words, "--previous", "none", code="E-FINDINGS", source="pylock.wrong.toml", environ=cold(shop)
    )


# Bases in the same registry


def test_a_base_of_the_same_registry_is_mounted_and_never_read(shop: Shop, registry: FakeRegistry) -> None:
    layout = base_layout()
    push_base(registry, "python", "3.12", layout)
    base = f"{registry.address}/python:3.12"
    words = (*APP, "--push", f"{registry.address}/shop:1")
    shop.image(*words, base=base)
    registry.seen.clear()
    make_modules(shop.work / "app", "print('edited')\n")
    elsewhere = ("--push", f"{registry.address}/other:1", "--previous", f"{registry.address}/shop:1")
    receipt = shop.image(*APP, *elsewhere, base=base, environ=cold(shop))
    layers = {row["digest"] for one in receipt["image"]["platforms"] for row in one["layers"][:1]}
    assert len(layers) == 2
    outcomes = {one["digest"]: one["outcome"] for one in receipt["pushed"]["blobs"]}
    assert {outcomes[digest] for digest in layers} == {"mounted"}
    for digest in layers:
        # Neither pushed nor pulled: the previous image tells what the base brings.
        assert digest not in sent_by(registry)
        assert not registry.asked("GET", digest)
        assert digest_of(registry.blobs["other", digest]) == digest


def test_wheels_may_be_made_while_others_lie_in_one_layer(shop: Shop) -> None:
    """Small wheels whose names fall into one bucket share a layer; a bump of one moves no other bucket."""
    names = [f"small{number}" for number in range(20)]
    for name in names:
        for version in ("1.0", "1.1"):
            make_wheel(shop.files, name, version, files={f"{name}.py": f"V = {version!r}\n"})
    shop.run("lock", *names, *BOTH, "-o", "pylock.toml")
    before = shop.image(*APP, "-o", "out")
    shop.bump("small7")
    after = shop.image(*APP, "-o", "out")
    (one, two) = (
        {
            tuple(sorted(row["name"] for row in layer["packages"])): layer["digest"]
            for layer in found["layers"]
        }
        for found in (before["image"]["platforms"][0], after["image"]["platforms"][0])
    )
    assert set(one) == set(two)
    assert len([name for name in one if name and name[0].startswith("small")]) <= 8
    (moved,) = [name for name in one if one[name] != two[name]]
    assert "small7" in moved


@pytest.mark.parametrize("what", ["garbage", "artifact", "one image", "lost manifest", "lost config"])
def test_a_tag_that_names_something_else_is_overwritten(
    shop: Shop, registry: FakeRegistry, what: str
) -> None:
    place = f"{registry.address}/shop:1"
    layout = base_layout()
    push_base(registry, "shop", "1", layout)
    manifest = json.loads(layout.blobs[layout.entries[0].digest])["manifests"][0]["digest"]
    config = json.loads(registry.manifests["shop", manifest][1])["config"]["digest"]
    if what == "garbage":
        registry.put_manifest("shop", "1", b'{"schemaVersion": 2, "manifests": 7}', media.INDEX)
    elif what == "artifact":
        empty = {"mediaType": media.EMPTY, "digest": registry.put_blob("shop", b"{}"), "size": 2}
        value = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": empty, "layers": [empty]}
        registry.put_manifest("shop", "1", canonical_json(value), media.MANIFEST)
    elif what == "one image":
        registry.tags["shop", "1"] = manifest
    elif what == "lost manifest":
        del registry.manifests["shop", manifest]
    else:
        del registry.blobs["shop", config]
    receipt = shop.image(*APP, "--push", place)
    assert registry.tags["shop", "1"] == receipt["image"]["digest"]
    assert len(shop.fetched()) == 5


@pytest.mark.parametrize("answer", [200, 400, 403, 404, 405])
def test_a_registry_whose_referrers_are_of_no_use_costs_downloads(
    shop: Shop, registry: FakeRegistry, answer: int
) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1", "--sbom", "none", "--no-provenance")
    first = shop.image(*words)
    registry.fault = always(is_a("GET", "/referrers/"), lambda exchange: exchange.answer(answer, b"<html>"))
    make_modules(shop.work / "app", "print('edited')\n")
    shop.index.requests.clear()
    done = shop.build(*words, environ=cold(shop))
    assert ("cannot be used" in done.stderr) == (answer == 403)
    assert len(shop.fetched()) == 5
    assert registry.tags["shop", "1"] != first["image"]["digest"]
