"""Layers over each other give what a runtime unpacks: umoci is asked, and the specification's cases are held."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support import rawtar
from tests.support.layouts import Content, MadeLayout, layer, tar_of

from crossdock.contents.layer import EntryKind, LayerFacts, layer_facts, read_layer
from crossdock.contents.tree import Tree
from crossdock.digest import Digest
from crossdock.errors import ArchiveError, CrossdockError, ImageError
from crossdock.oci import media
from crossdock.oci.blob import BytesSource
from crossdock.oci.model import Descriptor
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from crossdock.oci.blob import BlobSource


def tree_of(*layers: Mapping[str, Content] | bytes) -> Tree:
    tree = Tree()
    for one in layers:
        tree.add(read_layer(*layer(one)))
    return tree


def paths(tree: Tree) -> set[str]:
    return {path for path, _ in tree.files()}


def test_whiteouts_hide_what_lies_below_wherever_they_stand() -> None:
    lower = {"a/x": b"1", "a/y": b"1", "b/z": b"1", "c/d/e": b"1"}
    assert paths(tree_of(lower, {"a/.wh.x": b"", "b/.wh..wh..opq": b""})) == {"a/y", "c/d/e"}
    # layer.md: files of the same layer are not hidden, whether they come before or after.
    assert paths(tree_of(lower, {"a/x": b"2", "a/.wh.x": b"", ".wh.c": b"", "c/new": b""})) == {
        "a/x", "a/y", "b/z", "c/new",
    }  # fmt: skip
    assert paths(tree_of(lower, {"b/new": b"", "b/.wh..wh..opq": b"", ".wh..wh.plnk": b""})) >= {"b/new"}
    assert paths(tree_of(lower, {".wh..wh..opq": b""})) == set()


def test_entries_go_through_links_of_lower_layers_and_replace_them_themselves() -> None:
    merged = {"usr/lib/": None, "lib": "-> usr/lib", "usr/lib/old": b"1"}
    tree = tree_of(merged, {"lib/new": b"1"})
    assert paths(tree) == {"lib", "usr/lib/old", "usr/lib/new"}
    assert tree.real_path("lib/new") == "usr/lib/new"
    # A directory's own entry takes the link's place: what was below is reached no more.
    assert paths(tree_of(merged, {"lib/": None, "lib/new": b"1"})) == {"usr/lib/old", "lib/new"}
    assert paths(tree_of(merged, {"lib/.wh.old": b""})) == {"lib"}
    assert paths(tree_of({"a/b": b"1"}, {"a": b"1"})) == {"a"}
    assert paths(tree_of({"a": b"1"}, {"a/b": b"1"})) == {"a/b"}
    assert paths(tree_of({"a": "-> nowhere"}, {"a/b": b"1"})) == {"a/b"}


def test_links_are_followed_as_the_kernel_does() -> None:
    tree = tree_of(
        {
            "a/b/file": b"1",
            "up": "-> a/b/../b/file",
            "top": "-> /a/b",
            "out": "-> ../../../a/b/file",
            "loop": "-> loop",
            "hard": "=> a/b/file",
        }
    )
    assert tree.real_path("up") == tree.real_path("top/file") == tree.real_path("out") == "a/b/file"
    assert tree.real_path("loop") is None
    assert tree.at("a/b/file/x") is None
    assert tree.at("gone") is None
    assert tree.at("hard") is tree.at("a/b/file")


def test_a_hard_link_reaches_into_lower_layers_and_must_name_a_file() -> None:
    tree = tree_of({"a/x": b"12345"}, {"b/y": "=> a/x"})
    node = tree.at("b/y")
    assert node is not None
    assert node.facts is not None
    assert node.facts.size == 5
    for target in ("gone", "a", "a/x/..", "/"):
        with pytest.raises(ImageError) as caught:
            tree_of({"a/x": b"1"}, {"b/y": f"=> {target}"})
        assert caught.value.code == "E-IMAGE-LAYER"


def _random_layer(random_: random.Random, below: set[str]) -> dict[str, Content]:
    """Entries that hit each other often: few names, two levels, links to directories and files."""
    names = ["a", "b", "c", "d"]
    found: dict[str, Content] = {}
    for _ in range(random_.randrange(1, 7)):
        top, name = random_.choice(names), random_.choice(names)
        match random_.randrange(7):
            case 0:
                found[f"{top}/"] = None
            case 1:
                found[f"{top}/.wh.{name}"] = b""
            case 2:
                found[f".wh.{top}"] = b""
            case 3:
                found[top] = f"-> {random_.choice(names)}"
            case _:
                found[f"{top}/{name}"] = str(random_.random()).encode()
    # Not decided by the specification, and umoci unlike runtimes: a path as file and directory in one layer,
    # a whiteout of what the same layer has or of what is not there.
    tops = {path.split("/")[0] for path in found if "/" in path}
    return {
        path: content
        for path, content in found.items()
        if not (path in tops and "/" not in path) and _decided(path, found, below)
    }


def _decided(path: str, found: Mapping[str, Content], below: set[str]) -> bool:
    directory, _, name = path.rpartition("/")
    if not name.startswith(".wh."):
        return True
    hidden = f"{directory}/{name[4:]}".lstrip("/")
    return hidden in below and not any(one.rstrip("/").startswith(hidden) for one in found)


@pytest.mark.parametrize("seed", range(12))
def test_umoci_unpacks_the_same_tree(seed: int, tmp_path: Path) -> None:
    random_ = random.Random(seed)
    tree, raws = Tree(), []
    for _ in range(5):
        below = {path for path, _ in tree.files()} | set(tree.root.children)
        entries = _random_layer(random_, below)
        if any(
            tree.real_path(path.partition("/")[0]) is None for path in entries if tree_has_link(tree, path)
        ):
            continue  # below a link to nothing runtimes differ
        raws.append(tar_of(entries.items()))
        tree.add(read_layer(*layer(raws[-1])))
    made = MadeLayout()
    made.listed(made.image("linux/amd64", *raws, tag="x")).write(tmp_path / "layout")
    subprocess.run(
        ["umoci", "unpack", "--rootless", "--image", f"{tmp_path / 'layout'}:x", tmp_path / "out"],
        check=True,
        capture_output=True,
    )
    assert dict(_unpacked(tmp_path / "out/rootfs")) == {
        path: node.link if node.kind is EntryKind.SYMLINK else node.facts.size if node.facts else None
        for path, node in tree.files()
    }


def tree_has_link(tree: Tree, path: str) -> bool:
    node = tree.root.children.get(path.partition("/")[0])
    return "/" in path and node is not None and node.kind is EntryKind.SYMLINK


def _unpacked(root: Path) -> Iterator[tuple[str, object]]:
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            yield name, str(path.readlink())
        elif path.is_file():
            yield name, path.stat().st_size


class Counting:
    """A source that counts how often it is asked."""

    def __init__(self, source: BlobSource) -> None:
        self.source = source
        self.asked = 0

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        self.asked += 1
        return self.source.chunks(start)


def test_a_layer_is_read_once_with_a_store(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    descriptor, diff_id, source = layer(
        {
            "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
            "bin/sh": b"#!/bin/x\n",
            "l": "-> bin",
            "h": "=> bin/sh",
        }
    )
    counting = Counting(source)
    first = layer_facts(descriptor, diff_id, counting, store=store)
    assert (
        layer_facts(descriptor, diff_id, counting, store=store)
        == first
        == read_layer(descriptor, diff_id, source)
    )
    assert counting.asked == 1
    # Another blob that claims the same diff ID is read before it is believed.
    other, _, lying = layer({"etc/evil": b"1"})
    with pytest.raises(ImageError) as caught:
        layer_facts(other, diff_id, lying, store=store)
    assert caught.value.code == "E-IMAGE-DIGEST"
    store.put_fact("layer-facts", f"1 {diff_id}", [["a"]])
    assert layer_facts(descriptor, diff_id, counting, store=store) == first
    assert counting.asked == 2


@pytest.mark.parametrize(
    "value", [None, 1, {}, [1], [["a", "?", "", None]], [["a", "f", "", [1]]], [["a", "f", ""]]]
)
def test_facts_that_are_none_are_no_facts(value: object) -> None:
    assert LayerFacts.from_json(value) is None


def plain(raw: bytes, kind: str = media.LAYER) -> tuple[Descriptor, Digest, BlobSource]:
    return Descriptor.of(raw, kind), Digest.of(raw), BytesSource(raw)


def test_layers_without_an_end_are_read_as_umoci_writes_them() -> None:
    raw = rawtar.header(b"x", size=3) + b"abc"
    assert [one.path for one in read_layer(*plain(raw)).entries] == ["x"]
    assert read_layer(*plain(b"")).entries == ()
    assert read_layer(*plain(bytes(512))).entries == ()


def test_names_that_no_archive_of_python_may_have_are_read() -> None:
    names = [
        b"usr/lib/systemd/system/a\\x2db.slice",
        "tmp/F\u0151.crt".encode(),
        b"./x",
        b"/abs",
        b"CON",
        b"a:/b",
    ]
    raw = b"".join(rawtar.file(name) for name in names) + rawtar.END
    found = {one.path for one in read_layer(*plain(raw)).entries}
    assert found == {names[0].decode(), "tmp/F\u0151.crt", "x", "abs", "CON", "a:/b"}


BOMB = rawtar.header(b"x", size=b"\x80" + (1 << 40).to_bytes(11, "big"))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (rawtar.file(b"a/../x"), "E-PATH-DOTS"),
        (rawtar.file(b"../x"), "E-PATH-DOTS"),
        (rawtar.header(b"x", size=600) + b"abc", "E-TAR-TRUNCATED"),
        (rawtar.file(b"x", checksum=b"1234567\0"), "E-TAR-CHECKSUM"),
        (rawtar.pax(rawtar.record(b"path", b"a/" * 600 + b"x")) + rawtar.file(b"x"), "E-PATH-LONG"),
        (rawtar.pax(rawtar.record(b"linkpath", b"a/" * 3000)) + rawtar.file(b"x", kind=b"2"), "E-PATH-LONG"),
        (BOMB, "E-TAR-LIMIT-SIZE"),
        (rawtar.file(b"x") + rawtar.END + b"more", "E-TAR-TRAILING"),
    ],
)  # fmt: skip
def test_hostile_layers_are_refused(raw: bytes, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_layer(*plain(raw))
    assert caught.value.code == code


def test_layers_that_are_not_what_they_are_said_to_be_are_refused() -> None:
    descriptor, diff_id, source = layer({"x": b"1"})
    for wrong, code in (
        ((descriptor, Digest.of(b"else"), source), "E-IMAGE-DIGEST"),
        ((descriptor, diff_id, layer({"y": b"1"})[2]), "E-IMAGE-DIGEST"),
        (plain(b"x", "application/vnd.in-toto+json"), "E-IMAGE-LAYER"),
        (plain(b"\x28\xb5\x2f\xfd", media.LAYER_ZSTD), None),
        ((descriptor, diff_id, BytesSource(b"")), "E-IMAGE-DIGEST"),
    ):
        with pytest.raises(CrossdockError) as caught:
            read_layer(*wrong)
        assert code is None or caught.value.code == code


def test_links_that_lead_through_each_other_without_end_are_refused() -> None:
    # Each link's name is 4000 bytes of steps; every lookup goes through forty of them.
    links: dict[str, Content] = {f"l{n}": f"-> {'./' * 1990}l{n + 1}" for n in range(39)}
    tree = tree_of({**links, "l39/": None})
    with pytest.raises(ImageError, match="too many"):
        tree.add(read_layer(*layer({f"l0/x{n}": b"" for n in range(700)})))
