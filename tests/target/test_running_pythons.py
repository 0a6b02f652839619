"""For a Python that runs, tags and markers are what packaging says inside of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tests.target.pythons import OLDEST, dump, interpreters, target_of, version_of

from crossdock.target.markers import environment
from crossdock.target.tags import wheel_tags

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def agree(command: Sequence[str]) -> None:
    found = dump(command)
    target = target_of(found)
    # The bare `linux_<arch>` is the running machine's alone: no target takes it unless asked.
    assert [str(tag) for tag in wheel_tags(target, bare_linux=True)] == list(found.tags)
    bare = f"-linux_{target.arch}"
    assert [str(tag) for tag in wheel_tags(target)] == [tag for tag in found.tags if not tag.endswith(bare)]
    assert environment(target) == found.markers


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")
@pytest.mark.parametrize("path", interpreters(), ids=str)
def test_each_python_of_this_machine(path: Path) -> None:
    version = version_of((str(path),))
    if version < OLDEST:
        pytest.skip(f"packaging does not run on Python {version[0]}.{version[1]}")
    agree([str(path)])


def test_there_is_a_python_to_compare_with() -> None:
    assert any(version_of((str(path),)) >= OLDEST for path in interpreters())


@pytest.mark.emulation
def test_debians_arm64_python_under_emulation() -> None:
    from tests.support.emulation import arm64_python

    command = arm64_python()
    assert command is not None
    agree(command)
    assert target_of(dump(command)).arch == "aarch64"
