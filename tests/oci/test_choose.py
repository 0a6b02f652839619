"""One platform's image is found among many, as runtimes find it; the rest is told."""

from __future__ import annotations

import pytest
from tests.support.layouts import MadeLayout, tar_of

from crossdock.digest import Digest
from crossdock.errors import ImageError
from crossdock.oci import media
from crossdock.oci.choose import choose, fits, platforms
from crossdock.oci.model import Descriptor, Manifest, Platform, canonical_json


def platform(text: str) -> Platform:
    return Platform.parse(text)


@pytest.mark.parametrize(
    ("wanted", "there", "runs"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v9", False),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64/v3", "linux/amd64", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_a_cpu_runs_its_own_variant_and_older_ones(wanted: str, there: str, runs: bool) -> None:
    assert fits(platform(wanted), platform(there)) is runs


def test_the_best_variant_wins_and_indexes_are_followed() -> None:
    made = MadeLayout()
    images = {name: made.image(name, tar_of([(name, b"1")])) for name in ("linux/arm/v5", "linux/arm/v6")}
    outer = made.index(made.index(*images.values()), made.image("linux/amd64"))
    for wanted, expected in (("linux/arm/v7", "linux/arm/v6"), ("linux/arm/v5", "linux/arm/v5")):
        found = choose(made, [outer], platform(wanted), name="x")
        assert (found.descriptor, str(found.platform)) == (images[expected], expected)
        assert found.diff_ids == (Digest.of(tar_of([(expected, b"1")])),)
    assert list(map(str, platforms(made, [outer]))) == ["linux/arm/v5", "linux/arm/v6", "linux/amd64"]


def test_attestations_and_artifacts_are_passed_over() -> None:
    made = MadeLayout()
    image = made.image("linux/amd64")
    attestation = made.image("unknown/unknown", tar_of([]))
    referrer = Manifest(config=made.add(b"{}", media.EMPTY), layers=(), subject=image).to_bytes()
    entries = [
        made.index(
            Descriptor(
                media_type=attestation.media_type,
                digest=attestation.digest,
                size=attestation.size,
                annotations={"vnd.docker.reference.type": "attestation-manifest"},
            ),
            attestation,
            made.add(referrer, media.MANIFEST),
            made.add(b"{}", "application/vnd.other+json"),
            image,
        )
    ]
    assert choose(made, entries, None, name="x").descriptor == image


def test_a_platform_that_no_entry_states_is_read_from_the_config() -> None:
    made = MadeLayout()
    arm = made.image("linux/arm64/v8", announced=False)
    intel = made.image("linux/amd64", announced=False)
    assert choose(made, [arm, intel], platform("linux/arm64"), name="x").descriptor == arm


def test_what_is_there_is_told_when_nothing_fits() -> None:
    made = MadeLayout()
    index = made.index(made.image("linux/amd64"), made.image("linux/arm64/v8"))
    with pytest.raises(ImageError) as caught:
        choose(made, [index], platform("linux/s390x"), name="team/app:1")
    assert caught.value.code == "E-IMAGE-NO-PLATFORM"
    assert caught.value.message == "`team/app:1` has no image for linux/s390x"
    assert caught.value.places == ("it has: linux/amd64, linux/arm64/v8",)


def test_several_tags_of_one_platform_want_a_choice_and_one_under_two_names_does_not() -> None:
    made = MadeLayout()
    first = made.image("linux/amd64", tar_of([("a", b"1")]), tag="a")
    second = made.image("linux/amd64", tar_of([("b", b"1")]), tag="b")
    with pytest.raises(ImageError, match="2 images for linux/amd64") as caught:
        choose(made, [first, second], platform("linux/amd64"), name="x")
    assert caught.value.code == "E-IMAGE-SEVERAL"
    assert "(a)" in caught.value.places[0]
    assert choose(made, [first, first], platform("linux/amd64"), name="x").descriptor == first


def test_manifests_that_were_exchanged_are_refused() -> None:
    made = MadeLayout()
    image = made.image("linux/amd64")
    made.blobs[image.digest] = made.blobs[image.digest].replace(b"linux", b"linux") + b" "
    with pytest.raises(ImageError) as caught:
        choose(made, [image], None, name="x")
    assert caught.value.code == "E-IMAGE-DIGEST"


def test_configs_that_were_exchanged_are_refused() -> None:
    made = MadeLayout()
    image = made.image("linux/amd64")
    (config,) = [digest for digest, data in made.blobs.items() if b"rootfs" in data]
    made.blobs[config] = made.blobs[config].replace(b"amd64", b"arm64")
    with pytest.raises(ImageError) as caught:
        choose(made, [image], platform("linux/amd64"), name="x")
    assert caught.value.code == "E-IMAGE-DIGEST"


@pytest.mark.parametrize(
    "rootfs",
    [{}, {"diff_ids": []}, {"diff_ids": ["sha256:12"]}, {"diff_ids": [1]}, {"diff_ids": "x"}, None, []],
)
def test_layers_without_their_diff_ids_are_refused(rootfs: object) -> None:
    made = MadeLayout()
    image = made.image("linux/amd64", tar_of([]), rootfs=rootfs)
    with pytest.raises(ImageError) as caught:
        choose(made, [image], None, name="x")
    assert caught.value.code == "E-IMAGE-BROKEN"


def test_indexes_without_end_are_refused() -> None:
    made = MadeLayout()
    entry = made.image("linux/amd64")
    for _ in range(5):
        entry = made.index(entry)
    with pytest.raises(ImageError, match="deep"):
        choose(made, [entry], None, name="x")
    wide = made.index(*(made.image("linux/amd64", announced=False, x=n) for n in range(400)))
    twice = made.index(*(made.image("linux/amd64", announced=False, y=n) for n in range(400)))
    with pytest.raises(ImageError, match="more than 500 manifests"):
        choose(made, [wide, twice], None, name="x")


def test_an_image_without_layers_may_leave_its_diff_ids_out() -> None:
    made = MadeLayout()
    raw = canonical_json({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": None}})
    manifest = Manifest(config=made.add(raw, media.DOCKER_CONFIG), layers=()).to_bytes()
    entry = made.add(manifest, media.MANIFEST)
    assert choose(made, [entry], None, name="x").diff_ids == ()
