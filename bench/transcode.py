"""What a wheel's layer costs: `python -m bench.transcode DIRECTORY [PROJECT..]`.

Processor time, beside each other in one run: ours with all its checks; the floor, which is inflating, CRC and SHA-256 of every member
with the same engine; and what is usual, unzip, tar and gzip -6. Wheels are downloaded to DIRECTORY once, by pip's own
settings.
"""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.archive import inflate
from crossdock.archive.zipread import ZipArchive
from crossdock.digest import Digest
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.wheel_layer import WheelSource, write_wheel_layer
from crossdock.store.mapped import mapped
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

if TYPE_CHECKING:
    from collections.abc import Callable

#: Large libraries, and many small files.
PROJECTS = ("numpy", "pyarrow", "scipy", "botocore")
ROUNDS = 3
TARGET = Target(os=Os.LINUX, arch=Arch.X86_64, libc=Libc(LibcKind.GLIBC, 2, 28), python=Python(minor=12))


def wheel_of(project: str, directory: Path) -> Path:
    """Return a project's wheel for Linux on x86-64 and Python 3.12, downloaded if it is not there."""
    found = sorted(directory.glob(f"{project}-*.whl"))
    if not found:
        asked = ["--no-deps", "--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
        platforms = ["--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            *asked,
            *platforms,
            "-d",
            str(directory),
            project,
        ]
        subprocess.run(command, check=True)
        found = sorted(directory.glob(f"{project}-*.whl"))
    return found[0]


def floor(path: Path) -> None:
    """Inflate every member, check its CRC and hash it: no transcoder that verifies can do less."""
    with ZipArchive.parse(mapped(path), filename=path.name) as archive:
        for member in archive.members:
            hashlib.sha256(archive.read_bytes(member))


def ours(path: Path, out: Path) -> None:
    """Write the wheel's layer with all checks."""
    source = WheelSource(
        name=path.name.partition("-")[0], filename=path.name, digest=Digest("sha256", "0" * 64), blob=path
    )
    with out.open("wb") as file:
        write_wheel_layer([source], target=TARGET, layout=Environment("/app"), out=file)


def usual(path: Path, out: Path) -> None:
    """Unpack the wheel to files, and compress a tar of them."""
    with tempfile.TemporaryDirectory(dir=out.parent) as directory:
        subprocess.run(["unzip", "-q", path, "-d", directory], check=True)
        with out.open("wb") as file:
            packed = subprocess.Popen(["gzip", "-6n"], stdin=subprocess.PIPE, stdout=file)
            subprocess.run(
                ["tar", "-C", directory, "--sort=name", "-cf", "-", "."], stdout=packed.stdin, check=True
            )
            packed.communicate()
        if packed.returncode:
            raise RuntimeError("gzip failed")


def processor_time() -> float:
    """Return the seconds that this process and its ended children took."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def engines() -> list[Any]:
    """Return the standard library's inflater, and the one of the extra `fast` if it is installed."""
    return list(dict.fromkeys([zlib, inflate._ENGINE]))  # noqa: SLF001  # what is measured


def compare(path: Path, directory: Path) -> None:
    """Print a table of what one wheel takes, A B C in turns, medians."""
    out = directory / "layer.tar.gz"
    ways: dict[str, tuple[Any, Callable[[], None]]] = {
        "unzip | tar | gzip -6": (zlib, lambda: usual(path, out))
    }
    for engine in engines():
        ways[f"floor, {engine.__name__}"] = (engine, lambda: floor(path))
        ways[f"ours, {engine.__name__}"] = (engine, lambda: ours(path, out))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for turn in range(ROUNDS + 1):
        for name, (engine, way) in ways.items():
            inflate._ENGINE = engine  # noqa: SLF001  # as above
            before = processor_time()
            way()
            if turn:  # The first fills the page cache.
                taken[name].append(processor_time() - before)
            if not name.startswith("floor"):
                sizes[name] = out.stat().st_size
    out.unlink()
    medians = {name: statistics.median(times) for name, times in taken.items()}
    slow, size = medians["unzip | tar | gzip -6"], path.stat().st_size
    print(f"\n{path.name}: {size / 1e6:.1f} MB")
    for name, seconds in medians.items():
        said = f"  {seconds:8.3f} s  {name:28}  {slow / seconds:5.1f} x less"
        if name.startswith("ours"):
            said += f"  {seconds / medians[name.replace('ours', 'floor')]:.2f} x floor"
        if name in sizes:
            said += f"  {sizes[name] / size:.3f} of the wheel's size"
        print(said)


def together(paths: list[Path], directory: Path) -> None:
    """Print what it takes to write all layers, one after the other and on all cores."""

    def one(path: Path) -> None:
        ours(path, directory / f"{path.name}.layer")

    print(f"\nall {len(paths)}, {inflate._ENGINE.__name__}: seconds on the clock, median")  # noqa: SLF001  # as above
    for workers in range(1, (os.cpu_count() or 1) + 1):
        taken = []
        for turn in range(ROUNDS + 1):
            before = time.perf_counter()
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(one, paths))
            if turn:
                taken.append(time.perf_counter() - before)
        print(f"  {statistics.median(taken):8.3f} s  {workers} at once")


def main() -> int:
    """Compare each project's wheel; the directory is the first argument."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    print("processor seconds, medians")
    paths = [wheel_of(project, directory) for project in sys.argv[2:] or PROJECTS]
    for path in paths:
        compare(path, directory)
    together(paths, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
