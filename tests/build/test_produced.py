"""The wheel that a backend left is a stranger's file: of any size, or none at all."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

from crossdock.build.produced import open_produced
from crossdock.build.repair.steps import repair
from crossdock.errors import ArchiveError, BuildError
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from pathlib import Path


def test_a_wheel_is_opened_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _path: pytest.fail("was read"))
    with open_produced(make_wheel(tmp_path), "demo", rules=PathRules.POSIX) as wheel:
        assert wheel.name == "demo"


def test_a_wheel_without_end_is_not_read(tmp_path: Path) -> None:
    """A sparse file costs its maker nothing."""
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with path.open("wb") as file:
        file.truncate(6 << 30)
    job: Any = SimpleNamespace(what="demo")
    for attempt in (lambda: open_produced(path, "demo", rules=PathRules.POSIX), lambda: repair(path, job)):
        with pytest.raises(BuildError) as caught:
            attempt()
        assert caught.value.code == "E-BUILD-BACKEND"
        assert f"{6 << 30} bytes" in caught.value.places[0]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(__file__)])
def test_what_is_no_file_is_no_wheel(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    make(path)
    with pytest.raises(BuildError) as caught:
        open_produced(path, "demo", rules=PathRules.POSIX)
    assert caught.value.code == "E-BUILD-BACKEND"


def test_what_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock.archive.limits import Limits

    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(wheel_files(files={"demo.py": os.urandom(3000)})))
    monkeypatch.setattr("crossdock.build.produced.LIMITS", Limits(total_size=3000))
    with pytest.raises(ArchiveError) as caught:
        open_produced(path, "demo", rules=PathRules.POSIX)
    assert caught.value.code == "E-ZIP-LIMIT-TOTAL"
