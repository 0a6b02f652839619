"""A foreign system's files out of a small archive of Debian packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.debian import Member, SmallArchive, link
from tests.trial.worlds import means_of

from crossdock.errors import FetchError
from crossdock.trial.root import foreign_root, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.trial.means import TrialMeans


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SmallArchive]:
    with SmallArchive(tmp_path / "mirror", architecture="arm64") as small:
        small.add(
            "libc6",
            Member("lib/aarch64-linux-gnu/libc.so.6", b"\x7fELF libc", mode=0o755),
            link("lib/ld-linux-aarch64.so.1", "/lib/aarch64-linux-gnu/ld.so.6"),
            Member("etc/ld.so.conf", b"x"),
            Member("usr/share/doc/libc6/copyright", b"x"),
        )
        small.add("python3.11", Member("usr/bin/python3.11", b"\x7fELF", mode=0o755), more="Depends: libc6\n")
        small.add("unwanted", Member("usr/bin/unwanted", b"x"))
        small.publish()
        yield small


def means(directory: Path, *archives: SmallArchive, **changed: Any) -> TrialMeans:
    return means_of(directory, archives=lambda _suite: [one.archive for one in archives], **changed)


def test_the_packages_and_what_they_need_lie_below_usr(archive: SmallArchive, tmp_path: Path) -> None:
    root = foreign_root("bookworm", ["python3.11"], "arm64", means(tmp_path, archive))
    assert (root / "usr" / "bin" / "python3.11").stat().st_mode & 0o777 == 0o755
    # Merged: /lib is a link, and what a package has below it is found by both names.
    assert (root / "lib" / "aarch64-linux-gnu" / "libc.so.6").read_bytes() == b"\x7fELF libc"
    assert (root / "usr" / "lib" / "aarch64-linux-gnu" / "libc.so.6").is_file()
    # A link from the root stays inside: here it would end in this machine's own files.
    loader = root / "usr" / "lib" / "ld-linux-aarch64.so.1"
    assert str(loader.readlink()) == "../../lib/aarch64-linux-gnu/ld.so.6"
    # qemu looks here first: /etc, /tmp and /root are this machine's.
    assert {path.name for path in root.iterdir()} == {"usr", "bin", "lib", "sbin"}
    assert not (root / "usr" / "bin" / "unwanted").exists()


def test_it_is_made_once_and_found_without_a_network(archive: SmallArchive, tmp_path: Path) -> None:
    root = foreign_root("bookworm", ["python3.11"], "arm64", means(tmp_path, archive))
    asked = len(archive.asked)
    again = means(tmp_path, archive, offline=True)
    assert foreign_root("bookworm", ["python3.11"], "arm64", again) == root
    assert len(archive.asked) == asked


def test_packages_that_a_mirror_dropped_are_replaced_by_todays(archive: SmallArchive, tmp_path: Path) -> None:
    first = foreign_root("bookworm", ["libc6"], "arm64", means(tmp_path, archive))
    known = means(tmp_path, archive)
    for folder in ("trees", "blobs"):
        shutil.rmtree(known.store.root / folder)
    assert not first.exists()
    for path in (archive.root / "pool").rglob("*.deb"):
        path.unlink()
    archive.stanzas.clear()
    archive.add("libc6", Member("lib/new.so", b"new"), version="2")
    archive.publish()
    second = foreign_root("bookworm", ["libc6"], "arm64", known)
    assert (second / "usr" / "lib" / "new.so").is_file()


def test_fixes_that_are_gone_are_done_without(archive: SmallArchive, tmp_path: Path) -> None:
    fixes = SmallArchive(tmp_path / "fixes", suite="bookworm-security", architecture="arm64")
    fixes.add("libc6", Member("lib/fixed.so", b"x"), version="3")
    with fixes:
        fixes.publish()
        for path in (fixes.root / "pool").rglob("*.deb"):
            path.unlink()
        root = foreign_root("bookworm", ["libc6"], "arm64", means(tmp_path, archive, fixes))
    assert not (root / "usr" / "lib" / "fixed.so").exists()
    assert (root / "usr" / "lib" / "aarch64-linux-gnu" / "libc.so.6").is_file()


def test_what_cannot_be_had_is_refused(archive: SmallArchive, tmp_path: Path) -> None:
    asked = [
        (means(tmp_path, archive), "nothing", "E-DEBIAN-PACKAGE"),
        (means(tmp_path, archive, offline=True), "libc6", "E-FETCH-OFFLINE"),
        (means(tmp_path), "libc6", "E-DEBIAN-ARCHIVE"),
    ]
    for given, package, code in asked:
        with pytest.raises(FetchError) as caught:
            foreign_root("bookworm", [package], "arm64", given)
        assert caught.value.code == code


def test_a_damaged_root_is_not_whole(archive: SmallArchive, tmp_path: Path) -> None:
    root = foreign_root("bookworm", ["python3.11"], "arm64", means(tmp_path, archive))
    assert is_whole(root.parent)
    (root / "usr" / "bin" / "python3.11").write_bytes(b"\x7fEL")
    assert not is_whole(root.parent)
    (root / "usr" / "bin" / "python3.11").unlink()
    assert not is_whole(root.parent)
    assert not is_whole(tmp_path)
