"""Real wheels and source distributions from the configured index: strict must not mean unusable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossdock.archive.sdist import Sdist
from crossdock.archive.wheel import Wheel
from crossdock.net.http import Http
from crossdock.net.index import Index
from crossdock.net.settings import default_index, http_settings, load_settings
from crossdock.safepath import PathRules

pytestmark = [pytest.mark.index, pytest.mark.slow]

PLATFORMS = {
    "manylinux_2_28_x86_64": ["numpy", "lxml", "cryptography", "pyyaml", "psycopg2-binary", "protobuf", "debugpy"],
    "manylinux_2_28_aarch64": ["numpy", "pandas", "grpcio", "pillow", "cffi"],
    "musllinux_1_2_x86_64": ["lxml", "markupsafe", "pydantic-core"],
    "macosx_11_0_arm64": ["matplotlib", "orjson", "uvloop"],
    "win_amd64": ["pywin32", "numpy", "debugpy", "protobuf", "psycopg2-binary"],
    "any": ["boto3", "botocore", "setuptools", "pip", "wheel", "django", "six", "requests", "click", "awscli",
            "pytz", "tzdata", "argcomplete", "supervisor", "sqlalchemy", "black", "jinja2"],
}  # fmt: skip
OLD = ["PyQt5==5.15.2", "PyYAML==5.4.1", "docutils==0.15", "Django==1.11", "six==1.10.0", "numpy==1.19.3"]


def download(directory: Path, requirements: list[str], *options: str) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "-d", directory, *options, *requirements], check=True, timeout=600)
    return sorted(directory.glob("*.whl"))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_popular_wheels_open_and_every_file_of_them_is_read(platform: str, tmp_path: Path) -> None:
    linux = platform.startswith("manylinux")
    older = (
        [platform.replace("_2_28", "_2_27"), platform.replace("manylinux_2_28", "manylinux2014")]
        if linux
        else []
    )
    options = [word for name in [platform, *older] for word in ("--platform", name)]
    wheels = download(tmp_path, PLATFORMS[platform], "--python-version", "3.12", *options)
    assert len(wheels) == len(PLATFORMS[platform])
    check(wheels)


def test_old_wheels_with_their_oddities_open(tmp_path: Path) -> None:
    platforms = ["manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64", "any"]
    options = [word for name in platforms for word in ("--platform", name)]
    wheels = download(tmp_path, OLD, "--python-version", "3.9", *options)
    assert len(wheels) == len(OLD)
    check(wheels)


def check(wheels: list[Path]) -> None:
    for path in wheels:
        with Wheel.open(path.read_bytes(), path.name, rules=PathRules.ANY) as wheel:
            for file in wheel.files:
                for _ in wheel.stream(file):
                    pass


NATIVE = ["markupsafe", "pyyaml", "netifaces", "contourpy", "lxml", "cryptography", "psutil", "cffi", "bcrypt",
          "frozenlist", "msgpack", "greenlet", "psycopg2", "pycrypto"]  # fmt: skip
PURE = ["requests", "click", "docopt", "six", "future", "langdetect", "sgmllib3k", "jinja2", "termcolor", "black",
        "mypy", "setuptools", "pip", "flask"]  # fmt: skip


@pytest.fixture(scope="module")
def index() -> tuple[Index, Http]:
    from uv import find_uv_bin

    settings = load_settings(os.environ, project=None)
    url = default_index(Path(find_uv_bin()), python=Path(sys.executable), settings=settings)
    http = Http(http_settings(settings))
    return Index(http, [url]), http


@pytest.mark.parametrize("name", NATIVE + PURE)
def test_popular_source_distributions_open_and_tell_whether_they_compile(
    name: str, index: tuple[Index, Http]
) -> None:
    files, http = index
    offered = [one for one in files.files(name) if one.filename.endswith((".tar.gz", ".zip"))]
    newest = max(offered, key=lambda one: one.upload_time or "")
    body = http.get(newest.url, limit=64 << 20).body
    with Sdist.open(body, newest.filename) as sdist:
        assert bool(sdist.native_sources) == (name in NATIVE), sdist.native_sources
        assert sum(1 for _, chunks in sdist.contents() for _ in [b"".join(chunks)]) == len(sdist.files)
