"""What lies below: layouts, archives, registries, pinned or not; and `verify` on what was pushed."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from tests.cli.images import AMD, ARM, BOTH, ONLY_ARM, Contents, base_layout, native_wheel, push_base
from tests.cli.world import elf
from tests.support.fake_registry import FakeRegistry
from tests.support.registry import DockerRegistry, docker_registry, skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.images import Shop

__all__ = ["docker_registry"]

APP = ("--app", "app")
NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def test_one_base_by_every_way_gives_the_same_layers(shop: Shop, registry: FakeRegistry) -> None:
    """A layout, an archive of it, a registry, Docker's own archive: only what is said of the base differs."""
    layout = base_layout()
    top = push_base(registry, "lib/python", "3.12", layout)
    (shop.root / "base.tar").write_bytes(layout.archive())
    docker = shop.root / "docker.tar"
    skopeo(
        *("copy", "--override-arch", "arm64", "--override-variant", "v8"),
        *(f"oci:{shop.base}:latest", f"docker-archive:{docker}:base:1"),
    )
    bases = {
        "path": str(shop.base),
        "oci": f"oci:{shop.base}",
        "tag": f"oci:{shop.base}:latest",
        "archive": f"oci-archive:{shop.root}/base.tar",
        "tar": str(shop.root / "base.tar"),
        "registry": f"{registry.address}/lib/python:3.12",
        "pinned": f"{registry.address}/lib/python@{top}",
        "docker": f"docker-archive:{docker}",
    }
    ours, diff_ids, said = {}, {}, {}
    for kind, base in bases.items():
        shop.image(*APP, "-o", kind, base=base, target=ONLY_ARM)
        contents = shop.layout(kind)
        ours[kind] = [digest for what, digest in contents.layers(ARM) if what != "base"]
        diff_ids[kind] = contents.config(ARM)["rootfs"]["diff_ids"]
        said[kind] = contents.manifest(ARM)["annotations"]
        assert contents.config(ARM)["config"]["Env"][1] == "FROM_BASE=yes"
        assert contents.config(ARM)["variant"] == "v8"
    assert len({str(one) for one in ours.values()}) == 1
    assert len({str(one) for one in diff_ids.values()}) == 1
    # A layout has no name that others know: the platform's own manifest is told, which has these very layers.
    manifest = json.loads(layout.blobs[layout.entries[0].digest])["manifests"][1]["digest"]
    for kind in ("path", "oci", "tag", "archive", "tar"):
        assert said[kind] == {DIGEST: manifest}
    assert said["registry"] == {NAME: f"{registry.address}/lib/python:3.12", DIGEST: top}
    assert said["pinned"] == {NAME: f"{registry.address}/lib/python", DIGEST: top}
    assert str(shop.root) not in json.dumps(said)


def test_of_a_registrys_base_nothing_is_read_twice(shop: Shop, registry: FakeRegistry) -> None:
    push_base(registry, "python", "3.12", base_layout())
    base = f"{registry.address}/python:3.12"
    shop.image(*APP, "--push", f"{registry.address}/shop:1", base=base)
    registry.seen.clear()
    shop.image(*APP, "--push", f"{registry.address}/shop:1", base=base)
    # What its tag stands for today is asked, and nothing else of it.
    assert {one.method for one in registry.seen if "/v2/python/" in one.path} == {"HEAD"}


def test_the_bases_bytes_are_mounted_across_repositories(shop: Shop, docker_registry: DockerRegistry) -> None:
    place = docker_registry.address
    skopeo(
        "copy", "--all", "--dest-tls-verify=false", f"oci:{shop.base}:latest", f"docker://{place}/python:3.12"
    )
    receipt = shop.image(*APP, "--push", f"{place}/team/shop:1", base=f"{place}/python:3.12")
    below = {one["layers"][0]["digest"] for one in receipt["image"]["platforms"]}
    assert len(below) == 2
    outcomes = {one["digest"]: (one["outcome"], one["sent"]) for one in receipt["pushed"]["blobs"]}
    assert {outcomes[digest] for digest in below} == {("mounted", 0)}
    shown = json.loads(
        skopeo(
            "inspect", "--tls-verify=false", "--override-arch=arm64", f"docker://{place}/team/shop:1"
        ).stdout
    )
    assert shown["Layers"][0] in below


def test_a_base_lock_holds_what_a_tag_was(shop: Shop, registry: FakeRegistry) -> None:
    old = push_base(registry, "python", "3.12", base_layout())
    base = f"{registry.address}/python:3.12"
    words = (*APP, "-o", "out", "--base-lock", "base.lock.toml")
    first = shop.image(*words, base=base)
    lock = shop.work / "base.lock.toml"
    written = lock.read_bytes()
    assert tomllib.loads(written.decode())["base"] == [{"name": base, "digest": old}]
    new = push_base(registry, "python", "3.12", base_layout({"etc/motd": b"newer"}))
    assert new != old
    assert shop.image(*words, base=base)["image"]["digest"] == first["image"]["digest"]
    assert lock.read_bytes() == written
    # Without the file the tag counts, with it the tag may even be gone.
    moved = shop.image(*APP, "-o", "out", base=base)
    assert moved["image"]["platforms"][0]["base"]["digest"] == new
    del registry.tags["python", "3.12"]
    assert shop.image(*words, base=base)["image"]["digest"] == first["image"]["digest"]
    registry.tags["python", "3.12"] = new
    renewed = shop.image(*words, "--update-base", base=base)
    assert renewed["image"]["digest"] == moved["image"]["digest"]
    assert tomllib.loads(lock.read_text())["base"] == [{"name": base, "digest": new}]


def test_a_base_lock_that_is_none(shop: Shop, registry: FakeRegistry) -> None:
    push_base(registry, "python", "3.12", base_layout())
    words = (*APP, "-o", "out", "--base-lock", "base.lock.toml")
    for text in (
        "{",
        "base-lock = 9\nbase = []\n",
        'base-lock = 1\nbase = [{name = "x", digest = "md5:1"}]\n',
    ):
        (shop.work / "base.lock.toml").write_text(text)
        shop.refuses(*words, base=f"{registry.address}/python:3.12", code="E-IMAGE-BASE-LOCK", status=2)
        assert (shop.work / "base.lock.toml").read_text() == text
    assert not (shop.work / "out").exists()


def test_offline_needs_a_pin(shop: Shop, registry: FakeRegistry) -> None:
    push_base(registry, "python", "3.12", base_layout())
    base = f"{registry.address}/python:3.12"
    shop.image(*APP, "-o", "out", "--base-lock", "base.lock", base=base)
    shop.refuses(*APP, "-o", "two", "--offline", base=base, code="E-IMAGE-BASE-OFFLINE")
    registry.seen.clear()
    shop.index.requests.clear()
    done = shop.build(*APP, "-o", "out", "--offline", "--base-lock", "base.lock", base=base)
    assert "0 blobs written" in done.stderr
    assert registry.seen == []
    assert shop.index.requests == []


def test_a_base_of_one_platform_only_and_a_base_that_is_its_own_manifest(
    shop: Shop, registry: FakeRegistry
) -> None:
    layout = base_layout(architectures=("arm64",))
    push_base(registry, "python", "arm", layout)
    manifest = json.loads(layout.blobs[layout.entries[0].digest])["manifests"][0]["digest"]
    base = f"{registry.address}/python@{manifest}"
    receipt = shop.image(*APP, "-o", "out", base=base, target=ONLY_ARM)
    assert receipt["image"]["platforms"][0]["base"]["digest"] == manifest
    shop.refuses(*APP, "-o", "both", base=base, code="E-IMAGE-NO-PLATFORM")


# What was pushed, verified


def test_what_was_pushed_fits(shop: Shop, docker_registry: DockerRegistry) -> None:
    place = f"{docker_registry.address}/team/shop:1"
    shop.build(*APP, "--push", place)
    for target in (BOTH, ONLY_ARM):
        done = shop.run("verify", place, *target)
        assert "numlib" in done.stdout + done.stderr or "fit" in done.stdout + done.stderr


def test_an_image_with_a_wheel_for_another_cpu_does_not(shop: Shop, registry: FakeRegistry) -> None:
    for platform in ("manylinux2014_x86_64", "manylinux2014_aarch64"):
        native_wheel(shop.files, "wrong", "1.0", platform, elf("aarch64"))
    shop.run("lock", "wrong", *BOTH, "-o", "pylock.toml")
    place = f"{registry.address}/shop:1"
    shop.build(*APP, "--push", place, "-o", "out", "--accept", "wrong")
    shop.run("verify", place, *ONLY_ARM)
    for source in (place, "out"):
        done = shop.run("verify", source, "--for", "linux/amd64", "--python", "3.12", status=1)
        said = done.stdout + done.stderr
        assert "is built for aarch64" in said
        assert "wrong" in said


def test_platforms_are_told_as_they_are(shop: Shop) -> None:
    shop.image(*APP, "-o", "out")
    contents: Contents = shop.layout()
    assert [row["platform"] for row in contents.index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    assert contents.config(ARM)["variant"] == "v8"
    assert "variant" not in contents.config(AMD)
