"""Making images of the demonstration's packages for two platforms, beside buildah with pip and pip under qemu."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import image_peers
from bench.image_setting import ARCHES, BASE, BUMPED, PYTHON, bytes_below, prepare
from bench.measure import Contestant
from bench.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from bench.image_setting import Images
    from bench.measure import Series

OURS = "crossdock"
#: How much the one file of the large wheel holds.
LARGE = 1 << 30


def plans(work: Path, exits: ExitStack, *, rounds: int, slow_rounds: int) -> list[Plan]:
    """Return the cases about images; `exits` ends what they start."""
    images = prepare(work / "images", exits)
    return [
        _made(images, slow_rounds),
        _unchanged(images, rounds),
        _bumped(images, rounds),
        _empty_store(images, rounds),
        _large(images, slow_rounds),
    ]


def _made(images: Images, rounds: int) -> Plan:
    beside, inside = images.work / "peer-target", images.work / "peer-qemu"
    return Plan(
        title="Image: two platforms, everything downloaded before",
        text=f"{len(images.wheels('arm64'))} packages for linux/amd64 and linux/arm64 on `{BASE}`, from downloaded wheels to an OCI "
        "layout. crossdock's store has the wheels and the base, nothing made of the wheels. pip gets the same wheels as files, and buildah the "
        "same base, in its storage already. The last one is what a Dockerfile's `RUN pip install` does, with the "
        "arm64 half under qemu.",
        contestants=[
            _ours(images, images.command(images.lock, "-o", str(images.layout), "--offline")),
            Contestant(
                name="buildah, pip --target",
                argv=image_peers.pip_target(images, beside),
                prepare=_remove(beside),
                check=_whole(beside),
            ),
            Contestant(
                name="buildah, pip inside",
                argv=image_peers.pip_inside(images, inside),
                prepare=_remove(inside),
                check=_whole(inside),
                note="arm64 emulated",
            ),
        ],
        base=OURS,
        rounds=rounds,
        conclude=_times_faster,
    )


def _unchanged(images: Images, rounds: int) -> Plan:
    files, sizes = images.registry.storage, list[int]()

    def same() -> None:
        if bytes_below(files) != sizes[-1]:
            raise RuntimeError("the registry got something, though nothing had changed")

    return Plan(
        title="Image: nothing changed, pushed",
        text="The image is in the registry (docker-registry, on loopback) already. skopeo only pushes what buildah has made.",
        contestants=[
            Contestant(
                name=OURS,
                argv=images.command(images.lock, "--push", images.reference),
                environ=images.environ,
                prepare=lambda: sizes.append(bytes_below(files)),
                check=same,
            ),
            Contestant(name="skopeo copy", argv=image_peers.push(images, images.work / "peer-target")),
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda series: [f"crossdock takes {_median(series):.2f} s (the aim: under 0.4 s)."],
    )


def _bumped(images: Images, rounds: int) -> Plan:
    grown: list[int] = []
    wheels = [path for arch in ARCHES for path in images.wheels(arch) if path.name.startswith(f"{BUMPED}-")]
    largest = sum(path.stat().st_size for path in wheels)
    return Plan(
        title="Image: one dependency bumped, pushed",
        text=f"Another version of `{BUMPED}`, whose two wheels are downloaded, after an image in the registry. What was uploaded is what "
        "the registry's files have grown by, manifests and attachments included.",
        contestants=[
            Contestant(
                name=OURS,
                argv=images.command(images.bumped_lock, "--push", images.reference),
                environ=images.environ,
                prepare=images.restore_registry,
                check=lambda: grown.append(
                    bytes_below(images.registry.folder / "storage") - bytes_below(images.snapshot)
                ),
            )
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda _series: [
            f"{max(grown) / 1024:.0f} KiB uploaded for both platforms; the two wheels have {largest / 1024:.0f} KiB."
        ],
    )


def _empty_store(images: Images, rounds: int) -> Plan:
    store, fetched, turn = images.work / "cold", list[int](), iter(range(1 << 30))

    def start() -> None:
        images.restore_registry()
        shutil.rmtree(store, ignore_errors=True)
        with (images.app / "app.py").open("a", encoding="utf-8") as file:
            file.write(f"# turn {next(turn)}\n")

    def count() -> None:
        names = {path.name.partition(".")[0] for path in store.rglob("*") if path.is_file()}
        found = len(names & images.wheel_hashes)
        fetched.append(found)
        if found:
            raise RuntimeError(f"{found} wheels were downloaded")

    return Plan(
        title="Image: the application edited, on an empty machine",
        text="Nothing in the store, the previous image in the registry, a line added to the application; pushed.",
        contestants=[
            Contestant(
                name=OURS,
                argv=images.command(images.lock, "--push", images.reference),
                environ={"CROSSDOCK_STORE": str(store)},
                prepare=start,
                check=count,
            )
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda _series: [f"Wheels downloaded: {max(fetched)} (the aim: none)."],
    )


def _large(images: Images, rounds: int) -> Plan:
    lock = large_wheel(images.work / "large", LARGE)
    store = images.work / "large-store"
    argv = images.command(lock, "-o", str(images.work / "large-layout"))
    return Plan(
        title="Image: a wheel of 1 GB",
        text="One wheel that holds one file of 1 GiB that does not compress, for both platforms, with nothing in the store.",
        contestants=[
            Contestant(
                name=OURS,
                argv=argv,
                environ={"CROSSDOCK_STORE": str(store)},
                prepare=_remove(store, images.work / "large-layout"),
            )
        ],
        base=OURS,
        rounds=rounds,
        conclude=lambda series: [f"{series[0].peak / 1e6:.0f} MB of memory at most (the aim: under 200 MB)."],
    )


def large_wheel(directory: Path, size: int) -> Path:
    """Write a wheel with one file of `size` bytes, and a lock with it; return the lock."""
    directory.mkdir(parents=True)
    name = "large-1.0-py3-none-any.whl"
    # In a process of its own: what this process holds in memory would show in what it starts.
    subprocess.run([sys.executable, "-m", "bench.large_wheel", str(directory / name), str(size)], check=True)
    with (directory / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    lock = directory / "pylock.toml"
    lock.write_text(
        'lock-version = "1.0"\ncreated-by = "bench"\n'
        f'requires-python = ">={PYTHON}"\n\n'
        '[[packages]]\nname = "large"\nversion = "1.0"\n'
        f'wheels = [{{ path = "{name}", size = {(directory / name).stat().st_size}, hashes = {{ sha256 = "{digest}" }} }}]\n',
        encoding="utf-8",
    )
    return lock


def _ours(images: Images, argv: Sequence[str]) -> Contestant:
    def start() -> None:
        shutil.rmtree(images.layout, ignore_errors=True)
        images.forget_packages()

    return Contestant(
        name=OURS, argv=argv, environ=images.environ, prepare=start, check=_whole(images.layout)
    )


def _remove(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    return remove


def _whole(layout: Path) -> Callable[[], None]:
    def check() -> None:
        # The packages of two platforms have 140 MB even when compressed.
        if bytes_below(layout) < 100_000_000:
            raise RuntimeError(f"{layout.name} is too small to be two images")

    return check


def _median(series: Sequence[Series]) -> float:
    return next(one.median for one in series if one.contestant.name == OURS)


def _times_faster(series: Sequence[Series]) -> list[str]:
    ours = _median(series)
    aims = {"buildah, pip --target": 15, "buildah, pip inside": 30}
    return [
        f"crossdock is {one.median / ours:.0f} times as fast as {one.contestant.name} (the aim: {aims[one.contestant.name]})."
        for one in series
        if one.contestant.name in aims
    ]
