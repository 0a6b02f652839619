"""Whose directory it is: what `crossdock mirror` takes for a wheelhouse, and what it never removes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_mirror import ALL, consistent, contents, locked, mirror
from tests.cli.world import names_below, tree_of

from crossdock.ship.wheelhouse.directory import MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.world import World

__all__ = ["locked"]


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")


@pytest.mark.parametrize(
    "names",
    [
        ["files/thesis.tex"],
        ["files/demo/demo-1.0-py3-none-any.whl", "simple/demo/index.html"],
        ["simple/index.html"],
        [".notes.crossdock"],
        [".crossdock-import-abcdefgh"],
        [".crossdock-import-mine/1"],
        [f"not{MARKER}"],
        [f"{MARKER}/1"],
    ],
)
@pytest.mark.parametrize("words", [["pylock.toml", *ALL], []], ids=["a lock", "tidying"])
def test_a_directory_that_looks_like_a_begun_wheelhouse_is_left_alone(
    locked: World, names: list[str], words: list[str]
) -> None:
    mine = locked.work / "mine"
    put(mine, *names)
    before = tree_of(mine)
    locked.refused("mirror", *words, "-o", "mine", "--prune", code="E-WHEELHOUSE-FOREIGN")
    assert tree_of(mine) == before


def test_a_delta_is_not_unpacked_in_a_directory_of_somebody_else(locked: World) -> None:
    mirror(locked, "--delta", "all.tar")
    put(locked.work / "mine", "files/thesis.tex")
    before = tree_of(locked.work / "mine")
    locked.refused("mirror", "import", "all.tar", "-o", "mine", "--prune", code="E-WHEELHOUSE-FOREIGN")
    assert tree_of(locked.work / "mine") == before


def test_what_runs_leave_before_they_mark_a_directory_is_no_hindrance(locked: World) -> None:
    root = locked.work / "wh"
    put(root, ".crossdock.lock", f".{MARKER}.4711.crossdock", ".crossdock-import-a_b2cd3e/17")
    mirror(locked, "--prune")
    assert {path for path in names_below(root) if path.startswith(".")} == {MARKER}
    consistent(root)


@pytest.mark.parametrize("manifest", [True, False], ids=["whole", "without its manifest"])
def test_only_what_has_one_of_our_forms_is_swept(locked: World, *, manifest: bool) -> None:
    root = mirror(locked)
    whole = contents(root)
    if not manifest:
        (root / "manifest.json").unlink()
    ours = [
        "files/lib/lib-0.1-py3-none-any.whl",
        "files/lib/lib-0.1-py3-none-any.whl.metadata",
        "files/old/old-1.tar.gz",
        "files/lib/.lib-0.1-py3-none-any.whl.12.crossdock",
        "simple/old/index.html",
        "simple/old/index.json",
        "simple/lib/.index.html.12.crossdock",
        "simple/.index.json.12.crossdock",
        ".manifest.json.12.crossdock",
        ".pylock.other.toml.12.crossdock",
        ".crossdock-import-abcdefgh/12",
    ]
    theirs = [
        "README.md",
        "files/README.md",
        "files/lib/README.md",
        "files/lib/deeper/lib-0.1-py3-none-any.whl",
        "files/Not_A_Project/lib-0.1-py3-none-any.whl",
        "files/lib-0.1-py3-none-any.whl",
        "simple/robots.txt",
        "simple/lib/style.css",
        ".notes.crossdock",
        ".notes.12.crossdock",
        "pylock.mine.toml",
        ".crossdock-import-abcdefgh/notes",
    ]
    put(root, *ours, *theirs)
    mirror(locked, "--prune")
    assert set(names_below(root)) == {name for name, what in whole.items() if what != "directory"} | {*theirs}
    for name in theirs:
        assert (root / name).read_text() == "mine"


def test_links_lead_to_nothing_that_is_removed(locked: World) -> None:
    root = mirror(locked)
    mine = locked.work / "mine"
    put(mine, "demo-1.0-py3-none-any.whl", "index.html", "old-1.0.tar.gz", "12", "deep/x/x-1.0.tar.gz")
    (root / "files" / "demo").symlink_to(mine)
    (root / "simple" / "demo").symlink_to(mine)
    (root / ".crossdock-import-abcdefgh").symlink_to(mine)
    (root / "files" / "lib" / "lib-0.1.tar.gz").symlink_to(mine / "old-1.0.tar.gz")
    # A project that the manifest names, moved elsewhere.
    (root / "files" / "app").rename(mine / "app")
    (root / "files" / "app").symlink_to(mine / "app")
    before = tree_of(mine)
    locked.run("mirror", "-o", "wh", "--forget", "", "--prune")
    assert tree_of(mine) == before
    assert not json.loads((root / "manifest.json").read_bytes())["distributions"]


def test_a_wheelhouse_may_be_named_by_a_link(locked: World) -> None:
    (locked.work / "real").mkdir()
    (locked.work / "wh").symlink_to("real")
    mirror(locked)
    put(locked.work / "real", "files/lib/lib-0.1-py3-none-any.whl")
    mirror(locked, "--prune")
    assert not (locked.work / "real" / "files" / "lib" / "lib-0.1-py3-none-any.whl").exists()
    consistent(locked.work / "real")


def test_a_wheelhouse_of_before_gets_its_marker(locked: World) -> None:
    root = mirror(locked)
    (root / MARKER).unlink()
    assert "nothing changed" in locked.run("mirror", "pylock.toml", *ALL, "-o", "wh").stderr
    assert (root / MARKER).read_text().count("\n") == 1
    assert "crossdock" in (root / MARKER).read_text()
