"""What `crossdock bazel` writes, built by Bazel itself: for several platforms at once, without a network."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.cli.bazel_world import NAMES, TARGETS, lock_project, write_workspace
from tests.cli.images import Contents, base_layout
from tests.cli.world import MACHINES, make_world
from tests.support.bazel import Bazel, bazel_major, require_bazel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.world import World

OUT, OTHER = "third_party/py", "third_party/other"

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A project that is locked, its wheels in `dist`, and the files for Bazel in `work`."""

    world: World
    place: Path

    def workspace(self, mode: str) -> Path:
        """Return a workspace of its own with the generated files."""
        root = self.place / mode
        write_workspace(root, mode)
        shutil.copytree(self.world.work / "third_party", root / "third_party")
        return root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_bazel("workspace")
    root = tmp_path_factory.mktemp("bazel")
    world = make_world(root / "world")
    with world.index:
        lock_project(world)
        (world.work / "WORKSPACE").write_text("")
        world.run("bazel", ".", *TARGETS, "--distdir", root / "dist", "--workspace")
        # A second hub, whose platforms are those of the first.
        words = ["--out", OTHER, "--hub", "other", "--libc-of", f"//{OUT}/platforms", "--workspace"]
        world.run("bazel", ".", *TARGETS, *words)
        (root / "bzlmod").mkdir()
        (root / "workspace").mkdir()
        yield Site(world=world, place=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What one build of the index made, by platform: the layers by their digests, the paths of the runfiles."""

    workspace: Path
    bazel: Bazel
    said: str
    layers: dict[str, dict[str, bytes]]
    runfiles: dict[str, list[str]]


def build(site: Site, mode: str) -> Built:
    workspace = site.workspace(mode)
    bazel = Bazel(place=site.place, mode=mode)
    targets = ["//app:index", "//app:labels"]
    # Bazel before 7.4 makes no runfiles with a space in their names.
    runs = bazel_major() >= 7
    words: list[str | Path] = [f"--distdir={site.place / 'dist'}", *targets, *(["//app:ran"] if runs else [])]
    done = bazel.run(workspace, "build", *words)
    out = workspace / "bazel-bin" / "app"
    assert not runs or (out / "ran.txt").read_text() == "the application ran\n"
    labels = dict(line.split(" ", 1) for line in (out / "labels.txt").read_text().splitlines())
    # What `py_console_script_binary` looks for.
    assert any(path.endswith("/entry_points.txt") for path in labels["dist_info"].split())
    assert labels["whl"].endswith("/web-1.0-py3-none-any.whl")
    assert {"cli.py", "METADATA"} <= {
        path.rpartition("/")[2] for path in labels["extracted_whl_files"].split()
    }
    layers, runfiles = {}, {}
    for name in NAMES:
        files = list((out / "index" / name).glob("*.tar.gz"))
        layers[name] = {hashlib.sha256(path.read_bytes()).hexdigest(): path.read_bytes() for path in files}
        runfiles[name] = (out / "index" / name / "runfiles.txt").read_text().splitlines()
    return Built(workspace=workspace, bazel=bazel, said=done.stderr, layers=layers, runfiles=runfiles)


@pytest.fixture(scope="module")
def built(site: Site) -> Built:
    require_bazel()
    return build(site, "bzlmod")


def test_one_build_gives_each_platform_its_own_binaries(built: Built) -> None:
    machines = {"linux_amd64": "x86_64", "linux_arm64": "aarch64", "musllinux_1_2_aarch64": "aarch64"}
    suffixes = {"linux_amd64": "x86_64-linux-gnu.so", "linux_arm64": "aarch64-linux-gnu.so"}
    for name, machine in machines.items():
        suffix = suffixes.get(name, "aarch64-linux-musl.so")
        own = [path for path in built.runfiles[name] if path.endswith(".so")]
        # One of each hub.
        assert [path.endswith(suffix) for path in own] == [True, True]
        found = {}
        for content in built.layers[name].values():
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
                for member in archive:
                    if member.name.endswith(".so"):
                        found[member.name] = archive.extractfile(member).read()[18]  # type: ignore[union-attr]
        assert [path.endswith(suffix) for path in found] == [True]
        assert list(found.values()) == [MACHINES[machine]]


@pytest.fixture(scope="module")
def image_layers(site: Site) -> dict[str, set[str]]:
    """The layers of wheels that `crossdock image` makes for two of the platforms, by their digests."""
    base_layout().write(site.place / "base")
    words: list[str | Path] = ["--base", site.place / "base", "--app", "none", "-o", "layout"]
    site.world.run("image", ".", *TARGETS[:4], "--python", "3.12", *words)
    contents = Contents.of_layout(site.world.work / "layout")
    return {
        name: {digest.partition(":")[2] for kind, digest in contents.layers(platform) if kind == "wheels"}
        for name, platform in (("linux_amd64", "linux/amd64"), ("linux_arm64", "linux/arm64/v8"))
    }


def check_layers(built: Built, image_layers: dict[str, set[str]]) -> None:
    for name, wheels in image_layers.items():
        assert len(wheels) > 3
        assert wheels <= built.layers[name].keys()
        # Beside them the environment and the application, and nothing else.
        assert len(built.layers[name]) == len(wheels) + 2


def test_layers_are_those_of_the_command_line(built: Built, image_layers: dict[str, set[str]]) -> None:
    check_layers(built, image_layers)


def test_the_module_lock_says_nothing_of_it(built: Built) -> None:
    assert "crossdock" not in (built.workspace / "MODULE.bazel.lock").read_text()


def test_under_workspace_layers_are_those_of_the_command_line_too(
    site: Site, image_layers: dict[str, set[str]]
) -> None:
    check_layers(build(site, "workspace"), image_layers)


def test_a_platform_that_is_not_locked_is_told(site: Site, built: Built) -> None:
    words = ["build", f"--distdir={site.place / 'dist'}", "--platforms=//platforms:s390x", "@pypi//web"]
    said = built.bazel.run(built.workspace, *words, status=1).stderr
    assert (
        "web: not locked for this platform; locked for: linux_amd64, linux_arm64, musllinux_1_2_aarch64"
        in said
    )


def test_a_wheel_with_other_bytes_is_refused_and_only_what_is_needed_is_fetched(
    site: Site, built: Built
) -> None:
    workspace = site.place / "wrong"
    workspace.mkdir()
    write_workspace(workspace, "bzlmod")
    shutil.copytree(site.world.work / "third_party", workspace / "third_party")
    lock = json.loads((workspace / OUT / "lock.json").read_text())
    right = next(one["sha256"] for one in lock["wheels"].values() if one["package"] == "fastlib")
    wrong = hashlib.sha256(b"something else").hexdigest()
    text = (workspace / OUT / "lock.json").read_text().replace(right, wrong)
    (workspace / OUT / "lock.json").write_text(text)
    site.world.index.requests.clear()
    words = ["build", "--platforms=//third_party/py/platforms:linux_arm64", "@pypi//fastlib", "@pypi//numlib"]
    said = built.bazel.run(
        workspace, *words, "--keep_going", "--repository_cache=", network=True, status=1
    ).stderr
    assert wrong in said
    assert right in said
    fetched = set(site.world.fetched())
    assert {name for name in fetched if name.startswith("numlib")} == {
        "numlib-1.0-cp312-cp312-manylinux2014_aarch64.whl"
    }
    assert not any(name.startswith(("large", "web")) for name in fetched)
