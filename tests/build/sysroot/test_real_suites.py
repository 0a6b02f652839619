"""Debian's own packages, from the mirror that apt is set up with on this machine."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.build.sysroot.test_found import NO_SETTINGS, TRIPLET, linux, world_of
from tests.support.mirror import require_whole_mirror

from crossdock.build.sysroot import find_sysroot, static_links
from crossdock.build.sysroot.found import debian_sysroot
from crossdock.inspect.binary import read_binary
from crossdock.net.debian.sources import (
    archives_for,
    archives_of,
    parse_deb822_sources,
    parse_sources_list,
)

if TYPE_CHECKING:
    from crossdock.build.model import Sysroot, World
    from crossdock.net.debian.sources import Archive

pytestmark = [pytest.mark.index, pytest.mark.slow]


def archives(suite: str) -> list[Archive]:
    """The archives of this machine's suite, as they are for another."""
    apt = Path("/etc/apt")
    entries = []
    for path in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        entries += parse_sources_list(path.read_text("utf-8")) if path.is_file() else []
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        entries += parse_deb822_sources(path.read_text("utf-8"))
    found = []
    for own in ("bullseye", "bookworm", "trixie"):
        found += [
            replace(one, suite=one.suite.replace(own, suite, 1), keys=())
            for one in archives_for(own, archives_of(entries, lambda _path: b""))
        ]
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    if not archives("bullseye"):
        pytest.skip("SKIPPED: apt is not set up for a release of Debian on this machine")
    return world_of(tmp_path_factory.mktemp("real"), archives, now=time.time(), warn=lambda _text: None)


def libraries(sysroot: Sysroot) -> dict[str, list[tuple[int, int]]]:
    """The versions of glibc that each shared library needs, and that all are of the target's machine."""
    found = {}
    for path in sorted((sysroot.directory / "usr/lib" / sysroot.triplet).glob("*.so.*")):
        binary = read_binary(path.read_bytes(), path.name)
        if binary is not None and not path.is_symlink():
            (image,) = binary.images
            assert image.machine == "aarch64", path
            named = [one.version.removeprefix("GLIBC_") for one in image.versions]
            found[path.name] = [
                (int(major), int(minor))
                for major, _dot, minor in (one.partition(".") for one in named)
                if major == "2" and minor.isdigit()
            ]
    return found


def test_libpq_for_arm64_runs_on_glibc_2_28_and_older(world: World) -> None:
    sysroot = find_sysroot("psycopg2", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    assert "bullseye" in sysroot.detail
    needs = libraries(sysroot)
    assert any(name.startswith("libpq.so.5") for name in needs)
    assert max(one for versions in needs.values() for one in versions) <= (2, 28)
    assert not (sysroot.directory / "usr/include/stdio.h").exists()
    assert not any(name.startswith(("libc.", "libgcc", "libstdc++")) for name in needs)
    asked = subprocess.run(
        [sysroot.directory / "usr/bin/pg_config", "--libdir", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.startswith(f"/usr/lib/{TRIPLET}\nPostgreSQL 13.")


def test_scripts_of_the_packages_themselves_are_kept(world: World) -> None:
    sysroot = find_sysroot("lxml", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    assert max(one for versions in libraries(sysroot).values() for one in versions) <= (2, 28)
    asked = subprocess.run(
        [sysroot.directory / "usr/bin/xml2-config", "--cflags"], capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "-I/usr/include/libxml2"
    assert all(path.exists() for path in sysroot.directory.rglob("*")), "a link leads nowhere"


def test_every_library_that_was_lowered_loads(world: World) -> None:
    if platform.machine() != "x86_64" or sys.platform != "linux" or not platform.libc_ver()[0]:
        pytest.skip("SKIPPED: it loads libraries of x86_64 with glibc")
    sysroot = debian_sysroot(["libfreetype-dev", "liblcms2-dev", "libxslt1-dev"], "amd64", world)
    assert len(sysroot.lowered) >= 4
    for path in sysroot.lowered:
        library = sysroot.directory / path
        done = subprocess.run(
            [sys.executable, "-c", f"import ctypes, os; ctypes.CDLL({str(library)!r}, mode=os.RTLD_NOW)"],
            env={"LD_LIBRARY_PATH": str(library.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    lcms = ctypes.CDLL(str(sysroot.directory / "usr/lib/x86_64-linux-gnu/liblcms2.so.2"))
    lcms.cmsBuildGamma.restype = ctypes.c_void_p
    lcms.cmsBuildGamma.argtypes = [ctypes.c_void_p, ctypes.c_double]
    lcms.cmsEvalToneCurveFloat.restype = ctypes.c_float
    lcms.cmsEvalToneCurveFloat.argtypes = [ctypes.c_void_p, ctypes.c_float]
    assert lcms.cmsEvalToneCurveFloat(lcms.cmsBuildGamma(None, 2.2), 0.5) == pytest.approx(0.5**2.2, 1e-3)


def test_what_pillow_links_is_static_but_for_lcms(world: World) -> None:
    sysroot = find_sysroot("pillow", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    links = static_links(sysroot, (2, 17), place=str(sysroot.directory))
    assert {"freetype", "jpeg", "openjp2", "tiff", "webp", "webpdemux", "webpmux", "z"} <= set(links)
    assert all(Path(word).is_file() for words in links.values() for word in words if word[0] == "/")


@pytest.mark.parametrize(
    ("architecture", "suite"),
    [("armhf", "bullseye"), ("ppc64el", "bookworm"), ("s390x", "bookworm"), ("riscv64", "trixie")],
)
def test_other_architectures_come_from_the_oldest_suite_that_has_them(
    world: World, architecture: str, suite: str
) -> None:
    require_whole_mirror(archives(suite)[0].mirror, suite, architecture)
    sysroot = debian_sysroot(["libyaml-dev"], architecture, world)
    assert sysroot.detail.startswith(f"Debian {suite} {architecture}: libyaml-dev 0.2")
    names = {path.name for path in (sysroot.directory / "usr/lib" / sysroot.triplet).iterdir()}
    assert {"libyaml.a", "libyaml.so"} <= names
    assert shutil.which("sh")
