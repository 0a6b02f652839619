"""Configuration, manifests and index of an image, held to the OCI schemas, over bases of any make."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.oci_schemas import check

from crossdock.build.metadata import ProjectMetadata
from crossdock.digest import Digest
from crossdock.errors import ImageError, UsageError
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor, Index, Manifest, Platform, parse_manifest
from crossdock.ship.image import annotations as marks
from crossdock.ship.image.config import image_config, platform_of
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.manifest import image_index, platform_image, standard_annotations
from crossdock.ship.image.model import BaseImage, Layer, LayerKind, Origin
from crossdock.ship.image.options import ImageOptions, parse_pairs, split_command, start_command
from crossdock.target.names import parse_target

ARM64 = parse_target("cp312-linux-aarch64-glibc2.36")
AMD64 = parse_target("cp312-linux-x86_64-glibc2.36")
EPOCH = 315_532_800
PYTHON = {
    "architecture": "arm64",
    "os": "linux",
    "docker_version": "20.10",
    "container": "abc",
    "config": {
        "Env": [
            "PATH=/usr/local/bin:/usr/bin:/app/bin",
            "LANG=C.UTF-8",
            "PYTHONHOME=/usr",
            "PYTHON_VERSION=3.12.7",
        ],
        "Cmd": ["python3"],
        "Entrypoint": ["/init"],
        "Healthcheck": {"Test": ["CMD", "true"]},
        "OnBuild": ["RUN rm -rf /"],
        "ExposedPorts": {"53/udp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"org.opencontainers.image.title": "python", "maintainer": "them"},
        "StopSignal": "SIGINT",
        "WorkingDir": "/srv",
        "User": "root",
        "ArgsEscaped": True,
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
    "history": [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD rootfs", "comment": "first", "v1": 1},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "RUN apt", "empty_layer": False},
    ],
}


def layer(title: str, kind: LayerKind, media_type: str = media.LAYER_GZIP, **annotations: str) -> Layer:
    digest = Digest.of(title.encode())
    return Layer(
        descriptor=Descriptor(media_type=media_type, digest=digest, size=7, annotations=annotations),
        diff_id=Digest.of(digest.hex.encode()),
        source=BytesSource(b""),
        kind=kind,
        title=title,
        origin=Origin.BASE if kind is LayerKind.BASE else Origin.BUILT,
    )


def base(config: dict[str, Any] | None = None, layers: int = 2) -> BaseImage:
    return BaseImage(
        name="docker.io/library/python:3.12-slim",
        digest=Digest.of(b"base"),
        platform=Platform.parse("linux/arm64"),
        config=PYTHON if config is None else config,
        layers=tuple(
            layer(
                f"base {n}", LayerKind.BASE, media.DOCKER_LAYER_GZIP, **{marks.KEY: "theirs", "kept": "yes"}
            )
            for n in range(layers)
        ),
    )


OURS = (layer("numpy 2.0", LayerKind.WHEELS), layer("", LayerKind.ENVIRONMENT))


def config(
    options: ImageOptions | None = None, below: BaseImage | None = None, **more: Any
) -> dict[str, Any]:
    raw = image_config(
        below or base(),
        OURS,
        options or ImageOptions(),
        layout=Environment((options or ImageOptions()).prefix),
        platform=platform_of(ARM64),
        created=EPOCH,
        **more,
    )
    check(raw, "config")
    value: dict[str, Any] = json.loads(raw)
    assert raw == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return value


def test_the_config_is_the_bases_with_ours_over_it() -> None:
    options = ImageOptions(
        env={"PORT": "80", "LANG": "de"},
        labels={"team": "x"},
        expose=("8080", "53/udp", "8080/tcp"),
        cmd=("--help",),
    )
    found = config(options, entrypoint=("/app/bin/demo",), workdir="/app/src")
    assert found["config"] == {
        "Cmd": ["--help"],
        "Entrypoint": ["/app/bin/demo"],
        "Env": [
            "PATH=/app/bin:/usr/local/bin:/usr/bin",
            "LANG=de",
            "PYTHON_VERSION=3.12.7",
            "PYTHONDONTWRITEBYTECODE=1",
            "PORT=80",
        ],
        "ExposedPorts": {"53/udp": {}, "8080/tcp": {}},
        "Labels": {"maintainer": "them", "team": "x"},
        "StopSignal": "SIGINT",
        "User": "65532:65532",
        "Volumes": {"/data": {}},
        "WorkingDir": "/app/src",
    }
    assert found.keys() == {"architecture", "config", "created", "history", "os", "rootfs", "variant"}
    assert (found["os"], found["architecture"], found["variant"]) == ("linux", "arm64", "v8")
    assert found["created"] == "1980-01-01T00:00:00Z"
    assert found["rootfs"]["diff_ids"] == [str(one.diff_id) for one in (*base().layers, *OURS)]
    assert found["history"] == [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD rootfs", "comment": "first"},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "RUN apt"},
        {"created": "1980-01-01T00:00:00Z", "created_by": "crossdock image: wheels: numpy 2.0"},
        {"created": "1980-01-01T00:00:00Z", "created_by": "crossdock image: environment"},
    ]


def test_what_the_user_says_comes_before_the_application_and_the_base() -> None:
    options = ImageOptions(
        entrypoint=("gunicorn", "app"),
        workdir="/srv/x",
        user="app:1000",
        stop_signal="SIGQUIT",
        env={"PATH": "/x"},
    )
    found = config(options, entrypoint=("/app/bin/demo",), workdir="/app/src")["config"]
    assert found["Entrypoint"] == ["gunicorn", "app"]
    assert "Cmd" not in found, "the base's arguments are for the base's program"
    assert (found["WorkingDir"], found["User"], found["StopSignal"]) == ("/srv/x", "app:1000", "SIGQUIT")
    assert "PATH=/x" in found["Env"]


def test_without_a_start_of_ours_the_bases_stays() -> None:
    found = config()["config"]
    assert (found["Entrypoint"], found["Cmd"], found["WorkingDir"]) == (["/init"], ["python3"], "/srv")


@pytest.mark.parametrize(
    "history", [None, [], [{"created_by": "one"}], ["text"], [{"empty_layer": "no"}] * 2, [{}] * 3]
)
def test_a_history_that_does_not_fit_its_layers_is_made_anew(history: Any) -> None:
    found = config(below=base({**PYTHON, "history": history}))
    filled = [line for line in found["history"] if not line.get("empty_layer")]
    assert len(filled) == len(found["rootfs"]["diff_ids"]) == 4


def test_scratch_gets_a_path_and_no_more() -> None:
    scratch = BaseImage(name="", digest=None, platform=platform_of(ARM64), config={}, layers=())
    found = config(below=scratch, entrypoint=("/app/bin/demo",))
    assert (
        found["config"]["Env"][0]
        == "PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert len(found["history"]) == len(OURS)


@pytest.mark.parametrize(
    "broken",
    [
        {"config": []},
        {"config": {"Env": "PATH=/x"}},
        {"config": {"Env": [1]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"WorkingDir": 7}},
        {"config": {"ExposedPorts": ["80"]}},
        {"history": {}},
    ],
)
def test_a_broken_base_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="base") as caught:
        config(below=base(broken))
    assert caught.value.code == "E-IMAGE-BROKEN"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["Env", "Cmd", "Entrypoint", "Labels", "ExposedPorts", "Volumes", "WorkingDir", "StopSignal"]
)


@given(st.dictionaries(NAMES, JSON) | JSON, JSON)
def test_any_base_gives_a_valid_config_or_a_refusal(inner: Any, history: Any) -> None:
    found = None
    with suppress(ImageError):
        found = config(below=base({"config": inner, "history": history}))
    assert found is None or len([one for one in found["history"] if not one.get("empty_layer")]) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": "app"},
        {"prefix": "/"},
        {"prefix": "/a/../b"},
        {"prefix": "/a b"},
        {"prefix": "/" + "a" * 100},
        {"env": {"A=B": "x"}},
        {"env": {"": "x"}},
        {"env": {"A": "x\0"}},
        {"env": {"A": "\udcff"}},
        {"expose": ("0",)},
        {"expose": ("65536",)},
        {"expose": ("80/icmp",)},
        {"user": "a b"},
        {"user": "4294967295"},
        {"user": "1:2:3"},
        {"workdir": "srv"},
        {"workdir": "/srv/../etc"},
        {"stop_signal": "TERM"},
        {"labels": {"a b": "x"}},
        {"annotations": {"dev.crossdock.layer.key": "x"}},
        {"entrypoint": ("",)},
        {"max_layers": 121},
    ],
)
def test_options_that_no_image_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        ImageOptions(**wrong)
    assert caught.value.code == "E-IMAGE-OPTION"


def test_words_of_the_command_line() -> None:
    assert start_command("/app", module="pkg.cli") == ("/app/bin/python", "-m", "pkg.cli")
    assert start_command("/app", script="serve") == ("/app/bin/serve",)
    assert start_command("/app") == ()
    assert split_command("gunicorn 'a b':app --x=1", "--entrypoint") == ("gunicorn", "a b:app", "--x=1")
    assert parse_pairs(["A=1", "B=x=y", "A="], "--env") == {"A": "", "B": "x=y"}
    for wrong in (
        lambda: start_command("/app", module="a b"),
        lambda: start_command("/app", script="../sh"),
        lambda: split_command("a 'b", "--cmd"),
        lambda: parse_pairs(["A"], "--env"),
    ):
        with pytest.raises(UsageError):
            wrong()


def test_only_linux_has_images() -> None:
    assert str(platform_of(AMD64)) == "linux/amd64"
    for name in ("cp312-macos-aarch64", "cp312-windows-x86_64"):
        with pytest.raises(UsageError) as caught:
            platform_of(parse_target(name))
        assert caught.value.code == "E-IMAGE-TARGET"


METADATA = ProjectMetadata(
    name="demo",
    version="1.2",
    description="What it\n does.",
    license="MIT",
    authors=("A <a@example.com>", "B"),
    urls={"Home-Page": "https://h", "Repository": "https://r", "Docs": "https://d", "Funding": "https://f"},
)


def test_annotations_say_what_the_project_says() -> None:
    assert standard_annotations(METADATA, base(), version="9", revision="abc") == {
        "org.opencontainers.image.title": "demo",
        "org.opencontainers.image.version": "1.2",
        "org.opencontainers.image.description": "What it does.",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.authors": "A <a@example.com>, B",
        "org.opencontainers.image.url": "https://h",
        "org.opencontainers.image.source": "https://r",
        "org.opencontainers.image.documentation": "https://d",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.base.name": "docker.io/library/python:3.12-slim",
        "org.opencontainers.image.base.digest": str(Digest.of(b"base")),
    }
    assert standard_annotations(ProjectMetadata(), base(), version="9", created=EPOCH).keys() == {
        "org.opencontainers.image.version",
        "org.opencontainers.image.created",
        "org.opencontainers.image.base.name",
        "org.opencontainers.image.base.digest",
    }


def test_manifest_and_index_follow_the_schemas_and_name_everything() -> None:
    raw = image_config(
        base(), OURS, ImageOptions(), layout=Environment("/app"), platform=platform_of(ARM64), created=EPOCH
    )
    about = standard_annotations(METADATA, base())
    arm, amd = (
        platform_image(ARM64, base(), OURS, raw, about),
        platform_image(AMD64, base(), OURS, raw, about),
    )
    check(arm.manifest, "image-manifest")
    manifest = parse_manifest(arm.manifest, media.MANIFEST)
    assert isinstance(manifest, Manifest)
    assert {one.media_type for one in manifest.layers} == {media.LAYER_GZIP}, "Docker's types become OCI's"
    assert [one.digest for one in manifest.layers] == [
        one.descriptor.digest for one in (*base().layers, *OURS)
    ]
    assert manifest.config == Descriptor.of(raw, media.CONFIG)
    assert manifest.annotations == about
    assert [blob.descriptor for blob in arm.blobs()] == [*manifest.layers, manifest.config]
    # A base that crossdock made has our marks; above another base its layers are not ours to look up.
    assert all(dict(one.annotations) == {"kept": "yes"} for one in manifest.layers[:2])

    image = image_index([arm, amd], about)
    check(image.top, "image-index")
    index = parse_manifest(image.top, media.INDEX)
    assert isinstance(index, Index)
    assert [str(one.platform) for one in index.manifests] == ["linux/arm64/v8", "linux/amd64"]
    assert image.descriptor == Descriptor.of(image.top, media.INDEX)


def test_two_targets_of_one_platform_are_refused() -> None:
    musl = parse_target("cp312-linux-aarch64-musl1.2")
    parts = [platform_image(target, base(), OURS, b"{}", {}) for target in (ARM64, musl)]
    with pytest.raises(UsageError) as caught:
        image_index(parts, {})
    assert caught.value.code == "E-IMAGE-PLATFORM-TWICE"
    assert len(caught.value.places) == 2


def test_a_manifest_that_no_registry_takes_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        platform_image(ARM64, base(), OURS, b"{}", {"long": "x" * (4 << 20)})
    assert caught.value.code == "E-IMAGE-MANIFEST-SIZE"
