"""Writing and syncing a directory."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossdock.errors import ShipError
from crossdock.ship.kept import FIXED_MTIME
from crossdock.ship.receipt import Receipt
from crossdock.ship.tree import RECEIPT, DamagedSourceError, LinkMode, PlacedFile, TreeChange, write_tree

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Store:
    """Contents by hash, as unpacked wheels hold them."""

    directory: Path

    def place(
        self, _path: str, content: bytes, *, executable: bool = False, shareable: bool = True
    ) -> PlacedFile:
        digest = hashlib.sha256(content).hexdigest()
        source = self.directory / (digest + ("x" if executable else ""))
        if not source.exists():
            source.write_bytes(content)
            source.chmod(0o755 if executable else 0o644)
            os.utime(source, (FIXED_MTIME, FIXED_MTIME))
        return PlacedFile(digest, len(content), executable, str(source), shareable)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    directory = tmp_path / "store"
    directory.mkdir()
    return Store(directory)


def receipt_of(store: Store, placed: Mapping[str, PlacedFile]) -> PlacedFile:
    content = Receipt(target="t", files={path: entry.sha256 for path, entry in placed.items()}).to_bytes()
    return store.place(RECEIPT, content, shareable=False)


def write(root: Path, store: Store, files: Mapping[str, bytes], mode: LinkMode = LinkMode.AUTO) -> TreeChange:
    placed = {path: store.place(path, content) for path, content in files.items()}
    return write_tree(root, placed, receipt_of(store, placed), mode=mode)


def content_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != RECEIPT
    }


def test_a_new_directory_holds_exactly_the_files(tmp_path: Path, store: Store) -> None:
    change = write(tmp_path / "out", store, {"a/b.py": b"1", "c.py": b"2"})
    assert content_of(tmp_path / "out") == {"a/b.py": b"1", "c.py": b"2"}
    assert change == TreeChange(2, 0, 0)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_empty_directory_is_filled(tmp_path: Path, store: Store) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", store, {"a.py": b"1"})
    assert content_of(tmp_path / "out") == {"a.py": b"1"}


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o027])
def test_modes_and_dates_tell_nothing_of_the_host(tmp_path: Path, store: Store, umask: int) -> None:
    before = os.umask(umask)
    try:
        placed = {
            "d/e/x": store.place("d/e/x", b"x", executable=True),
            "d/y": store.place("d/y", b"y"),
            "z": store.place("z", b"z", shareable=False),
        }
        write_tree(tmp_path / "out", placed, receipt_of(store, placed))
    finally:
        os.umask(before)
    root = tmp_path / "out"
    modes = {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in root.rglob("*")}
    assert modes == {"d": 0o755, "d/e": 0o755, "d/e/x": 0o755, "d/y": 0o644, "z": 0o644, RECEIPT: 0o644}
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert {int(p.stat().st_mtime) for p in root.rglob("*") if p.is_file()} == {FIXED_MTIME}


def test_package_files_are_links_and_data_files_are_copies(tmp_path: Path, store: Store) -> None:
    shared = store.place("a.py", b"1")
    own = store.place("etc/a.conf", b"2", shareable=False)
    placed = {"a.py": shared, "etc/a.conf": own}
    write_tree(tmp_path / "out", placed, receipt_of(store, placed))
    assert (tmp_path / "out/a.py").stat().st_nlink == 2
    assert (tmp_path / "out/etc/a.conf").stat().st_nlink == 1


def test_copy_mode_shares_nothing_with_the_store(tmp_path: Path, store: Store) -> None:
    write(tmp_path / "out", store, {"a.py": b"1"}, mode=LinkMode.COPY)
    assert (tmp_path / "out/a.py").stat().st_nlink == 1


def test_sync_removes_what_is_no_longer_locked_and_keeps_the_rest(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1", "old/b.py": b"2", "old/c/d.py": b"3"})
    inode = (root / "a.py").stat().st_ino
    change = write(root, store, {"a.py": b"1", "new/b.py": b"4"})
    assert change == TreeChange(1, 1, 2)
    assert content_of(root) == {"a.py": b"1", "new/b.py": b"4"}
    assert not (root / "old").exists()
    assert (root / "a.py").stat().st_ino == inode


def test_sync_touches_nothing_foreign(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"pkg/a.py": b"1"})
    (root / "pkg/mine.txt").write_bytes(b"mine")
    (root / "app.py").write_bytes(b"app")
    write(root, store, {"other.py": b"2"})
    assert content_of(root) == {"app.py": b"app", "other.py": b"2", "pkg/mine.txt": b"mine"}


def test_a_foreign_file_in_the_way_is_named_and_nothing_changes(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1"})
    (root / "b.py").write_bytes(b"mine")
    with pytest.raises(ShipError) as caught:
        write(root, store, {"b.py": b"2", "c.py": b"3"})
    assert caught.value.code == "E-SHIP-FOREIGN"
    assert caught.value.places == ("b.py",)
    assert content_of(root) == {"a.py": b"1", "b.py": b"mine"}


def test_an_edited_file_of_ours_is_restored(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1"}, mode=LinkMode.COPY)
    (root / "a.py").write_bytes(b"edited")
    write(root, store, {"a.py": b"1"}, mode=LinkMode.COPY)
    assert content_of(root) == {"a.py": b"1"}


def test_a_file_may_become_a_directory_and_back(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a": b"1"})
    write(root, store, {"a/b.py": b"2"})
    assert content_of(root) == {"a/b.py": b"2"}
    write(root, store, {"a": b"3"})
    assert content_of(root) == {"a": b"3"}


def test_a_replaced_source_takes_its_bytecode_along(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1", "b.py": b"1"})
    cache = root / "__pycache__"
    cache.mkdir()
    for name in ("a.cpython-312.pyc", "b.cpython-312.pyc"):
        (cache / name).write_bytes(b"old")
    write(root, store, {"a.py": b"2", "b.py": b"1"})
    assert [path.name for path in cache.iterdir()] == ["b.cpython-312.pyc"]


def test_links_planted_in_the_directory_are_not_followed(tmp_path: Path, store: Store) -> None:
    root, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_bytes(b"precious")
    write(root, store, {"first.py": b"1"})
    (root / "pkg").symlink_to(outside)
    with pytest.raises(ShipError) as caught:
        write(root, store, {"pkg/a.py": b"evil"})
    assert caught.value.code == "E-SHIP-FOREIGN"
    assert (outside / "a.py").read_bytes() == b"precious"


def test_removal_does_not_go_through_a_planted_link(tmp_path: Path, store: Store) -> None:
    root, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_bytes(b"precious")
    write(root, store, {"pkg/a.py": b"1"})
    (root / "pkg/a.py").unlink()
    (root / "pkg").rmdir()
    (root / "pkg").symlink_to(outside)
    write(root, store, {"b.py": b"2"})
    assert (outside / "a.py").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../evil"])
def test_a_receipt_that_names_files_outside_is_refused(tmp_path: Path, store: Store, name: str) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1"})
    (tmp_path / "evil").write_bytes(b"precious")
    (root / RECEIPT).write_text(json.dumps({"files": {name: "00"}}))
    with pytest.raises(ShipError) as caught:
        write(root, store, {"a.py": b"1"})
    assert caught.value.code == "E-SHIP-RECEIPT"
    assert (tmp_path / "evil").read_bytes() == b"precious"


def test_a_file_instead_of_the_directory_is_refused(tmp_path: Path, store: Store) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(ShipError) as caught:
        write(tmp_path / "out", store, {"a.py": b"1"})
    assert caught.value.code == "E-SHIP-NOT-A-DIRECTORY"


def test_a_failure_leaves_nothing_behind(tmp_path: Path, store: Store) -> None:
    placed = {
        "a.py": store.place("a.py", b"1"),
        "b.py": PlacedFile("0" * 64, 1, False, "/nowhere/at/all", True),
    }
    with pytest.raises(DamagedSourceError):
        write_tree(tmp_path / "out", placed, receipt_of(store, placed))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("mode", [LinkMode.AUTO, LinkMode.COPY])
@pytest.mark.parametrize("edit", ["append", "same size"])
def test_a_file_of_the_store_that_was_edited_is_not_shipped(
    tmp_path: Path, store: Store, mode: LinkMode, edit: str
) -> None:
    placed = {"a.py": store.place("a.py", b"1")}
    with Path(placed["a.py"].source).open("r+b") as file:
        file.write(b"2" if edit == "same size" else b"22")
    with pytest.raises(DamagedSourceError):
        write_tree(tmp_path / "out", placed, receipt_of(store, placed), mode=mode)
    assert not (tmp_path / "out").exists()


def test_a_sync_that_was_cut_short_is_finished_by_the_next(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1", "b.py": b"2"})
    from crossdock.ship import sync
    from crossdock.ship.tree import put as real

    calls: list[str] = []

    def put(path: str, entry: PlacedFile, mode: LinkMode) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(path, entry, mode)

    monkeypatch.setattr(sync, "put", put)
    with pytest.raises(KeyboardInterrupt):
        write(root, store, {"c.py": b"3", "d.py": b"4", "e.py": b"5"})
    monkeypatch.undo()
    write(root, store, {"c.py": b"3", "d.py": b"4", "e.py": b"5"})
    assert content_of(root) == {"c.py": b"3", "d.py": b"4", "e.py": b"5"}


def names_in(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*")}


def test_a_file_that_is_the_stores_own_link_already_leaves_no_second_name(
    tmp_path: Path, store: Store
) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1"})
    (root / RECEIPT).write_text(json.dumps({"target": "unfinished", "files": {"a.py": ""}}))
    write(root, store, {"a.py": b"1"})
    assert names_in(root) == {"a.py", RECEIPT}


def test_back_to_the_first_after_a_sync_that_was_killed_gives_the_first(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossdock.ship import sync
    from crossdock.ship.tree import put as real

    root = tmp_path / "out"
    first = {f"m{number}.py": b"1" for number in range(9)}
    second = dict.fromkeys(first, b"2")
    write(root, store, first)
    calls: list[str] = []

    def put(path: str, entry: PlacedFile, mode: LinkMode) -> None:
        calls.append(path)
        if len(calls) == 5:
            raise KeyboardInterrupt
        real(path, entry, mode)

    monkeypatch.setattr(sync, "put", put)
    with pytest.raises(KeyboardInterrupt):
        write(root, store, second)
    monkeypatch.undo()
    assert b"2" in content_of(root).values()
    write(root, store, first)
    assert content_of(root) == first


def test_nothing_is_removed_before_all_that_shall_come_is_there(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1"})
    placed = {"b.py": PlacedFile("0" * 64, 1, False, "/nowhere/at/all", True)}
    with pytest.raises(DamagedSourceError):
        write_tree(root, placed, receipt_of(store, placed))
    assert content_of(root) == {"a.py": b"1"}


def test_what_the_user_edited_is_left_alone_when_it_is_no_longer_wanted(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    write(root, store, {"a.py": b"1", "b.py": b"2"}, mode=LinkMode.COPY)
    (root / "a.py").write_bytes(b"mine")
    change = write(root, store, {"c.py": b"3"})
    assert change == TreeChange(1, 0, 1, ("a.py",))
    assert content_of(root) == {"a.py": b"mine", "c.py": b"3"}


def test_a_planted_receipt_does_not_take_the_users_files_away(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    root.mkdir()
    (root / "precious.py").write_bytes(b"mine")
    (root / RECEIPT).write_text(json.dumps({"files": {"precious.py": "0" * 64}}))
    write(root, store, {"a.py": b"1"})
    assert content_of(root) == {"a.py": b"1", "precious.py": b"mine"}


def test_the_directory_itself_may_be_empty_and_keeps_its_mode(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "out"
    root.mkdir(mode=0o700)
    inode = root.stat().st_ino
    write(root, store, {"a.py": b"1"})
    assert (root.stat().st_ino, stat.S_IMODE(root.stat().st_mode)) == (inode, 0o700)
    assert content_of(root) == {"a.py": b"1"}


def test_the_directory_may_be_a_link_to_one(tmp_path: Path, store: Store) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    write(tmp_path / "out", store, {"a.py": b"1"})
    assert (tmp_path / "out").is_symlink()
    assert content_of(tmp_path / "real") == {"a.py": b"1"}
