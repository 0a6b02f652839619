"""The writers: bytes that depend on the input alone, read back by ours and by independent readers."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.archive.tarread import TarReader
from crossdock.archive.tarwrite import TarWriter
from crossdock.archive.zipread import ZipArchive
from crossdock.archive.zipwrite import ZipWriter
from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"a/b.py": b"x = 1\n" * 100, "a/é.txt": b"", "z" * 120 + "/" + "y" * 120: b"2", "run": b"#!/bin/sh\n"}


def zipped(files: dict[str, bytes], *, compress: bool = False) -> bytes:
    out = io.BytesIO()
    with ZipWriter(out) as archive:
        archive.add_directory("a")
        for name, content in files.items():
            archive.add(name, content, executable=name == "run", compress=compress)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with TarWriter(out) as archive:
        archive.add_directory("a")
        for name, content in files.items():
            archive.add(name, content, executable=name == "run")
        archive.add_symlink("link", "a/b.py")
    return out.getvalue()


def test_the_bytes_are_what_they_were() -> None:
    # If these change, every digest that users have recorded changes: say so in the changelog.
    assert (
        hashlib.sha256(zipped(FILES)).hexdigest()
        == "09156d7618c0e1be830120438c460eee6daadf82aa16f619852baa194527b829"
    )
    assert (
        hashlib.sha256(tarred(FILES)).hexdigest()
        == "07f4d907f27b6e756a87617064485f991824e407f0ee2a3aee9d874aef6b5ebf"
    )


@pytest.mark.parametrize("compress", [False, True])
def test_a_zip_is_read_by_us_and_by_zipfile(compress: bool) -> None:
    data = zipped(FILES, compress=compress)
    with ZipArchive.parse(data, filename="x.zip", rules=PathRules.ANY) as archive:
        assert {m.name: archive.read_bytes(m) for m in archive.members if not m.is_dir} == FILES
        assert [m.name for m in archive.members if m.executable] == ["run"]
    with zipfile.ZipFile(io.BytesIO(data)) as peer:
        assert peer.testzip() is None
        assert {info.date_time for info in peer.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in peer.infolist()} == {0o100644, 0o100755, 0o040755}


def test_compressed_bytes_go_from_zip_to_zip_as_they_are() -> None:
    source = ZipArchive.parse(zipped(FILES, compress=True), filename="x.zip")
    out = io.BytesIO()
    with ZipWriter(out) as copy:
        for member in source.members:
            if not member.is_dir:
                copy.add_raw(
                    member.name,
                    source.raw(member),
                    size=member.size,
                    crc32=member.crc32,
                    method=member.method,
                    executable=member.executable,
                )
    found = ZipArchive.parse(out.getvalue(), filename="y.zip")
    assert {m.name: found.read_bytes(m) for m in found.members} == FILES


def test_more_members_than_16_bits_count_need_zip64() -> None:
    out = io.BytesIO()
    with ZipWriter(out) as archive:
        for number in range(65_600):
            archive.add(f"f{number}", b"")
    assert len(ZipArchive.parse(out.getvalue(), filename="x.zip").members) == 65_600
    with zipfile.ZipFile(out) as peer:
        assert len(peer.namelist()) == 65_600


class Holes:
    """A file of which only the small writes are kept: 5 GiB would not fit."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}
        self.length = 0

    def write(self, data: bytes) -> None:
        if len(data) < 1 << 20:
            self.kept[self.length] = bytes(data)
        self.length += len(data)


class Claimed(bytes):
    """Bytes that say that they are 5 GiB."""

    __slots__ = ()

    def __len__(self) -> int:
        return 5 << 30


def test_sizes_and_offsets_beyond_32_bits_are_written_in_full() -> None:
    out = Holes()
    with ZipWriter(out) as archive:
        archive.add_raw("big", Claimed(), size=5 << 30, crc32=0, method=0)
        archive.add("small", b"x")
    directory = b"".join(content for place, content in out.kept.items() if place > 5 << 30)
    wide = (5 << 30).to_bytes(8, "little")
    assert wide + wide in out.kept[0]
    assert wide + wide in directory
    assert b"PK\x06\x06" in directory


@pytest.mark.parametrize("writer", [ZipWriter, TarWriter])
@pytest.mark.parametrize("names", [["../x"], ["/x"], ["a", "a"], ["a", "a/b"]])
def test_unsafe_and_colliding_names_are_not_written(
    writer: type[ZipWriter | TarWriter], names: list[str]
) -> None:
    archive = writer(io.BytesIO())
    for name in names[:-1]:
        archive.add(name, b"")
    with pytest.raises(ArchiveError):
        archive.add(names[-1], b"")


def test_a_tar_is_read_by_us_and_by_tarfile() -> None:
    data = tarred(FILES)
    reader = TarReader(io.BytesIO(data), filename="x.tar", rules=PathRules.POSIX)
    assert {m.name: reader.read() for m in reader if m.kind == "file"} == FILES
    with tarfile.open(fileobj=io.BytesIO(data)) as peer:
        members = peer.getmembers()
        found = {member.name: peer.extractfile(member) for member in members if member.isfile()}
        assert {name: handle.read() for name, handle in found.items() if handle} == FILES
        assert {member.mode for member in members} == {0o644, 0o755, 0o777}
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {
            (0, 0, "", 315532800)
        }
    assert len(data) % 10240 == 0


def test_gnu_tar_and_unzip_read_it(tmp_path: Path) -> None:
    tar, unzip = shutil.which("tar"), shutil.which("unzip")
    if not tar or not unzip:
        pytest.skip("GNU tar and unzip are not installed: apt-get install tar unzip")
    files = {name: content for name, content in FILES.items() if len(name) < 200}
    (tmp_path / "x.tar").write_bytes(tarred(files))
    (tmp_path / "x.zip").write_bytes(zipped(files, compress=True))
    for command in ([tar, "-xf", "x.tar", "-C", "t"], [unzip, "-q", "x.zip", "-d", "z"]):
        (tmp_path / command[-1]).mkdir()
        subprocess.run(command, cwd=tmp_path, check=True)
        assert (tmp_path / command[-1] / "a/b.py").read_bytes() == files["a/b.py"]
        assert (tmp_path / command[-1] / "run").stat().st_mode & 0o777 == 0o755


def test_a_file_of_another_size_than_announced_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 bytes given, 4 announced"):
        TarWriter(io.BytesIO()).add_chunks("x", [b"ab", b"c"], size=4)


NAMES = st.lists(
    st.text(alphabet="abé/._-", min_size=1, max_size=300), max_size=5, unique_by=lambda name: name.casefold()
)


@settings(max_examples=200, deadline=None)
@given(NAMES, st.binary(max_size=2000))
def test_whatever_is_written_is_read_back(names: list[str], content: bytes) -> None:
    tar, zipped_out = io.BytesIO(), io.BytesIO()
    expected = {}
    with TarWriter(tar, rules=PathRules.ANY) as one, ZipWriter(zipped_out) as other:
        for name in names:
            try:
                one.add(name, content)
            except ArchiveError:
                with pytest.raises(ArchiveError):
                    other.add(name, content)
                continue
            other.add(name, content, compress=True)
            expected[name] = content
    reader = TarReader(io.BytesIO(tar.getvalue()), filename="x.tar")
    assert {member.name: reader.read() for member in reader} == expected
    archive = ZipArchive.parse(zipped_out.getvalue(), filename="x.zip")
    assert {member.name: archive.read_bytes(member) for member in archive.members} == expected
    assert all(member.crc32 == zlib.crc32(content) for member in archive.members)
