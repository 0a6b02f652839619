"""A world for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.images import Stock, make_modules
from tests.cli.world import World, make_world, stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.images import Shop


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


@pytest.fixture(scope="session")
def image_stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """Wheels, a base and a lock for images, made once."""
    return Stock.make(tmp_path_factory.mktemp("stock"))


@pytest.fixture
def shop(image_stock: Stock, tmp_path: Path) -> Iterator[Shop]:
    """A world for `crossdock image`: an index, a lock at work, a directory of modules `app`, a base."""
    shop = image_stock.shop(tmp_path)
    make_modules(shop.work / "app")
    with shop.index:
        image_stock.write_lock(shop)
        yield shop
