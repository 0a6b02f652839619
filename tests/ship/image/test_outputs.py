"""Layouts and archives as they are written: whole at every moment, the same every time, read by everyone."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.registry_images import attachment, tar_layer, whole_image

from crossdock.digest import Digest
from crossdock.errors import ImageError, ShipError
from crossdock.oci import media
from crossdock.oci.blob import BytesSource, FileSource, verified
from crossdock.oci.choose import choose
from crossdock.oci.layout import open_layout
from crossdock.oci.model import Platform
from crossdock.ship.image.load import find_program, load
from crossdock.ship.image.outputs import write_archive, write_layout
from crossdock.ship.image.reach import reachable
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.ship.image.model import Image

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64/v8")


def one_platform(title: str = "numpy") -> Image:
    return whole_image({"linux/amd64": (tar_layer("base"), tar_layer(title, key="k"))})


def checked(path: Path) -> set[str]:
    """Verify every blob that a layout's index leads to; return the names of its entries."""
    layout = open_layout(path)
    for entry in layout.entries():
        if entry.artifact_type:
            continue
        for platform in (AMD64, ARM64):
            try:
                image = choose(layout, [entry], platform, name="x")
            except ImageError as error:
                assert error.code == "E-IMAGE-NO-PLATFORM"  # noqa: PT017
                continue
            for one in image.manifest.layers:
                assert sum(map(len, verified(one, layout.blob(one)))) == one.size
    return {one.annotations.get(media.REF_NAME, "") for one in layout.entries()}


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(root)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_layout_is_whole_and_a_second_run_touches_nothing(tmp_path: Path) -> None:
    image = whole_image(attachments=True)
    first = write_layout(image, tmp_path / "deep/out", names=["v1"])
    assert checked(tmp_path / "deep/out") == {"v1", ""}
    before = snapshot(tmp_path)
    again = write_layout(image, tmp_path / "deep/out", names=["v1"])
    assert snapshot(tmp_path) == before
    assert (first.kept, again.written, again.kept, again.bytes_written) == (0, 0, first.written, 0)
    assert {path.name for path in (tmp_path / "deep/out").iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_other_tools_read_the_layout_and_find_both_platforms(tmp_path: Path) -> None:
    image = whole_image(attachments=True)
    write_layout(image, tmp_path / "out", names=["v1", "v2"])
    for name, one in (("amd64", image.platforms[0]), ("arm64", image.platforms[1])):
        said = subprocess.run(
            ["skopeo", "--override-arch", name, "inspect", f"oci:{tmp_path / 'out'}:v1"],
            check=True, capture_output=True,
        )  # fmt: skip
        assert json.loads(said.stdout)["Layers"] == [str(layer.descriptor.digest) for layer in one.layers]
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "-q", "--all", f"oci:{tmp_path / 'out'}:v2", f"dir:{tmp_path / 'd'}"],
        check=True,
    )  # fmt: skip
    assert Digest.of((tmp_path / "d/manifest.json").read_bytes()) == image.descriptor.digest
    listed = subprocess.run(["umoci", "ls", "--layout", tmp_path / "out"], check=True, capture_output=True)
    assert listed.stdout.split() == [b"v1", b"v2"]


def test_the_same_name_is_replaced_and_others_stay(tmp_path: Path) -> None:
    root = tmp_path / "out"
    foreign = one_platform("theirs")
    write_layout(foreign, root, names=["theirs"])
    old = whole_image(attachments=True)
    write_layout(old, root, names=["app"])
    signature = attachment(foreign.descriptor, "a signature by someone else")
    write_layout(replace(foreign, attachments=(signature,)), root, names=["theirs"])
    new = one_platform("newer")
    change = write_layout(new, root, names=["app"])
    assert change.removed == 0
    layout = open_layout(root)
    assert layout.entries("app")[0].digest == new.descriptor.digest
    assert layout.entries("theirs")[0].digest == foreign.descriptor.digest
    # What was attached to the image that was replaced is gone with it; the others' is there.
    assert [one.digest for one in layout.entries() if one.artifact_type] == [signature.descriptor.digest]
    # Blobs stay until asked; then nothing that is named goes.
    kept = {path.name for path in root.glob("blobs/sha256/*")}
    assert old.descriptor.digest.hex in kept
    pruned = write_layout(new, root, names=["app"], prune=True)
    left = {path.name for path in root.glob("blobs/sha256/*")}
    assert left == {one.hex for one in reachable(open_layout(root), open_layout(root).entries())}
    assert pruned.removed == len(kept) - len(left) > 0
    assert checked(root) == {"app", "theirs", ""}


def test_blobs_of_the_store_are_linked_and_others_copied_and_verified(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    image = one_platform()
    (platform,) = image.platforms
    base, ours = platform.layers
    in_store = store.ingest(ours.descriptor.digest, ours.source.chunks())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"".join(base.source.chunks()))
    layers = (replace(base, source=FileSource(elsewhere)), replace(ours, source=FileSource(in_store)))
    image = replace(image, platforms=(replace(platform, layers=layers),))
    write_layout(image, tmp_path / "out", store=store.root)
    blobs = tmp_path / "out/blobs/sha256"
    assert (blobs / ours.descriptor.digest.hex).samefile(in_store)
    assert not (blobs / base.descriptor.digest.hex).samefile(elsewhere)
    assert store.blob(ours.descriptor.digest) == in_store
    # A file that is no longer what it was goes nowhere, and the old index stays.
    elsewhere.write_bytes(b"x" * base.descriptor.size)
    index = (tmp_path / "out/index.json").read_bytes()
    (blobs / base.descriptor.digest.hex).unlink()
    with pytest.raises(ImageError) as caught:
        write_layout(image, tmp_path / "out", names=["new"])
    assert caught.value.code == "E-IMAGE-DIGEST"
    assert (tmp_path / "out/index.json").read_bytes() == index
    assert not list(blobs.glob(".*"))


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ShipError) as caught:
        write_layout(one_platform(), tmp_path)
    assert (caught.value.code, caught.value.places) == ("E-SHIP-LAYOUT", ("mine.txt",))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ShipError) as caught:
        write_layout(one_platform(), tmp_path / "mine.txt")
    assert caught.value.code == "E-SHIP-WRITE"
    with pytest.raises(ShipError) as caught:
        write_archive(one_platform(), tmp_path / "mine.txt/x.tar")
    assert caught.value.code == "E-SHIP-WRITE"


def test_a_broken_layout_is_refused_and_not_mended(tmp_path: Path) -> None:
    write_layout(one_platform(), tmp_path / "out")
    (tmp_path / "out/index.json").write_bytes(b"{broken")
    with pytest.raises(ImageError):
        write_layout(one_platform(), tmp_path / "out")
    assert (tmp_path / "out/index.json").read_bytes() == b"{broken"


#: Run apart: forks, and dies at the n-th call that changes the disk.
_DEADLY = """
    import os, signal, sys
    from pathlib import Path
    from tests.ship.image.test_outputs import checked, one_platform
    from tests.support.registry_images import whole_image
    from crossdock.errors import ImageError
    from crossdock.oci.layout import is_layout, open_layout
    from crossdock.ship.image.outputs import write_archive, write_layout

    root, left = Path(sys.argv[1]), 0

    def deadly(function):
        def call(*arguments, **named):
            global left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)
        return call

    def run(number, action):
        global left
        child = os.fork()
        if child == 0:
            left = number
            for name in ("open", "fsync", "replace", "link", "unlink", "mkdir"):
                setattr(os, name, deadly(getattr(os, name)))
            Path.replace = deadly(Path.replace)
            Path.mkdir = deadly(Path.mkdir)
            action()
            os._exit(0)
        return os.waitpid(child, 0)[1]

    old, new = one_platform("old"), whole_image(attachments=True)
    kills = 0
    for fresh in (True, False):
        for number in range(1 + fresh, 200, 2):
            place = root / f"{fresh}-{number}"
            if not fresh:
                write_layout(old, place, names=["app", "kept"])
            status = run(number, lambda: write_layout(new, place, names=["app"]))
            if status == 0:
                break
            kills += 1
            if fresh and not is_layout(place):
                assert not (place / "index.json").exists() or not (place / "oci-layout").exists()
            else:
                assert checked(place) >= ({"app"} if fresh else {"app", "kept"})
            write_layout(new, place, names=["app"])
            assert checked(place) == ({"app", ""} if fresh else {"app", "kept", ""})
            assert not [path for path in place.rglob(".*")]
        else:
            raise SystemExit("never ended")
    tar = root / "tars" / "x.tar"
    write_archive(new, tar)
    after = tar.read_bytes()
    write_archive(old, tar)
    before = tar.read_bytes()
    for number in range(1, 50):
        if run(number, lambda: write_archive(new, tar)) == 0:
            break
        assert tar.read_bytes() in (before, after)
        kills += 1
    assert tar.read_bytes() == after
    assert [path.name for path in tar.parent.iterdir()] == ["x.tar"]
    print(kills)
"""


def _apart(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True, text=True, cwd=Path(__file__).parents[3], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="forks: only on Linux and macOS")
def test_a_run_that_is_killed_at_any_step_leaves_no_half(tmp_path: Path) -> None:
    assert int(_apart(_DEADLY, tmp_path)) > 25


_CROWD = """
    import os, sys
    from pathlib import Path
    from tests.ship.image.test_outputs import one_platform
    from crossdock.ship.image.outputs import write_layout

    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            write_layout(one_platform(f"layer{number}"), Path(sys.argv[1]), names=[f"v{number}"])
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks: only on Linux and macOS")
def test_runs_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    _apart(_CROWD, tmp_path / "out")
    assert checked(tmp_path / "out") == {f"v{number}" for number in range(8)}


def test_an_archive_is_the_same_every_time_and_tells_nothing_of_where(tmp_path: Path) -> None:
    image = whole_image(attachments=True)
    size = write_archive(image, tmp_path / "a.tar", names=["example.com/app:1"], attachments=True)
    old = os.umask(0o077)
    try:
        write_archive(image, tmp_path / "deep/b.tar", names=["example.com/app:1"], attachments=True)
    finally:
        os.umask(old)
    data = (tmp_path / "a.tar").read_bytes()
    assert data == (tmp_path / "deep/b.tar").read_bytes()
    assert len(data) == size
    with tarfile.open(tmp_path / "a.tar") as archive:
        names = archive.getnames()
        assert {one.mtime for one in archive} == {315532800}
    assert names == sorted(names)
    assert checked(tmp_path / "a.tar") == {"example.com/app:1", ""}
    assert not list(tmp_path.glob(".*"))


def test_an_archive_of_one_platform_is_dockers_too(tmp_path: Path) -> None:
    image = one_platform()
    write_archive(image, tmp_path / "one.tar", names=["example.com/app:1"])
    for form in ("docker-archive:{}", "oci-archive:{}"):
        target = tmp_path / form[:3]
        source = form.format(tmp_path / "one.tar")
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, f"dir:{target}"], check=True)
        config = json.loads((target / "manifest.json").read_bytes())["config"]["digest"]
        assert config == str(Digest.of(image.platforms[0].config))
    write_archive(whole_image(), tmp_path / "two.tar")
    with tarfile.open(tmp_path / "two.tar") as archive:
        assert "manifest.json" not in archive.getnames()


def test_a_failed_archive_leaves_the_old_one(tmp_path: Path) -> None:
    image = one_platform()
    write_archive(image, tmp_path / "x.tar")
    before = (tmp_path / "x.tar").read_bytes()
    (platform,) = image.platforms
    lying = replace(platform.layers[0], source=BytesSource(b"x" * platform.layers[0].descriptor.size))
    broken = replace(image, platforms=(replace(platform, layers=(lying, *platform.layers[1:])),))
    with pytest.raises(ImageError):
        write_archive(broken, tmp_path / "x.tar", names=["other"])
    assert (tmp_path / "x.tar").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


# Loading


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A storage of podman's own for one test."""
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/graph"\n'
    )
    yield {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf"),
        "TMPDIR": str(tmp_path),
    }
    shutil.rmtree(tmp_path / "graph", ignore_errors=True)


def _images(environment: dict[str, str]) -> dict[str, str]:
    said = subprocess.run(
        ["podman", "images", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}"],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return dict(line.split() for line in said.stdout.splitlines())


@pytest.mark.parametrize("platform", [AMD64, ARM64])
def test_podman_gets_the_platform_s_image_under_all_names(
    platform: Platform, containers: dict[str, str]
) -> None:
    image = whole_image(attachments=True)
    names = ["example.com/app:1", "localhost/other:2"]
    program = find_program("podman", shutil.which)
    load(image, program=program, names=names, platform=platform, environment=containers)
    (one,) = [one for one in image.platforms if one.platform == platform]
    assert _images(containers) == dict.fromkeys(names, str(one.descriptor.digest))


def test_podman_loads_an_archive_of_all_platforms_itself(tmp_path: Path, containers: dict[str, str]) -> None:
    write_archive(whole_image(attachments=True), tmp_path / "x.tar", names=["example.com/app:1"])
    subprocess.run(
        ["podman", "load", "-q", "-i", tmp_path / "x.tar"], check=True, capture_output=True, env=containers
    )
    assert list(_images(containers)) == ["example.com/app:1"]


def test_a_load_of_broken_bytes_loads_nothing(containers: dict[str, str]) -> None:
    image = one_platform()
    (platform,) = image.platforms
    lying = replace(platform.layers[1], source=BytesSource(b"x" * platform.layers[1].descriptor.size))
    broken = replace(image, platforms=(replace(platform, layers=(platform.layers[0], lying)),))
    with pytest.raises(ImageError) as caught:
        load(broken, program="podman", names=["example.com/app:1"], platform=AMD64, environment=containers)
    assert caught.value.code == "E-IMAGE-DIGEST"
    assert _images(containers) == {}


def _program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_docker_gets_its_own_list_with_all_names(tmp_path: Path) -> None:
    program = _program(tmp_path / "docker", f'[ "$1" = load ] && cat > {tmp_path}/got && echo Loaded')
    names = ["example.com/app:1", "other:2"]
    assert load(whole_image(), program=program, names=names, platform=ARM64) == "Loaded"
    with tarfile.open(tmp_path / "got") as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        (listed,) = json.load(file)
    assert listed["RepoTags"] == names
    assert len(listed["Layers"]) == 3
    assert checked(tmp_path / "got") == set(names)


def test_a_program_that_refuses_is_quoted(tmp_path: Path) -> None:
    big = whole_image({"linux/amd64": (tar_layer("base", 3_000_000),)})
    program = _program(tmp_path / "docker", "echo no daemon here >&2; exit 3")
    with pytest.raises(ShipError) as caught:
        load(big, program=program, names=["a:1"], platform=AMD64)
    assert caught.value.code == "E-SHIP-LOAD"
    assert caught.value.places == ("no daemon here",)
    with pytest.raises(ShipError) as caught:
        load(big, program=str(tmp_path / "gone"), names=["a:1"], platform=AMD64)
    assert caught.value.code == "E-SHIP-LOAD"


def test_a_platform_that_the_image_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(ShipError) as caught:
        load(one_platform(), program="/nowhere", names=["a:1"], platform=ARM64)
    assert caught.value.code == "E-SHIP-LOAD-PLATFORM"
    assert caught.value.places == ("linux/amd64",)
    assert caught.value.hint == "add `--for linux/arm64`"


def test_the_program_is_found_or_asked_for() -> None:
    both = {"podman": "/bin/podman", "docker": "/bin/docker"}
    none: dict[str, str] = {}
    assert find_program("auto", both.get) == "/bin/podman"
    assert find_program("docker", both.get) == "/bin/docker"
    assert find_program("auto", {"docker": "/d"}.get) == "/d"
    for wanted in ("auto", "podman"):
        with pytest.raises(ShipError) as caught:
            find_program(wanted, none.get)
        assert caught.value.code == "E-SHIP-LOAD-PROGRAM"


def test_archives_hold_their_blobs_in_any_order_of_platforms(tmp_path: Path) -> None:
    image = whole_image()
    shuffled = list(image.platforms)
    random.Random(1).shuffle(shuffled)
    for number, order in enumerate((image.platforms, tuple(reversed(shuffled)))):
        write_archive(replace(image, platforms=order), tmp_path / f"{number}.tar")
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()
