"""The image cases measure what they say: their wheel is a wheel, their commands name no tool of the machine's storage."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from bench.image import large_wheel
from bench.image_peers import pip_target
from bench.image_setting import Images, bytes_below, platform_tags
from tests.support.registry import DockerRegistry

from crossdock.archive.wheel import Wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_the_large_wheel_is_a_whole_one_that_does_not_compress(tmp_path: Path) -> None:
    size = 3 << 20
    lock = tomllib.loads(large_wheel(tmp_path / "large", size).read_text())
    (package,) = lock["packages"]
    (entry,) = package["wheels"]
    path = tmp_path / "large" / entry["path"]
    assert path.stat().st_size == entry["size"] > size
    with Wheel.open(path.read_bytes(), path.name) as wheel:
        sizes = {str(file.path): len(wheel.read(file)) for file in wheel.files}
    assert sizes["large/weights.bin"] == size


def test_the_peers_keep_their_storage_to_themselves(tmp_path: Path) -> None:
    images = Images(work=tmp_path, registry=DockerRegistry(tmp_path / "registry", address="127.0.0.1:1"))
    script = pip_target(images, tmp_path / "out")[-1]
    lines = [line for line in script.splitlines() if "buildah" in line]
    assert lines
    assert all(f"--root {tmp_path}/buildah --runroot {tmp_path}/buildah-run" in line for line in lines)


def test_pip_is_told_of_every_glibc_up_to_debian_s() -> None:
    tags = platform_tags("arm64")
    assert tags[0] == "manylinux_2_36_aarch64"
    assert "manylinux_2_17_aarch64" in tags
    assert len(tags) == len(set(tags))


def test_sizes_are_those_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"45")
    assert bytes_below(tmp_path) == 5
