"""What crossdock wrote is known by its form: wheelhouses and deltas among it, whatever they are called."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from crossdock.archive.tarwrite import TarWriter
from crossdock.build.tree import source_tree
from crossdock.ship.bundle.own_output import is_delta, own_outputs
from crossdock.ship.sources import module_files
from crossdock.ship.wheelhouse.delta import write_delta
from crossdock.ship.wheelhouse.manifest import manifest_bytes
from crossdock.ship.wheelhouse.model import Manifest

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = Manifest(distributions={}, locks={})
OURS = manifest_bytes(EMPTY)


def wheelhouse(root: Path, manifest: bytes = OURS) -> Path:
    (root / "simple" / "six").mkdir(parents=True)
    (root / "simple" / "index.html").write_text("<!DOCTYPE html>")
    (root / "files").mkdir()
    (root / "files" / "six-1.0-py3-none-any.whl").write_bytes(b"PK")
    (root / "manifest.json").write_bytes(manifest)
    return root


def shipped(root: Path) -> list[str]:
    return [entry.path for entry in module_files(root, "", skip=list(own_outputs(root)))]


def test_a_wheelhouse_is_left_out_with_or_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    wheelhouse(tmp_path / "old" / "wheels")
    marked = tmp_path / "new"
    marked.mkdir()
    (marked / ".crossdock-wheelhouse").write_text("")
    (marked / "half.whl").write_bytes(b"PK")
    assert list(own_outputs(tmp_path)) == [marked, tmp_path / "old" / "wheels"]
    assert shipped(tmp_path) == ["app.py"]
    assert [file.path for file in source_tree(tmp_path)] == ["app.py"]


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{", b'{"name": "a web app", "icons": []}', b'{"form": 1, "locks": {}}', b"[" * 100_000],
    ids=range(6),
)
def test_a_package_index_of_somebody_else_is_the_users(tmp_path: Path, manifest: bytes) -> None:
    wheelhouse(tmp_path / "site", manifest)
    assert list(own_outputs(tmp_path)) == []
    assert "site/manifest.json" in shipped(tmp_path)


def test_pages_without_a_manifest_and_a_manifest_without_pages_stay(tmp_path: Path) -> None:
    (wheelhouse(tmp_path / "a") / "manifest.json").unlink()
    (wheelhouse(tmp_path / "b") / "simple" / "index.html").unlink()
    assert {"a/simple/index.html", "b/manifest.json"} <= set(shipped(tmp_path))


@pytest.mark.parametrize("name", ["delta.tar", "carried"])
def test_a_delta_is_left_out_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "app.py").write_text("")
    write_delta(tmp_path, EMPTY, EMPTY, tmp_path / name)
    assert list(own_outputs(tmp_path)) == [tmp_path / name]
    assert shipped(tmp_path) == ["app.py"]


def tar_of(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with TarWriter(out) as tar:
        tar.add(name, content)
    return out.getvalue()


OTHERS = {
    "another first member": tar_of("index.json", OURS),
    "an image": tar_of("manifest.json", json.dumps([{"Config": "a.json"}]).encode()),
    "cut off": tar_of("manifest.json", OURS)[:512] + bytes(10_240 - 512),
    "no tar": b"manifest.json\0".ljust(10_240, b"x"),
    "empty": b"",
    "zeros": bytes(10_240),
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_other_tars_are_the_users(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    assert not is_delta(tmp_path / "x.tar")
    assert shipped(tmp_path) == ["x.tar"]


def test_a_tar_of_another_program_with_our_manifest_is_a_delta_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(OURS)
        archive.addfile(info, io.BytesIO(OURS))
    assert is_delta(tmp_path / "x.tar")


def test_links_pipes_and_other_outputs_are_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    write_delta(tmp_path, EMPTY, EMPTY, tmp_path / "env" / "delta.tar")
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "link.tar").symlink_to("env/delta.tar")
    (tmp_path / "link").symlink_to("env")
    assert list(own_outputs(tmp_path)) == []
