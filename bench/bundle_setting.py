"""What the cases about functions share: the lock, its wheels, an application, and what each tool needs beforehand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.image_setting import Unavailable
from bench.installs import Setting

from crossdock.cli.pythons import find_python
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The first runtime on Amazon Linux 2023, whose glibc the newest wheels fit.
PYTHON = (3, 12)
MINOR = f"{PYTHON[0]}.{PYTHON[1]}"
TARGET = f"lambda-python{MINOR}-arm64"
UV_PLATFORM = "aarch64-manylinux_2_34"
#: How zip names its version.
ZIP = re.compile(r"Zip \d[.\d]*")

#: What functions often bring: AWS's client, HTTP, data, and compiled code of C, C++, Fortran, Cython and Rust.
REQUIREMENTS = (
    "boto3",
    "cryptography",
    "lxml",
    "numpy",
    "pandas",
    "pillow",
    "pydantic",
    "pyyaml",
    "requests",
)

HANDLER = '''"""Answers with what it was asked."""

from __future__ import annotations

import json


def handler(event: object, context: object) -> dict[str, object]:
    return {"statusCode": 200, "body": json.dumps(event)}
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """Places below `work`, and the words of the commands.

    `packages` and `files` count what a zip has, `unzipped` and `zipped` are its bytes. `builders` is a Python with
    aws-lambda-builders, None: this machine has no Python of the runtime's version.
    """

    work: Path
    packages: int
    files: int
    unzipped: int
    zipped: int
    builders: str | None
    versions: str

    @property
    def lock(self) -> Path:
        """The lock."""
        return self.work / "pylock.toml"

    @property
    def pinned(self) -> Path:
        """The packages of the lock as `name==version`."""
        return self.work / "pinned.txt"

    @property
    def app(self) -> Path:
        """The application."""
        return self.work / "app"

    @property
    def wheels(self) -> Path:
        """The lock's wheels, and those that pip wants to see for this machine first."""
        return self.work / "wheels"

    @property
    def platform_file(self) -> Path:
        """The target as pex wants it."""
        return self.work / "platform.json"

    @property
    def uv_cache(self) -> Path:
        """uv's cache."""
        return self.work / "uv-cache"

    def store(self, name: str) -> Path:
        """Return one of our stores."""
        return self.work / f"store-{name}"

    def command(self, lock: Path, output: Path, *words: str) -> list[str]:
        """Return `crossdock lambda`."""
        return lambda_command(lock, self.app, output, *words)


def lambda_command(lock: Path, app: Path, output: Path, *words: str) -> list[str]:
    """Return `crossdock lambda` for the target; the zip is larger than AWS's API takes, so it goes through S3."""
    return [
        Setting.tool("crossdock"),
        *("lambda", str(lock), "--app", str(app), "--for", TARGET, "--s3", "-o", str(output)),
        *words,
    ]


def uv_install(work: Path, tree: Path, *words: str) -> list[str]:
    """Return the command of uv's guide for Lambda that installs the packages."""
    return [
        Setting.tool("uv"),
        *("pip", "install", "-q", "--no-installer-metadata", "--no-compile-bytecode", "--no-deps"),
        *("--only-binary", ":all:", "--python", sys.executable),
        *("--python-platform", UV_PLATFORM, "--python-version", MINOR, *words),
        *("--target", str(tree), "-r", str(work / "pinned.txt")),
    ]


def prepare(work: Path) -> Functions:
    """Lock, download for every tool, and make the zip once; `Unavailable` where that cannot be."""
    if shutil.which("zip") is None:
        raise Unavailable("zip is not installed")
    (work / "app").mkdir(parents=True)
    (work / "app" / "app.py").write_text(HANDLER, encoding="utf-8")
    lock, wheels, store = work / "pylock.toml", work / "wheels", work / "store-crossdock"
    wanted = work / "requirements.txt"
    wanted.write_text("\n".join(REQUIREMENTS) + "\n", encoding="utf-8")
    environ = {"CROSSDOCK_STORE": str(store)}
    crossdock = Setting.tool("crossdock")
    run([crossdock, "lock", str(wanted), "--for", TARGET, "-q", "-o", str(lock)], environ)
    run([crossdock, "download", str(lock), "--for", TARGET, "-q", "-d", str(wheels)], environ)
    pins = sorted("==".join(path.name.split("-")[:2]) for path in wheels.glob("*.whl"))
    (work / "pinned.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    # The downloaded files alone: what is kept of them besides is made below.
    shutil.copytree(store / "blobs", work / "store-first" / "blobs")
    made = json.loads(
        run([*lambda_command(lock, work / "app", work / "first.zip", "-q"), "--json"], environ)
    )["bundles"][0]["zips"][0]
    run(uv_install(work, work / "tree-first"), {"UV_CACHE_DIR": str(work / "uv-cache")})
    platform_file = work / "platform.json"
    run([sys.executable, "-m", "bench.complete_platform", TARGET, MINOR, str(platform_file)], {})
    builders = _builders(work)
    versions = f"{_found(['zip', '-v'], ZIP)} of Info-ZIP"
    if builders is not None:
        say = "from importlib.metadata import version as v; print(v('aws-lambda-builders'), 'with pip', v('pip'))"
        versions += f", aws-lambda-builders {run([builders, '-c', say], {}).strip()}"
    return Functions(
        work=work,
        packages=len(pins),
        files=made["files"],
        unzipped=made["unzipped"],
        zipped=made["size"],
        builders=builders,
        versions=versions,
    )


def _builders(work: Path) -> str | None:
    """Make an environment with aws-lambda-builders, of the runtime's Python, and let its pip have all wheels as files.

    It first asks pip for wheels for this machine, and then for the target's where those do not fit.
    """
    try:
        python = find_python(PYTHON, os.environ)
    except BuildError:
        return None
    run([python, "-m", "venv", str(work / "builders")], {})
    inside = str(work / "builders" / "bin" / "python")
    pip = [inside, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "install", "-q", "--upgrade", "pip", "aws-lambda-builders"], {})
    run([*pip, "download", "-q", "-d", str(work / "wheels"), "-r", str(work / "pinned.txt")], {})
    return inside


def _found(argv: list[str], pattern: re.Pattern[str]) -> str:
    found = pattern.search(run(argv, {}))
    return found.group() if found else argv[0]


def run(argv: list[str], environ: Mapping[str, str]) -> str:
    """Run a command of the preparation and return what it prints."""
    return subprocess.run(
        argv,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
