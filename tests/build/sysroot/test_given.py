"""A directory with the target's libraries, given by the user."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf
from tests.build.sysroot.test_found import NO_SETTINGS, TRIPLET, linux, world_of

from crossdock.build.sysroot import find_sysroot
from crossdock.build.sysroot.given import _digest
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr/include").mkdir(parents=True)
    (root / f"usr/lib/{TRIPLET}").mkdir(parents=True)
    (root / f"usr/lib/{TRIPLET}/libz.so").write_bytes(elf(soname="libz.so.1"))
    return root


def test_it_serves_packages_that_nobody_knows_and_no_mirror_is_asked(tmp_path: Path, root: Path) -> None:
    world = world_of(tmp_path, pytest.fail, sysroot=root)
    sysroot = find_sysroot("no-such-package", linux(), NO_SETTINGS, world)
    assert sysroot is not None
    assert (sysroot.directory, sysroot.triplet, sysroot.floor) == (root, TRIPLET, None)


def test_the_settings_of_a_package_come_first(tmp_path: Path, root: Path) -> None:
    world = world_of(tmp_path, pytest.fail, sysroot=tmp_path / "nowhere")
    sysroot = find_sysroot("psycopg2", linux(), replace(NO_SETTINGS, sysroot=str(root)), world)
    assert sysroot is not None
    assert sysroot.directory == root


def test_its_digest_is_of_what_is_in_it(tmp_path: Path, root: Path) -> None:
    world = world_of(tmp_path, pytest.fail, sysroot=root)
    first = find_sysroot("x", linux(), NO_SETTINGS, world)
    again = find_sysroot("x", linux(), NO_SETTINGS, world)
    (root / "usr/include/new.h").write_text("int x;\n")
    changed = find_sysroot("x", linux(), NO_SETTINGS, world)
    assert first is not None
    assert again is not None
    assert changed is not None
    assert first.digest == again.digest != changed.digest


def test_its_c_library_tells_the_floor(tmp_path: Path, root: Path) -> None:
    said = b"GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.\n"
    (root / f"usr/lib/{TRIPLET}/libc.so.6").write_bytes(elf(soname="libc.so.6", extra=said))
    sysroot = find_sysroot("x", linux(), NO_SETTINGS, world_of(tmp_path, pytest.fail, sysroot=root))
    assert sysroot is not None
    assert sysroot.floor == (2, 31)


def test_one_of_another_machine_is_refused(tmp_path: Path, root: Path) -> None:
    (root / f"usr/lib/{TRIPLET}/libq.so").write_bytes(elf("x86_64", soname="libq.so.1"))
    with pytest.raises(BuildError, match="not for aarch64") as caught:
        find_sysroot("x", linux(), NO_SETTINGS, world_of(tmp_path, pytest.fail, sysroot=root))
    assert caught.value.code == "E-SYSROOT-DIRECTORY"
    assert any("libq.so: x86_64" in place for place in caught.value.places)


def test_one_without_headers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="neither") as caught:
        find_sysroot("x", linux(), NO_SETTINGS, world_of(tmp_path, pytest.fail, sysroot=tmp_path))
    assert caught.value.code == "E-SYSROOT-DIRECTORY"


@pytest.mark.parametrize("place", ["opt/inc/mylib.h", "System/Library/Frameworks/A.framework/A.tbd"])
def test_its_digest_covers_all_that_a_build_is_shown(root: Path, place: str) -> None:
    (root / "usr" / "include").mkdir(parents=True, exist_ok=True)
    (root / "usr" / "include" / "mylib").symlink_to("../../opt/inc")
    (root / place).parent.mkdir(parents=True)
    (root / place).write_text("one")
    before = _digest(root)
    (root / place).write_text("two")
    assert _digest(root) != before
