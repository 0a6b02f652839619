"""Debian itself, from the mirror that apt is set up with on this machine: the one place that knows its name."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.ship.image.debian.test_base import target

from crossdock.net.debian.sources import (
    Archive,
    archives_for,
    archives_of,
    parse_deb822_sources,
    parse_sources_list,
)
from crossdock.net.http import Http
from crossdock.oci.model import Platform
from crossdock.ship.image.debian.base import debian_base
from crossdock.store import Store

if TYPE_CHECKING:
    from crossdock.ship.image.model import BaseImage

pytestmark = [pytest.mark.index, pytest.mark.slow]

SUITE = "bookworm"
PROBE = """
import bz2, ctypes, decimal, hashlib, lzma, sqlite3, ssl, sys, uuid, venv, zlib, zoneinfo
context = ssl.create_default_context()
context.load_default_certs()
assert len(context.get_ca_certs()) > 100
assert zoneinfo.ZoneInfo("Europe/Berlin").key
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert ctypes.CDLL("libc.so.6").getpid() > 0
assert lzma.decompress(lzma.compress(b"x")) == bz2.decompress(bz2.compress(b"x")) == b"x"
print(*sys.version_info[:2])
"""


def machine_archives() -> list[Archive]:
    apt = Path("/etc/apt")
    entries = []
    for path in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        entries += parse_sources_list(path.read_text("utf-8")) if path.is_file() else []
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        entries += parse_deb822_sources(path.read_text("utf-8"))
    return archives_for(SUITE, archives_of(entries, lambda path: Path(path).read_bytes()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[BaseImage, Path]]:
    archives = machine_archives()
    if not archives:
        pytest.skip(f"SKIPPED: apt is not set up for {SUITE} on this machine")
    found = {}
    for architecture in ("amd64", "arm64"):
        folder = tmp_path_factory.mktemp(architecture)
        base, _packages = debian_base(
            f"debian:{SUITE}",
            target(f"linux/{architecture}"),
            Platform.parse(f"linux/{architecture}"),
            archives=archives,
            http=Http(),
            store=Store.open(folder / "store", warn=pytest.fail),
            now=time.time(),
            pinned=None,
            warn=pytest.fail,
        )
        root = folder / "root"
        root.mkdir()
        for layer in base.layers:
            plain = gzip.decompress(b"".join(layer.source.chunks()))
            with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
                archive.extractall(root, filter="fully_trusted")
        found[architecture] = (base, root)
    return found


def test_what_a_suite_s_base_is(made: dict[str, tuple[BaseImage, Path]]) -> None:
    for base, root in made.values():
        assert [layer.title.split()[-1] for layer in base.layers] == ["system", "python"]
        assert sum(layer.descriptor.size for layer in base.layers) < 25_000_000
        assert not [path for path in root.rglob("*") if path.is_symlink() and _leads_nowhere(root, path)]
        assert (root / "usr/share/doc/libc6/copyright").is_file()
        assert not (root / "usr/share/man").exists()


def _leads_nowhere(root: Path, path: Path) -> bool:
    """Follow a link as it would lead in the image."""
    for _ in range(10):
        if not path.is_symlink():
            return not path.exists()
        goal = path.readlink()
        path = root / goal.relative_to("/") if goal.is_absolute() else path.parent / goal
    return True


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="SKIPPED: bubblewrap is not installed")
def test_python_runs_on_this_machine(made: dict[str, tuple[BaseImage, Path]]) -> None:
    assert _run(made["amd64"][1], ()) == "3 11\n"


@pytest.mark.emulation
@pytest.mark.skipif(
    shutil.which("bwrap") is None or shutil.which("qemu-aarch64-static") is None,
    reason="SKIPPED: bubblewrap or qemu is not installed",
)
def test_python_runs_on_arm(made: dict[str, tuple[BaseImage, Path]]) -> None:
    root = made["arm64"][1]
    shutil.copy(str(shutil.which("qemu-aarch64-static")), root / "tmp/qemu")
    assert _run(root, ("/tmp/qemu",)) == "3 11\n"


def _run(root: Path, before: tuple[str, ...]) -> str:
    inside = [
        "--bind",
        str(root),
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--clearenv",
        "--unshare-user",
        "--uid",
        "65532",
    ]
    command = ["bwrap", *inside, *before, "/usr/bin/python3", "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
