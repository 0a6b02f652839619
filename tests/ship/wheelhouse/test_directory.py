"""A wheelhouse on a disk that says no: what is wrong is told, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossdock.errors import ShipError
from crossdock.ship.wheelhouse.directory import update
from crossdock.ship.wheelhouse.model import Manifest


def test_a_directory_that_cannot_be_looked_through_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "files" / "lib"
    closed.mkdir(parents=True)
    listing = Path.iterdir

    def listed(path: Path) -> object:
        # The tests may run as root, to whom no directory is closed.
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", listed)
    with pytest.raises(ShipError, match="files/lib`: Permission denied") as caught:
        update(tmp_path, Manifest(), Manifest(), {}, {}, sweep=True)
    assert caught.value.code == "E-SHIP-WRITE"
