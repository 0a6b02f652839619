"""A world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.world import World, make_world, stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    """An index with nothing in it."""
    world = make_world(tmp_path)
    with world.index:
        yield world


@pytest.fixture
def world(bare: World) -> World:
    """An index with a small application."""
    stock(bare.files)
    return bare
