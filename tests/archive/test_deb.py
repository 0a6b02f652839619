from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.debian import Member, ar, deb, hard_link, link, tar, xz

from crossdock.archive.deb import Deb, read_deb
from crossdock.archive.tarread import Kind
from crossdock.errors import ArchiveError

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = "Package: a\nVersion: 1\n"
GOOD = deb(CONTROL, [Member("usr/x", b"content")])


def read(content: bytes) -> Deb:
    return read_deb(io.BytesIO(content), "a.deb")


def code(content: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        read(content)
    return caught.value.code


def test_packages_of_every_compression_that_python_reads() -> None:
    plain = read(deb(CONTROL, [Member("usr/x", b"content")], pack=bytes, ending=""))
    packed = read(deb(CONTROL, [Member("usr/x", b"content")], pack=gzip.compress, ending=".gz"))
    assert plain == packed == read(GOOD)
    assert plain.control == CONTROL.encode()
    assert [(one.path, one.content) for one in plain.entries] == [("usr/x", b"content")]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="SKIPPED: dpkg-deb is not installed")
@pytest.mark.parametrize("compression", ["xz", "gzip", "none"])
def test_packages_that_dpkg_deb_built(tmp_path: Path, compression: str) -> None:
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: a1\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"#!/bin/sh\n")
    (root / "usr/bin/tool").chmod(0o755)
    (root / "usr/bin/other").symlink_to("tool")
    (root / "usr/bin/twin").hardlink_to(root / "usr/bin/tool")
    made = tmp_path / "a.deb"
    command = ["dpkg-deb", f"-Z{compression}", "--root-owner-group", "-b", str(root), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    found = {entry.path: entry for entry in read(made.read_bytes()).entries}
    assert found["usr/bin/tool"].executable
    assert found["usr/bin/other"].link == "tool"
    assert found["usr/bin/twin"].kind is Kind.FILE
    assert found["usr/bin/twin"].content == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"!<arch>\n", GOOD[:-9], GOOD[:100], GOOD + b"x", b"x" + GOOD, ar([("debian-binary", b"3.0\n")])],
)
def test_what_is_no_package(content: bytes) -> None:
    assert code(content).startswith(("E-DEB-", "E-TAR-"))


def parts(control: bytes, data: bytes, names: tuple[str, str] = ("control.tar.xz", "data.tar.xz")) -> bytes:
    return ar([("debian-binary", b"2.0\n"), (names[0], control), (names[1], data)])


def test_members_in_their_order_and_nothing_else() -> None:
    control, data = xz(tar([Member("control", b"x")])), xz(tar([]))
    assert code(parts(data, control, ("data.tar.xz", "control.tar.xz"))) == "E-DEB-FORMAT"
    assert code(parts(control, data, ("control.tar.xz", "data.tar.lzma"))) == "E-DEB-FORMAT"
    assert code(parts(control, data + xz(b"more"))) == "E-DEB-FORMAT"
    assert code(parts(control, data[:-12])) == "E-DEB-FORMAT"
    assert code(parts(xz(tar([])), data)) == "E-DEB-FORMAT"


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (Member("../evil", b""), "E-PATH-DOTS"),
        (Member("/etc/passwd", b""), "E-PATH-"),
        (Member("dev/null", kind=tarfile.CHRTYPE), "E-TAR-TYPE"),
        (hard_link("usr/x", "/etc/passwd"), "E-DEB-LINK"),
        (hard_link("usr/x", "../../etc/passwd"), "E-DEB-LINK"),
    ],
)
def test_members_that_escape(member: Member, expected: str) -> None:
    assert code(deb(CONTROL, [member])).startswith(expected)


def test_a_path_twice() -> None:
    assert code(deb(CONTROL, [link("usr/x", "/etc"), Member("usr/x", b"")])) == "E-DEB-TWICE"


def test_bombs_are_refused() -> None:
    control = xz(tar([Member("control", b"x" * (17 << 20))]))
    assert code(parts(control, xz(tar([])))) == "E-TAR-LIMIT-SIZE"
    bomb = lzma.compress(bytes(300 << 20), preset=0)
    assert code(parts(xz(tar([Member("control", b"x")])), bomb)).startswith(("E-DEB-LIMIT", "E-TAR-"))


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_damage_is_refused_or_harmless(place: int, change: int) -> None:
    broken = bytearray(GOOD)
    broken[place] ^= change
    with contextlib.suppress(ArchiveError):
        read(bytes(broken))
