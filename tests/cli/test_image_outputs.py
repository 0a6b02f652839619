"""Where `crossdock image` puts what it makes, and what it says of it: the real program, real registries."""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.images import AMD, ARM, BOTH, Contents, make_modules
from tests.cli.world import names_below
from tests.support.fake_registry import FakeRegistry
from tests.support.registry import DockerRegistry, docker_registry, skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.images import Shop

__all__ = ["docker_registry"]

APP = ("--app", "app")
WRITING = {"PUT", "POST", "PATCH", "DELETE"}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def inspect(address: str) -> Any:
    return json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{address}").stdout)


def check_receipt(receipt: Any, contents: Contents) -> None:
    """Hold every digest and size of a receipt to the bytes that are there."""
    image = receipt["image"]
    assert image["digest"] == contents.top
    assert image["size"] == len(contents.blobs[contents.top])
    assert [row["digest"] for row in contents.index["manifests"]] == [
        one["digest"] for one in image["platforms"]
    ]
    for one in image["platforms"]:
        manifest, config = contents.manifest(one["platform"]), contents.config(one["platform"])
        assert [row["digest"] for row in manifest["layers"]] == [row["digest"] for row in one["layers"]]
        assert config["rootfs"]["diff_ids"] == [row["diff_id"] for row in one["layers"]]
        assert [row["size"] for row in one["layers"]] == [
            len(contents.blobs[row["digest"]]) for row in one["layers"]
        ]
        assert one["size"] == sum(row["size"] for row in one["layers"])
        for attached in one["attachments"]:
            said = contents.json(attached["digest"])
            assert said["subject"]["digest"] == one["digest"]
            assert said["artifactType"] == attached["type"]
    for digest, data in contents.blobs.items():
        assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_a_layout_an_archive_and_a_registry_hold_the_same_image(
    shop: Shop, docker_registry: DockerRegistry
) -> None:
    place = f"{docker_registry.address}/team/shop"
    receipt = shop.image(
        *APP, "-o", "out", "-o", "out.tar", "--push", f"{place}:1", "--push", f"{place}:latest"
    )
    layout = shop.layout()
    check_receipt(receipt, layout)
    assert layout.tags == {"shop:1": layout.top, "shop:latest": layout.top}
    with tarfile.open(shop.work / "out.tar") as archive:
        inside = {member.name: archive.extractfile(member) for member in archive if member.isreg()}
        packed = {name: file.read() for name, file in inside.items() if file is not None}
    # `podman load` wants one entry in an archive's index, so nothing is attached there.
    index = json.loads(packed.pop("index.json"))
    assert [row["digest"] for row in index["manifests"]] == [layout.top] * 2
    assert (
        packed.items()
        <= {name: (shop.work / "out" / name).read_bytes() for name in names_below(shop.work / "out")}.items()
    )
    everything = [layout.top, *(row["digest"] for row in layout.index["manifests"])]
    for platform in (AMD, ARM):
        manifest = layout.manifest(platform)
        everything += [manifest["config"]["digest"], *(row["digest"] for row in manifest["layers"])]
    assert set(packed) == {"oci-layout", *(f"blobs/{digest.replace(':', '/')}" for digest in everything)}
    pushed = receipt["pushed"]
    assert pushed["digest"] == layout.top
    for tag in ("1", "latest"):
        assert inspect(f"{place}:{tag}") == layout.index
    # This registry has no referrers API: what is attached is found by the tags that stand for it.
    manifests = [layout.top, *(row["digest"] for row in layout.index["manifests"])]
    subjects = [digest.replace(":", "-") for digest in manifests]
    assert docker_registry.tags("team/shop") == sorted(["1", "latest", *subjects])
    for one in receipt["image"]["platforms"]:
        assert inspect(f"{place}@{one['digest']}") == layout.manifest(one["platform"])
    assert pushed["sent"] == sum(blob["sent"] for blob in pushed["blobs"])
    for blob in pushed["blobs"]:
        assert blob["size"] == len(layout.blobs[blob["digest"]])
        assert docker_registry.blob_path(blob["digest"]).read_bytes() == layout.blobs[blob["digest"]]
    copied = shop.root / "copied"
    skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{place}:1", f"oci:{copied}:x")
    assert Contents.of_layout(copied).top == layout.top


def test_standard_output_is_the_image_by_digest_and_nothing_else(shop: Shop, registry: FakeRegistry) -> None:
    one, two = f"{registry.address}/a/shop", f"{registry.address}/b/shop"
    done = shop.build(*APP, "--push", f"{one}:1", "--push", f"{one}:2", "--push", f"{two}:1")
    digest = registry.tags["a/shop", "1"]
    assert done.stdout == f"{one}@{digest}\n{two}@{digest}\n"
    assert set(registry.tags) == {("a/shop", "1"), ("a/shop", "2"), ("b/shop", "1")}
    assert f"pushed {one}:1" in done.stderr
    again = shop.build(*APP, "--push", f"{one}:1")
    assert again.stdout == f"{one}@{digest}\n"
    assert f"unchanged {one}:1" in again.stderr


def test_nothing_changed_writes_nothing(shop: Shop, registry: FakeRegistry) -> None:
    words = (*APP, "--push", f"{registry.address}/shop:1", "-o", "out")
    first = shop.image(*words)
    before = {name: (shop.work / "out" / name).stat().st_mtime_ns for name in names_below(shop.work / "out")}
    registry.seen.clear()
    shop.index.requests.clear()
    second = shop.image(*words)
    assert second["image"]["digest"] == first["image"]["digest"]
    assert not [one for one in registry.seen if one.method in WRITING]
    assert shop.index.requests == []
    assert second["pushed"]["sent"] == 0
    assert second["pushed"]["unchanged"] == [f"{registry.address}/shop:1"]
    assert second["written"][0]["written"] == 0
    assert before == {
        name: (shop.work / "out" / name).stat().st_mtime_ns for name in names_below(shop.work / "out")
    }
    origins = {layer["origin"] for one in second["image"]["platforms"] for layer in one["layers"]}
    assert origins == {"base", "store"}


def test_a_layout_is_updated_in_place_and_keeps_other_images(shop: Shop) -> None:
    shop.build(*APP, "-o", "out", "--name", "one:1")
    first = shop.layout()
    make_modules(shop.work / "app", "print('changed')\n")
    receipt = shop.image(*APP, "-o", "out", "--name", "two:1")
    both = shop.layout()
    assert both.tags == {"one:1": first.top, "two:1": receipt["image"]["digest"]}
    assert set(first.blobs) < set(both.blobs)
    # Two application layers at most differ, with the configurations, manifests, index and what is attached.
    assert receipt["written"][0]["bytes_written"] < 64 << 10


@pytest.mark.parametrize("previous", [False, True])
def test_a_dry_run_changes_nothing_and_says_what_would_be_done(
    shop: Shop, registry: FakeRegistry, previous: bool
) -> None:
    place = f"{registry.address}/shop:1"
    words = (
        *APP,
        "--push",
        place,
        "-o",
        "out",
        "--dry-run",
        "--report",
        "page.html",
        "--base-lock",
        "base.lock",
    )
    if previous:
        shop.build(*APP, "--push", place, environ={"CROSSDOCK_STORE": str(shop.root / "other")})
        shop.bump("purelib")
    tags = dict(registry.tags)
    shop.index.requests.clear()
    registry.seen.clear()
    rows = shop.image(*words)["planned"]
    assert [row["platform"] for row in rows] == [AMD, ARM]
    for row in rows:
        said = {layer["packages"][0]: (layer["origin"], layer["sent"]) for layer in row["layers"]}
        for package, (origin, sent) in said.items():
            if previous and package != "purelib 1.0":
                assert (origin, sent) == ("taken over from the previous image", False), package
            else:
                assert (origin, sent) == ("built, 1 wheels fetched", True), package
        assert sum(layer["wheels"] for layer in row["layers"]) > 1 << 20
    text = shop.build(*words).stdout
    assert "purelib" in text
    assert "would be sent" in text
    assert shop.fetched() == []
    assert not [one for one in registry.seen if one.method in WRITING]
    assert registry.tags == tags
    assert names_below(shop.work) == ["app/helper.py", "app/main.py", "pylock.toml"]


def test_a_report_is_one_page_and_quiet_is_quiet(shop: Shop, registry: FakeRegistry) -> None:
    done = shop.build(*APP, "-o", "out", "--report", "page.html", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    page = (shop.work / "page.html").read_text()
    assert "numlib" in page
    assert "linux/arm64" in page
    assert str(shop.root) not in page
    # What changed against the previous image.
    place = f"{registry.address}/shop:1"
    shop.build(*APP, "--push", place)
    shop.bump("numlib")
    loud = shop.build(*APP, "--push", place, "--report", "page.html")
    page = (shop.work / "page.html").read_text()
    assert "numlib 1.0" in page or "1.1 → 1.0" in page
    assert "page.html" in loud.stderr
    assert "packages" in loud.stderr
    # Neither page nor layout lies in the application, though it is written below it.
    shop.build("--app", ".", "--entrypoint", "x", "-o", "out", "--report", "page.html")
    assert not [path for path in shop.layout().tree(ARM) if "page.html" in path or "out" in path]


def test_names_are_the_asked_the_pushed_the_settings_or_latest(shop: Shop, registry: FakeRegistry) -> None:
    shop.build(*APP, "-o", "one")
    assert list(shop.layout("one").tags) == ["latest"]
    shop.build(*APP, "-o", "two", "--name", "shop:7", "--name", "registry.example.com/team/shop:7")
    assert list(shop.layout("two").tags) == ["shop:7", "registry.example.com/team/shop:7"]
    (shop.work / "pyproject.toml").write_text(
        f'[tool.crossdock.image]\nrepository = "{registry.address}/team/shop"\ntags = ["5", "edge"]\n'
    )
    done = shop.build(*APP, "-o", "three", "--push")
    assert set(registry.tags) == {("team/shop", "5"), ("team/shop", "edge")}
    assert list(shop.layout("three").tags) == ["5", "edge"]
    assert done.stdout == f"{registry.address}/team/shop@{registry.tags['team/shop', '5']}\n"
    shop.build(*APP, "--push", ":nightly")
    assert set(registry.tags) == {("team/shop", "5"), ("team/shop", "edge"), ("team/shop", "nightly")}


def test_push_without_a_repository_is_refused(shop: Shop) -> None:
    for words in (["--push"], ["--push", ":tag"]):
        shop.refuses(*APP, *words, code="E-IMAGE-PUSH-NAME", status=2)


def test_the_registrys_login_is_dockers(shop: Shop) -> None:
    with FakeRegistry(auth="token") as registry:
        place = f"{registry.address}/shop:1"
        text = shop.refuses(*APP, "--push", place, code="E-REGISTRY-DENIED")
        assert "login" in text
        assert registry.tags == {}
        login = {"auths": {registry.address: {"auth": "dXNlcjpwYXNzOndvcmQ="}}}
        (shop.root / "docker").mkdir()
        (shop.root / "docker/config.json").write_text(json.dumps(login))
        done = shop.build(*APP, "--push", place, environ={"DOCKER_CONFIG": str(shop.root / "docker")})
        assert done.stdout == f"{registry.address}/shop@{registry.tags['shop', '1']}\n"
        assert "pass:word" not in done.stderr


def test_loading_streams_one_platform_into_the_program_that_is_there(shop: Shop) -> None:
    programs = shop.root / "programs"
    programs.mkdir()
    for name in ("podman", "docker"):
        path = programs / name
        path.write_text(
            f'#!/bin/sh\necho "$@" >>{shop.root}/{name}.words\ncat >{shop.root}/{name}.tar\necho ok\n'
        )
        path.chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin"}
    receipt = shop.image(*APP, "--load", "--name", "shop:1", "--name", "shop:2", environ=environ)
    loaded = receipt["loaded"]
    assert loaded["program"] == "podman"
    assert loaded["names"] == ["shop:1", "shop:2"]
    assert (shop.root / "podman.words").read_text() == "load\ntag shop:1 shop:2\n"
    # `tag` has emptied what the script wrote: docker is asked with one command.
    receipt = shop.image(*APP, "--load", "docker", "--name", "shop:1", "--name", "shop:2", environ=environ)
    wanted = {one["platform"]: one["digest"] for one in receipt["image"]["platforms"]}
    with tarfile.open(shop.root / "docker.tar") as archive:
        names = archive.getnames()
        listed = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert listed[0]["RepoTags"] == ["shop:1", "shop:2"]
    digest = wanted[receipt["loaded"]["platform"]].removeprefix("sha256:")
    assert f"blobs/sha256/{digest}" in names
    assert len([name for name in names if name.startswith("blobs/sha256/")]) == 2 + len(listed[0]["Layers"])


def test_a_program_that_cannot_load_is_told(shop: Shop) -> None:
    nowhere = {"PATH": str(shop.root / "nowhere")}
    shop.refuses(*APP, "--load", "-o", "out", code="E-SHIP-LOAD-PROGRAM", environ=nowhere)
    # Before anything else was done.
    assert not (shop.work / "out").exists()
    assert shop.fetched() == []
    programs = shop.root / "programs"
    programs.mkdir()
    (programs / "podman").write_text("#!/bin/sh\necho no room on this disk >&2\nexit 3\n")
    (programs / "podman").chmod(0o755)
    text = shop.refuses(*APP, "--load", code="E-SHIP-LOAD", environ={"PATH": f"{programs}:/usr/bin:/bin"})
    assert "no room on this disk" in text


def test_nowhere_to_put_it(shop: Shop) -> None:
    shop.refuses(*APP, code="E-IMAGE-NOWHERE", status=2)
    shop.refuses(*APP, "--push", "127.0.0.1:9/x:1", "--offline", code="E-IMAGE-NOWHERE", status=2)
    assert BOTH[0] in shop.run("image", "--help").stdout


def test_bills_of_materials_are_attached_as_asked(shop: Shop, tmp_path: Path) -> None:
    records = "application/vnd.crossdock.wheel-records.v1"
    kinds = {
        "both": {"application/vnd.cyclonedx+json", "application/spdx+json"},
        "cyclonedx": {"application/vnd.cyclonedx+json"},
        "spdx": {"application/spdx+json"},
        "none": set(),
    }
    digests = set()
    for asked, wanted in kinds.items():
        receipt = shop.image(*APP, "-o", asked, "--sbom", asked)
        for one in receipt["image"]["platforms"]:
            assert wanted <= {attached["type"] for attached in one["attachments"]}
            found = {attached["type"] for attached in one["attachments"]} - {records}
            assert found & {"application/vnd.cyclonedx+json", "application/spdx+json"} == wanted
        check_receipt(receipt, shop.layout(asked))
        digests.add(receipt["image"]["digest"])
    # What is attached does not change the image.
    assert len(digests) == 1
