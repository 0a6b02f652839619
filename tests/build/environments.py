"""Environments of builds on an index of the test's own, made by the real uv."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import uv
from tests.support.index import LoopbackIndex

from crossdock.build.backend import BuildTools
from crossdock.build.environment import Environment, host_python
from crossdock.build.model import World
from crossdock.errors import BuildError
from crossdock.net.http import Http, HttpSettings
from crossdock.net.index import Index
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Place:
    """A world whose only index serves the wheels of `wheels`."""

    root: Path
    wheels: Path
    index: LoopbackIndex
    world: World

    def environment(self, place: str | None = None) -> Environment:
        """Make an environment that lies at `place` inside."""
        directory = self.root / "env"
        directory.mkdir()
        return Environment.make(
            directory, place or str(directory), self.world.tools, python=host_python(sys.executable)
        )


@contextmanager
def opened(root: Path) -> Iterator[Place]:
    """Open a world with an empty index."""
    wheels = root / "wheels"
    wheels.mkdir()
    store = Store.open(root / "store", warn=pytest.fail)
    http = Http(HttpSettings(backoff=0.01, timeout=5.0))
    with LoopbackIndex(wheels) as index:
        environ = {**index.uv_environ(root / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
        world = World(
            store=store,
            tools=BuildTools(uv=uv.find_uv_bin(), uv_arguments=(), uv_environ=environ),
            http=lambda: http,
            index=lambda: Index(http, [index.url]),
            python_for=_no_python,
            archives=lambda _suite: (),
            now=0.0,
            warn=pytest.fail,
        )
        yield Place(root=root, wheels=wheels, index=index, world=world)
    store.close()


def _no_python(version: tuple[int, int], _free_threaded: bool) -> str:
    raise BuildError(f"no Python {version}", code="E-BUILD-PYTHON")
