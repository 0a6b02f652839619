"""What the image cases share: the lock, its wheels, an application, a base and a registry with an image in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.installs import Setting
from tests.support.podman import podman_problem
from tests.support.registry import DockerRegistry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

ROOT = Path(__file__).parents[1]
#: The Python of Debian's release below the images.
PYTHON = "3.11"
BASE = "debian:bookworm"
#: Docker's name of an architecture -> the wheels'.
ARCHES = {"amd64": "x86_64", "arm64": "aarch64"}
#: The package that the case of a changed dependency changes.
BUMPED = "orjson"


class Unavailable(Exception):  # noqa: N818 - a reason to leave cases out
    """What the image cases need and this machine lacks."""


@dataclass(frozen=True)
class Images:
    """Places below `work`, and the words of the commands."""

    work: Path
    registry: DockerRegistry

    @property
    def lock(self) -> Path:
        return self.work / "pylock.toml"

    @property
    def bumped_lock(self) -> Path:
        return self.work / "pylock.bumped.toml"

    @property
    def app(self) -> Path:
        return self.work / "app"

    @property
    def layout(self) -> Path:
        return self.work / "layout"

    @property
    def snapshot(self) -> Path:
        """The registry's files as they are with the first image in it."""
        return self.work / "registry-snapshot"

    @property
    def base_facts(self) -> Path:
        """What the store knows when it has made a base and nothing of the packages."""
        return self.work / "base-facts"

    @property
    def reference(self) -> str:
        return f"{self.registry.address}/service:1"

    @property
    def environ(self) -> dict[str, str]:
        return {"CROSSDOCK_STORE": str(self.work / "store")}

    def wheels(self, arch: str) -> list[Path]:
        """Return the wheels of one of `ARCHES`."""
        return sorted((self.work / "wheels" / arch).glob("*.whl"))

    @cached_property
    def wheel_hashes(self) -> frozenset[str]:
        from hashlib import sha256

        return frozenset(
            sha256(path.read_bytes()).hexdigest() for arch in ARCHES for path in self.wheels(arch)
        )

    def command(self, lock: Path, *words: str) -> list[str]:
        """Return `crossdock image` for both platforms, on the base that was locked."""
        return [
            Setting.tool("crossdock"),
            *("image", str(lock)),
            *(word for arch in ARCHES for word in ("--for", f"linux/{arch}")),
            *("--python", PYTHON, "--base", BASE, "--base-lock", str(self.work / "base.lock.toml")),
            *("--app", str(self.app), "-m", "app", "--name", "service:1", "-q"),
            *words,
        ]

    def run(self, *argv: str) -> None:
        """Run a command of the preparation."""
        subprocess.run(
            argv, env=self._environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
        )

    def forget_packages(self) -> None:
        """Leave in the store the downloaded files and the base, and nothing that was made or learnt of packages."""
        facts = self.work / "store" / "facts"
        shutil.rmtree(facts)
        shutil.copytree(self.base_facts, facts)

    def restore_registry(self) -> None:
        """Let the registry have the first image and nothing else."""
        shutil.rmtree(self.registry.folder / "storage", ignore_errors=True)
        shutil.copytree(self.snapshot, self.registry.folder / "storage")

    def _environ(self) -> dict[str, str]:
        import os

        return {**os.environ, **self.environ}


def prepare(work: Path, exits: ExitStack) -> Images:
    """Lock, download, make the base and the first image, and push it; `Unavailable` where that cannot be."""
    for program in ("docker-registry", "buildah", "skopeo"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    if problem := podman_problem("linux/arm64"):
        raise Unavailable(problem)
    work.mkdir()
    registry = exits.enter_context(DockerRegistry(work / "registry"))
    images = Images(work=work, registry=registry)
    images.app.mkdir()
    shutil.copy(ROOT / "examples" / "demo" / "app.py", images.app)
    _lock(images)
    _base(images)
    _first_image(images)
    return images


def _lock(images: Images) -> None:
    crossdock = Setting.tool("crossdock")
    targets = [
        *(word for arch in ARCHES for word in ("--for", f"linux/{arch}")),
        *("--python", PYTHON),
    ]
    wanted = images.work / "requirements.txt"
    shutil.copy(ROOT / "examples" / "demo" / "requirements.txt", wanted)
    images.run(crossdock, "lock", str(wanted), *targets, "-o", str(images.lock))
    for arch in ARCHES:
        place = str(images.work / "wheels" / arch)
        one = ("--for", f"linux/{arch}", "--python", PYTHON)
        images.run(crossdock, "download", str(images.lock), *one, "-d", place)
    (bumped,) = (path for path in images.wheels("amd64") if path.name.startswith(f"{BUMPED}-"))
    constraint = images.work / "constraints.txt"
    constraint.write_text(f"{BUMPED}!={bumped.name.split('-')[1]}\n", encoding="utf-8")
    words = ("-c", str(constraint), "-o", str(images.bumped_lock))
    images.run(crossdock, "lock", str(wanted), *targets, *words)


def _base(images: Images) -> None:
    """Make an image without a package, which is the base for the others, and keep what the store knows then."""
    empty = images.work / "empty.txt"
    empty.write_text("", encoding="utf-8")
    words = ["--app", "none", "--entrypoint", "python3", "--name", "base:1", "-o", str(images.work / "base")]
    command = images.command(empty)
    images.run(*command[: command.index("--app")], *words, "-q")
    shutil.copytree(images.work / "store" / "facts", images.base_facts)
    script = "\n".join(
        f"{buildah(images)} pull -q --arch {arch} oci:{images.work}/base:base:1 >{images.work}/base-{arch}"
        for arch in ARCHES
    )
    images.run(*emulated(f"set -e\n{script}\n"))


def _first_image(images: Images) -> None:
    images.run(*images.command(images.lock, "--push", images.reference))
    # The other lock's wheels come into the store too, for the cases with a warm one.
    bumped = str(images.work / "wheels" / "bumped")
    for arch in ARCHES:
        one = ("--for", f"linux/{arch}", "--python", PYTHON)
        images.run(Setting.tool("crossdock"), "download", str(images.bumped_lock), *one, "-d", bumped)
    shutil.copytree(images.registry.folder / "storage", images.snapshot)


def buildah(images: Images) -> str:
    """Return buildah with a storage of its own, as the shell takes it."""
    return (
        f"buildah --root {images.work}/buildah --runroot {images.work}/buildah-run --storage-driver overlay"
    )


def emulated(script: str) -> list[str]:
    """Return the command that runs a shell script where arm64 programs run under qemu."""
    return [sys.executable, "-m", "tests.support.podman", "in", "linux/arm64", "sh", "-c", script]


def pip_wheel(work: Path) -> Path:
    """Put pip's own wheel, which runs without being installed, into a directory; return it."""
    place = work / "pip"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--no-deps"]
    subprocess.run([*pip, "-d", str(place), "pip"], stdin=subprocess.DEVNULL, check=True)
    (wheel,) = place.glob("pip-*.whl")
    return wheel


def bytes_below(directory: Path) -> int:
    """Return how many bytes the files in a directory have."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def platform_tags(arch: str) -> Sequence[str]:
    """Return the tags that pip is to take for Debian 12's glibc, newest first."""
    tags = [f"manylinux_2_{minor}_{ARCHES[arch]}" for minor in range(36, 16, -1)]
    return [*tags, f"manylinux2014_{ARCHES[arch]}"]


def version_of(images: Images, package: str) -> str:
    """Return the version that the lock has of a package."""
    found = re.search(rf'name = "{package}"\nversion = "([^"]+)"', images.lock.read_text(encoding="utf-8"))
    return found.group(1) if found else ""
