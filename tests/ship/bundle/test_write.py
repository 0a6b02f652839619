"""The zip's bytes: what they depend on, and what is refused before a zip takes its name."""

from __future__ import annotations

import hashlib
import random
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.bundled import application, bundled
from tests.support.wheels import make_wheel

from crossdock.errors import ShipError, StoreError
from crossdock.oci.blob import FileSource
from crossdock.ship.bundle.layout import made_file, together, zip_files
from crossdock.ship.bundle.model import BundleFile
from crossdock.ship.bundle.write import write_zip

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.write import WrittenZip


@pytest.fixture
def packages(tmp_path: Path) -> list[BundledPackage]:
    wheels = [make_wheel(tmp_path, name, files={f"{name}/__init__.py": "X = 1\n" * 99}) for name in "abc"]
    return [*map(bundled, wheels), application({"app.py": "A = 1\n"})]


def test_the_order_of_packages_and_files_does_not_matter(
    tmp_path: Path, packages: list[BundledPackage]
) -> None:
    found = set()
    for seed in range(5):
        chance = random.Random(seed)
        chance.shuffle(packages)
        mixed = [replace(one, files=tuple(chance.sample(one.files, len(one.files)))) for one in packages]
        path = tmp_path / f"{seed}.zip"
        written = write_zip(path, zip_files(together(mixed)))
        assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        found.add(written.sha256)
    assert len(found) == 1


def test_a_path_that_is_not_ascii_is_marked_as_utf8(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", [made_file("é.py", b"1"), made_file("a.py", b"2")])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert [(info.filename, info.flag_bits) for info in archive.infolist()] == [
            ("a.py", 0),
            ("é.py", 0x800),
        ]


def test_large_files_of_ones_own_are_stored_and_small_ones_compressed(tmp_path: Path) -> None:
    files = []
    for name, size in (("large", 9 << 20), ("small", 1 << 20)):
        content = b"x" * size
        (tmp_path / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files.append(BundleFile(name, digest, size, executable=False, source=FileSource(tmp_path / name)))
    write_zip(tmp_path / "a.zip", files)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {info.filename: info.compress_type for info in archive.infolist()} == {"large": 0, "small": 8}


@pytest.mark.parametrize("size", [1 << 10, 9 << 20])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "one").write_bytes(b"y" * size)
    digest = hashlib.sha256(b"x" * size).hexdigest()
    file = BundleFile("one", digest, size, executable=False, source=FileSource(tmp_path / "one"))
    with pytest.raises(ShipError) as caught:
        write_zip(tmp_path / "a.zip", [file])
    assert caught.value.code == "E-APP-CHANGED"
    assert not (tmp_path / "a.zip").exists()


def test_bytes_that_are_not_those_that_were_verified_are_refused(
    tmp_path: Path, packages: list[BundledPackage]
) -> None:
    file = next(one for one in packages[0].files if one.raw is not None and one.raw.compressed)
    assert file.raw is not None
    (tmp_path / "a.zip").write_bytes(b"before")
    for raw in (file.raw._replace(check=1), file.raw._replace(blob=tmp_path / "gone")):
        with pytest.raises(StoreError) as caught:
            write_zip(tmp_path / "a.zip", [file._replace(raw=raw)])
        assert caught.value.code == "E-STORE-DAMAGED"
    assert (tmp_path / "a.zip").read_bytes() == b"before"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_who_checks_a_zip_may_keep_it_from_its_name(tmp_path: Path) -> None:
    def refuse(written: WrittenZip) -> None:
        raise ShipError(f"{written.size} bytes")

    with pytest.raises(ShipError):
        write_zip(tmp_path / "a.zip", [made_file("a.py", b"1")], check=refuse)
    assert list(tmp_path.iterdir()) == []
