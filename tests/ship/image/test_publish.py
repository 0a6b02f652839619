from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.fake_registry import INDEX, FakeRegistry, always, dead_after, is_a, once
from tests.support.registry import DockerRegistry, docker_registry, skopeo
from tests.support.registry_images import blob_of, client, noise, reference, tar_layer, whole_image

from crossdock.errors import FetchError, ShipError
from crossdock.net.http import Http, HttpSettings
from crossdock.net.registry.client import Registry
from crossdock.net.registry.reference import ImageReference
from crossdock.oci import media
from crossdock.ship.image.manifest import single_image
from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.publish import publish, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fake_registry import Exchange

    from crossdock.ship.image.model import Image

__all__ = ["docker_registry"]


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def bumped(image: Image) -> Image:
    """Return the same image with another layer on one platform."""
    layers = {str(one.platform): one.layers for one in image.platforms}
    layers["linux/amd64"] = (*layers["linux/amd64"][:-1], tar_layer("numpy-2", 5000, key="k-2"))
    return whole_image(layers)


def test_what_is_pushed_is_whole(docker_registry: DockerRegistry, tmp_path: Path) -> None:
    image = whole_image(attachments=True)
    names = [reference(docker_registry.address, tag=tag) for tag in ("1", "latest")]
    names.append(reference(docker_registry.address, "other/place", "2"))
    registry = client()
    done = publish(image, names, registry)
    digest = str(image.descriptor.digest)
    assert [one.name for one in done.references] == [
        f"{docker_registry.address}/team/app:1",
        f"{docker_registry.address}/team/app:latest",
        f"{docker_registry.address}/team/app@{digest}",
        f"{docker_registry.address}/other/place:2",
        f"{docker_registry.address}/other/place@{digest}",
    ]
    assert {one.outcome for one in done.blobs} == {"uploaded"}
    assert done.requests == registry.requests
    for name in (one.name for one in done.references):
        url = f"docker://{name}"
        assert skopeo("inspect", "--tls-verify=false", "--raw", url).stdout == image.top
        layout = tmp_path / name.replace("/", "_").replace(":", "_")
        skopeo("copy", "--all", "--src-tls-verify=false", url, f"oci:{layout}:x")
        for platform in image.platforms:
            for blob in platform.blobs():
                kept = layout / "blobs" / "sha256" / blob.descriptor.digest.hex
                assert kept.read_bytes() == b"".join(blob.source.chunks())
    # docker-registry 2.8 has no list of referrers: the tag in its stead names them, and they are whole.
    assert f"sha256-{image.descriptor.digest.hex}" in docker_registry.tags("team/app")
    for found in registry.referrers(names[0], image.descriptor.digest):
        assert found.artifact_type == "application/vnd.example.note"
        assert found.annotations == {"note": "provenance"}
        skopeo(
            "copy", "--src-tls-verify=false", f"docker://{docker_registry.address}/team/app@{found.digest}",
            f"dir:{tmp_path / 'note'}",
        )  # fmt: skip
    assert docker_registry.uploads("team/app") == []


def test_nothing_changed_takes_a_few_small_requests(docker_registry: DockerRegistry) -> None:
    image = whole_image(attachments=True)
    names = [reference(docker_registry.address, tag=tag) for tag in ("1", "latest")]
    publish(image, names, client())
    again = publish(image, names, client())
    assert again.unchanged == tuple(names)
    assert again.blobs == ()
    # The probe, two tags, two manifests, and what refers to each of three.
    assert again.requests <= 1 + 2 + 2 + 3 * 2
    bare = whole_image()
    publish(bare, [names[0]], client())
    assert publish(bare, [names[0]], client()).requests == 1 + 1 + 2


def test_a_bump_sends_its_layer_and_nothing_else(docker_registry: DockerRegistry) -> None:
    image = whole_image()
    name = reference(docker_registry.address)
    publish(image, [name], client())
    after = bumped(image)
    done = publish(after, [name], client())
    layer = after.platforms[0].layers[-1].descriptor
    sent = {one.descriptor.digest for one in done.blobs if one.outcome == "uploaded"}
    config = next(one for one in after.platforms[0].blobs() if one.descriptor.media_type == media.CONFIG)
    assert sent == {layer.digest, config.descriptor.digest}
    assert done.sent == layer.size + config.descriptor.size


def test_another_tag_of_the_same_image_sends_nothing(fake: FakeRegistry) -> None:
    image = whole_image()
    publish(image, [reference(fake.address)], client())
    done = publish(image, [reference(fake.address, tag="2")], client())
    assert {one.outcome for one in done.blobs} == {"present"}
    assert fake.tags["team/app", "2"] == str(image.descriptor.digest)
    # One of two tags is there: only the other is put.
    before = len(fake.asked("PUT", "/manifests/1"))
    publish(image, [reference(fake.address), reference(fake.address, tag="3")], client())
    assert len(fake.asked("PUT", "/manifests/1")) == before
    assert fake.tags["team/app", "3"] == str(image.descriptor.digest)


def test_the_bases_layers_are_mounted_where_they_are(docker_registry: DockerRegistry) -> None:
    registry = client()
    base = tar_layer("base", 50_000, kind=LayerKind.BASE)
    there = reference(docker_registry.address, "library/base", "12")
    registry.push_blob(there, base.blob)
    # The base's layer comes from the registry itself: it is never read.
    remote = replace(base, source=registry.source(there, base.descriptor))
    image = whole_image({"linux/amd64": (remote, tar_layer("pure", key="k"))}, base_name=there.name)
    done = publish(image, [reference(docker_registry.address)], registry)
    outcomes = {one.descriptor.digest: one.outcome for one in done.blobs}
    assert outcomes[base.descriptor.digest] == "mounted"
    # By the base's name alone, too.
    named = whole_image({"linux/amd64": (replace(base), tar_layer("pure", key="k"))}, base_name=there.name)
    done = publish(named, [reference(docker_registry.address, "team/b")], registry)
    assert {one.descriptor.digest: one.outcome for one in done.blobs}[base.descriptor.digest] == "mounted"


def test_layers_of_another_registry_stream_across(
    docker_registry: DockerRegistry, fake: FakeRegistry
) -> None:
    registry = client()
    base = tar_layer("base", 50_000, kind=LayerKind.BASE)
    there = reference(fake.address, "library/base", "12")
    registry.push_blob(there, base.blob)
    remote = replace(base, source=registry.source(there, base.descriptor))
    image = whole_image({"linux/amd64": (remote,)}, base_name=there.name)
    name = reference(docker_registry.address)
    publish(image, [name], registry)
    assert registry.blob(name, base.descriptor) == b"".join(base.source.chunks())
    # A base that is not what it says goes nowhere.
    fake.blobs["library/base", str(base.descriptor.digest)] = noise(base.descriptor.size)
    with pytest.raises(FetchError) as error:
        publish(image, [reference(docker_registry.address, "team/hostile")], registry)
    assert error.value.code == "E-REGISTRY-DIGEST"
    assert docker_registry.tags("team/hostile") == []
    assert (
        registry.has_blob(reference(docker_registry.address, "team/hostile"), base.descriptor.digest) is False
    )


@pytest.mark.parametrize("attachments", [False, True])
def test_a_push_that_ends_anywhere_is_never_visible(attachments: bool) -> None:
    old, new = whole_image(attachments=attachments), bumped(whole_image())
    if attachments:
        new = replace(new, attachments=old.platforms[0].attachments)
    new_digest = str(new.descriptor.digest)
    ended = 0
    kept: dict[bool, FakeRegistry] = {}
    for api in (True, False):
        with FakeRegistry(referrers=api) as before:
            publish(old, [reference(before.address)], client())
            kept[api] = before
    for count in range(500):
        before = kept[count % 2 == 0]
        fault = dead_after(count)
        state = {"blobs": dict(before.blobs), "manifests": dict(before.manifests), "tags": dict(before.tags)}
        with FakeRegistry(referrers=before.referrers, fault=fault, **state) as fake:  # type: ignore[arg-type]
            names = [reference(fake.address), reference(fake.address, tag="new")]
            try:
                publish(new, names, client(tries=1), threads=2)
            except FetchError:
                whole = fake.tags.get(("team/app", "new")) == new_digest
                assert fake.tags["team/app", "1"] in {str(old.descriptor.digest), new_digest}
                assert ("team/app", "new") not in fake.tags or whole
                if fake.tags["team/app", "1"] == new_digest or whole:
                    check_whole(fake, new)
                # The same again, with the registry back, goes through.
                fake.fault = None
                publish(new, names, client(), threads=2)
                check_whole(fake, new)
            else:
                ended = count
                check_whole(fake, new)
                break
    assert ended > 10


def check_whole(fake: FakeRegistry, image: Image) -> None:
    """Check that everything the image names is in the repository."""
    for platform in image.platforms:
        assert fake.manifests["team/app", str(platform.descriptor.digest)][1] == platform.manifest
        for blob in platform.blobs():
            assert ("team/app", str(blob.descriptor.digest)) in fake.blobs


def test_killed_at_each_request_debians_registry_shows_nothing(tmp_path: Path) -> None:
    image = whole_image()

    class Killed(Http):
        """Ends as Ctrl-C does, at one request."""

        left = 0

        @contextmanager
        def open(self, *arguments: Any, **named: Any) -> Iterator[Any]:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            with super().open(*arguments, **named) as answer:
                yield answer

    with DockerRegistry(tmp_path / "registry") as running:
        for count in range(0, 200, 3):
            name = reference(running.address, f"team/app{count}")
            http = Killed(HttpSettings(tries=1))
            http.left = count
            try:
                publish(image, [name], Registry(http), threads=1)
            except KeyboardInterrupt:
                assert running.tags(name.repository) == []
            else:
                assert count > 10
                assert running.tags(name.repository) == ["1"]
                break
        else:
            pytest.fail("it never came through")


def test_the_tag_comes_last(fake: FakeRegistry) -> None:
    publish(whole_image(attachments=True), [reference(fake.address)], client())
    puts = [one.path for one in fake.seen if one.method in {"PUT", "PATCH", "POST"}]
    assert puts[-1].endswith("/manifests/1")
    assert not any(path.endswith("/manifests/1") for path in puts[:-1])


def test_no_tag_moves_before_every_registry_has_everything(fake: FakeRegistry) -> None:
    image = whole_image()
    with FakeRegistry() as broken:
        broken.fault = always(is_a("POST"), lambda exchange: exchange.error(403, "DENIED"))
        with pytest.raises(FetchError) as error:
            publish(image, [reference(fake.address), reference(broken.address)], client())
        assert error.value.code == "E-REGISTRY-DENIED"
        assert not fake.tags
        assert not broken.tags


def test_a_manifest_deleted_meanwhile_is_put_again(fake: FakeRegistry) -> None:
    image = whole_image()
    gone = str(image.platforms[0].descriptor.digest)

    def delete(exchange: Exchange) -> bool:
        if exchange.command == "PUT" and exchange.path.endswith("/manifests/1") and not deleted:
            deleted.append(fake.manifests.pop(("team/app", gone)))
        return False

    deleted: list[object] = []
    fake.fault = delete
    publish(image, [reference(fake.address)], client())
    assert deleted
    check_whole(fake, image)
    assert fake.tags["team/app", "1"] == str(image.descriptor.digest)


def test_a_registry_that_wrongly_says_it_has_a_blob(fake: FakeRegistry) -> None:
    image = whole_image()
    layer = image.platforms[0].layers[-1].descriptor.digest
    fake.fault = always(is_a("HEAD", str(layer)), lambda exchange: exchange.answer(200))
    done = publish(image, [reference(fake.address)], client())
    check_whole(fake, image)
    assert {one.descriptor.digest: one.outcome for one in done.blobs}[layer] == "uploaded"


def test_thorough_finds_a_lost_blob_under_a_tag_that_is_there(docker_registry: DockerRegistry) -> None:
    image = whole_image()
    name = reference(docker_registry.address)
    publish(image, [name], client())
    lost = image.platforms[0].layers[-1].descriptor
    docker_registry.blob_path(str(lost.digest)).unlink()
    assert publish(image, [name], client()).blobs == ()
    done = publish(image, [name], client(), thorough=True)
    assert [one.descriptor.digest for one in done.blobs if one.outcome == "uploaded"] == [lost.digest]
    assert client().blob(name, lost)


def test_by_digest_alone_and_a_digest_of_something_else(fake: FakeRegistry) -> None:
    image = whole_image()
    exact = reference(fake.address).at(image.descriptor.digest)
    assert publish(image, [exact], client()).references == (exact,)
    assert not fake.tags
    assert ("team/app", str(image.descriptor.digest)) in fake.manifests
    other = reference(fake.address).at(blob_of(b"x").descriptor.digest)
    with pytest.raises(ShipError) as error:
        publish(image, [other], client())
    assert error.value.code == "E-IMAGE-PUSH"


def test_one_manifest_without_an_index(fake: FakeRegistry) -> None:
    image = single_image(whole_image({"linux/amd64": (tar_layer("a"),)}).platforms[0])
    done = publish(image, [reference(fake.address)], client())
    assert fake.tags["team/app", "1"] == str(image.platforms[0].descriptor.digest)
    assert done.descriptor == image.platforms[0].descriptor
    assert {kind for kind, _ in fake.manifests.values()} == {media.MANIFEST}
    assert publish(image, [reference(fake.address)], client()).unchanged


@pytest.mark.parametrize("api", [True, False])
def test_attachments_of_others_stay(api: bool) -> None:
    with FakeRegistry(referrers=api) as fake:
        image = whole_image(attachments=True)
        name = reference(fake.address)
        publish(image, [name], client())
        from tests.support.registry_images import attachment

        more = replace(image, attachments=(attachment(image.descriptor, "a signature"),))
        publish(more, [name], client())
        listed = {one.digest for one in client().referrers(name, image.descriptor.digest)}
        assert listed == {one.descriptor.digest for one in (*image.attachments, *more.attachments)}
        again = publish(more, [name], client())
        assert again.blobs == ()


def test_a_login_is_enough_for_a_push_with_many_threads(tmp_path: Path) -> None:
    with FakeRegistry(auth="token") as fake:
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        publish(whole_image(attachments=True), [reference(fake.address)], registry)
        assert len(fake.asked("GET", "/token")) == 1


def test_skopeo_reads_the_tests_own_registry_by_its_tokens(tmp_path: Path) -> None:
    with FakeRegistry(auth="token") as fake:
        image = whole_image()
        registry = client(login=(fake.address, *fake.login), home=tmp_path)
        publish(image, [reference(fake.address)], registry)
        skopeo(
            "copy", "--all", "--src-tls-verify=false", "--src-creds", ":".join(fake.login),
            f"docker://{fake.address}/team/app:1", f"oci:{tmp_path / 'layout'}:1",
        )  # fmt: skip
        assert (
            tmp_path / "layout" / "blobs" / "sha256" / image.descriptor.digest.hex
        ).read_bytes() == image.top


def test_survey_tells_what_is_missing_and_changes_nothing(fake: FakeRegistry) -> None:
    image = whole_image()
    name = reference(fake.address)
    assert {one.outcome for one in survey(image, [name], client())} == {"missing"}
    publish(image, [name], client())
    fake.seen.clear()
    found = survey(bumped(image), [name], client())
    assert sorted(one.outcome for one in found) == ["missing", "missing", *["present"] * 4]
    assert {one.method for one in fake.seen} == {"GET", "HEAD"}


def test_media_types_are_those_of_the_manifests(fake: FakeRegistry) -> None:
    image = whole_image()
    publish(image, [reference(fake.address)], client())
    for (_, digest), (kind, raw) in fake.manifests.items():
        assert json.loads(raw)["mediaType"] == kind, digest
    assert fake.manifests["team/app", str(image.descriptor.digest)][0] == INDEX


def test_a_push_denied_in_the_middle_stops_the_others(fake: FakeRegistry) -> None:
    fake.fault = once(is_a("PUT", "/uploads/"), lambda exchange: exchange.error(403, "DENIED"))
    with pytest.raises(FetchError) as error:
        publish(whole_image(), [ImageReference.parse(f"{fake.address}/a:1")], client())
    assert error.value.code == "E-REGISTRY-DENIED"
    assert not fake.uploads
    assert not fake.tags
