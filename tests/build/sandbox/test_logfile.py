"""A log is a plain file: what else stands in its place is neither written nor read nor waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from crossdock.build.backend import log_tail
from crossdock.build.sandbox.logfile import open_log, read_log
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHERS: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda place, victim: place.symlink_to(victim),
    "a link to nothing": lambda place, victim: place.symlink_to(victim.with_name("new")),
    "a pipe": lambda place, _victim: os.mkfifo(place),
    "a directory": lambda place, _victim: place.mkdir(),
}


def test_a_log_is_appended_to_and_its_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in (b"one\n", b"two\n"):
        with open_log(log) as file:
            file.write(text)
    assert log.read_bytes() == b"one\ntwo\n"
    assert (read_log(log, 4), read_log(log, 99)) == (b"two\n", b"one\ntwo\n")
    assert log_tail(log, 1) == ["two"]
    assert read_log(tmp_path / "none", 4) == b""


@pytest.mark.parametrize("kind", OTHERS)
def test_what_else_stands_there_is_left_alone(tmp_path: Path, kind: str) -> None:
    log, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_text("the user's own\n")
    OTHERS[kind](log, victim)
    with pytest.raises(BuildError) as caught:
        open_log(log)
    assert caught.value.code == "E-BUILD-SANDBOX"
    assert str(log) in caught.value.places[0]
    assert read_log(log, 99) == b""
    assert victim.read_text() == "the user's own\n"
    assert not (tmp_path / "new").exists()
