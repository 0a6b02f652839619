"""What reviews of `crossdock lambda` found: files that were shipped, left out or waited for though nobody wanted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.test_lambda import ARM, modules, names

if TYPE_CHECKING:
    from tests.cli.world import World


@pytest.fixture
def locked(world: World) -> World:
    """A lock of the small application, and a directory of modules."""
    world.run("lock", "app", "--for", ARM, "-o", "pylock.toml")
    modules(world.work / "code")
    return world


# What of a project is shipped


def test_gitignore_is_not_read_and_exclude_is(locked: World) -> None:
    code = modules(
        locked.work / "code",
        {".gitignore": "secrets.env\n", "secrets.env": "KEY=1\n", ".env": "KEY=2\n", "handler.py": ""},
    )
    words = ["lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", "f.zip"]
    locked.run(*words, cwd=code)
    assert "secrets.env" in names(code / "f.zip"), "the guide says so; if this changes, so must the guide"
    assert not {".env", ".gitignore"} & set(names(code / "f.zip"))
    (code / "pyproject.toml").write_text('[tool.crossdock.lambda]\nexclude = ["secrets.env"]\n')
    (code / "pylock.toml").write_bytes((locked.work / "pylock.toml").read_bytes())
    locked.run("lambda", ".", "--for", ARM, "-o", "f.zip", cwd=code)
    assert {"handler.py"} <= set(names(code / "f.zip"))
    assert "secrets.env" not in names(code / "f.zip")


def test_a_wheelhouse_and_its_deltas_are_told_and_not_shipped(locked: World) -> None:
    code = locked.work / "code"
    words = ["lambda", "../pylock.toml", "--app", ".", "--for", ARM, "-o", "f.zip"]
    locked.run(*words, cwd=code)
    before = (code / "f.zip").read_bytes()
    mirror = ["mirror", "../pylock.toml", "--for", ARM, "-o", "wheels", "--delta", "carried.tar"]
    locked.run(*mirror, cwd=code)
    said = locked.run(*words, cwd=code).stderr
    assert (code / "f.zip").read_bytes() == before
    for name in ("wheels", "carried.tar"):
        assert f"`{name}` has the form of what crossdock writes: it is not shipped" in said
