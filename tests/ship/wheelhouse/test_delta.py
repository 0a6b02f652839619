"""Deltas of many files: what a file costs does not grow with those before it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from crossdock.ship.wheelhouse.delta import opened_delta, write_delta
from crossdock.ship.wheelhouse.directory import Source, update
from crossdock.ship.wheelhouse.model import Distribution, Manifest


def test_no_directory_is_listed_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, sources = {}, {}
    for number in range(20):
        blob = tmp_path / str(number)
        blob.write_bytes(b"x" * number)
        one = Distribution(
            name="demo",
            version=str(number),
            filename=f"demo-{number}.tar.gz",
            sha256=sha256(blob.read_bytes()).hexdigest(),
            size=number,
        )
        held[one.path], sources[one.path] = one, Source(blob=blob)
    manifest = Manifest(distributions=held)
    update(tmp_path / "wh", Manifest(), manifest, sources, {})
    write_delta(tmp_path / "wh", manifest, Manifest(), tmp_path / "all.tar")

    def listed(_path: Path) -> None:
        pytest.fail("a directory was listed")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", listed)
        with opened_delta(tmp_path / "all.tar", tmp_path / "far") as delta:
            assert {path: source.blob.read_bytes() for path, source in delta.sources.items()} == {
                path: b"x" * one.size for path, one in held.items()
            }
