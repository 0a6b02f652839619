"""Layers that others made: what AWS unpacks is measured and unpacked, what lies or leads elsewhere is refused."""

from __future__ import annotations

import os
import random
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from crossdock.errors import CrossdockError, ShipError
from crossdock.ship.bundle.layer_zip import layer_unzipped, unpack_layer

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH = 1 << 30
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def layer(path: Path, files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("method", METHODS)
def test_what_zip_programs_write_is_measured_and_unpacked(tmp_path: Path, method: int) -> None:
    path = layer(
        tmp_path / "l.zip", {"./python/a.py": b"x" * 5000, "bin/tool": b"#!/bin/sh\n"}, method=method
    )
    assert layer_unzipped(path, enough=ENOUGH) == 5010
    (tmp_path / "opt").mkdir()
    unpack_layer(path, tmp_path / "opt")
    assert (tmp_path / "opt" / "python" / "a.py").read_bytes() == b"x" * 5000


def test_links_inside_stay_links(tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lib/libz.so.1", b"ELF")
        archive.writestr(link("lib/libz.so"), "libz.so.1")
    assert layer_unzipped(path, enough=ENOUGH) == 3 + len("libz.so.1")
    (tmp_path / "opt").mkdir()
    unpack_layer(path, tmp_path / "opt")
    assert (tmp_path / "opt" / "lib" / "libz.so").readlink().as_posix() == "libz.so.1"
    assert (tmp_path / "opt" / "lib" / "libz.so").read_bytes() == b"ELF"


def test_a_later_layer_replaces_what_an_earlier_one_has(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    for content in (b"old", b"new"):
        unpack_layer(layer(tmp_path / "l.zip", {"python/a.py": content}), tmp_path / "opt")
    assert (tmp_path / "opt" / "python" / "a.py").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../up", "/etc/up", "a/../../up", "..\\up"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = layer(tmp_path / "l.zip", {name: b"x"})
    (tmp_path / "opt").mkdir()
    for call in (lambda: layer_unzipped(path, enough=ENOUGH), lambda: unpack_layer(path, tmp_path / "opt")):
        with pytest.raises(ShipError, match="leads out"):
            call()
    assert not list((tmp_path / "opt").iterdir())
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("target", ["../../outside", "/etc"])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link("python/away"), target)
        archive.writestr("python/away/file", b"x")
    (tmp_path / "opt").mkdir()
    with pytest.raises(ShipError, match="leads out"):
        unpack_layer(path, tmp_path / "opt")


def test_a_file_in_the_place_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    unpack_layer(layer(tmp_path / "a.zip", {"python/pkg/a.py": b""}), tmp_path / "opt")
    with pytest.raises(ShipError, match="over the layers before it"):
        unpack_layer(layer(tmp_path / "b.zip", {"python/pkg": b""}), tmp_path / "opt")


def test_a_zip_that_lies_about_its_sizes_is_found_out(tmp_path: Path) -> None:
    path = layer(tmp_path / "l.zip", {"python/a": bytes(1 << 20)})
    raw = path.read_bytes()
    size = (1 << 20).to_bytes(4, "little")
    assert raw.count(size) == 2
    path.write_bytes(raw.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ShipError) as caught:
        layer_unzipped(path, enough=ENOUGH)
    assert caught.value.code == "E-BUNDLE-LAYER"


def test_what_says_itself_that_it_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = layer(tmp_path / "l.zip", {"a": b"x" * 100}, method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"y" * 100))
    assert layer_unzipped(path, enough=99) == 100
    with pytest.raises(ShipError, match="cannot be read"):
        layer_unzipped(path, enough=100)


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_bytes(b"not a zip")
    os.mkfifo(tmp_path / "pipe.zip")
    for name in ("text.zip", "pipe.zip", "absent.zip"):
        with pytest.raises(ShipError) as caught:
            layer_unzipped(tmp_path / name, enough=ENOUGH)
        assert caught.value.code == "E-BUNDLE-LAYER"


def read(path: Path, directory: Path) -> None:
    """Measure and unpack a layer; whatever it holds, nothing but our own refusals may come out."""
    directory.mkdir()
    for call in (lambda: layer_unzipped(path, enough=ENOUGH), lambda: unpack_layer(path, directory)):
        try:
            call()
        except CrossdockError as error:
            assert error.code == "E-BUNDLE-LAYER"  # noqa: PT017  # a damage that changes nothing is fine


@pytest.mark.parametrize("method", METHODS)
def test_damage_anywhere_is_a_refusal_and_no_traceback(tmp_path: Path, method: int) -> None:
    text = b"".join(b"line %d of a module\n" % number for number in range(60))
    path = layer(tmp_path / "l.zip", {"python/a.py": text, "python/b.py": text * 2}, method=method)
    good, chance = path.read_bytes(), random.Random(method)
    for number in range(400):
        raw = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        if number % 5 == 0:
            del raw[chance.randrange(len(raw)) :]
        path.write_bytes(raw)
        read(path, tmp_path / str(number))


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_damaged_member_is_named(tmp_path: Path, method: int) -> None:
    path = layer(tmp_path / "l.zip", {"python/a.py": bytes(range(256)) * 40}, method=method)
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].compress_size
    raw, at = bytearray(path.read_bytes()), 30 + len("python/a.py")
    raw[at + 4 : at + size] = b"\xff" * (size - 4)
    path.write_bytes(raw)
    for call in (lambda: layer_unzipped(path, enough=ENOUGH), lambda: unpack_layer(path, tmp_path)):
        with pytest.raises(ShipError, match=r"`python/a.py` cannot be read: .") as caught:
            call()
        assert caught.value.code == "E-BUNDLE-LAYER"


def test_links_that_go_round_or_have_no_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link("python/round"), "round")
        archive.writestr("python/round/file", b"x")
    read(path, tmp_path / "one")
    with pytest.raises(ShipError) as caught:
        unpack_layer(path, tmp_path)
    assert caught.value.code == "E-BUNDLE-LAYER"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link("python/nul"), "a\0b")
    with pytest.raises(ShipError, match="leads out"):
        unpack_layer(path, tmp_path)
