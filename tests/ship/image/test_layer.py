"""The layer writer: an eStargz whose bytes depend on its entries alone, read alike by whoever reads tars."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.estargz import check_layer

from crossdock.archive.tarwrite import tar_header
from crossdock.errors import ImageError
from crossdock.ship.image.layer import LayerWriter, Owner, WrittenLayer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE = random.Random(5).randbytes(200_000)
LONG = "app/" + "d" * 90 + "/" + "f" * 90
FILES = {
    "app/a/empty": b"",
    "app/a/one block": b"x" * 512,
    "app/a/two": b"y" * 1024,
    "app/a/\u00e9\u4e2d.py": b"print()\n" * 40,
    'app/a/q"uote\\': b"odd",
    LONG: b"ustar prefix",
    "app/" + "e" * 240: b"pax",
    "app/noise": NOISE,
    "tmp/last": b"1",
}


def fill(layer: LayerWriter) -> None:
    layer.directory("tmp", mode=0o1777, owner=Owner(5, 6))
    for path, content in FILES.items():
        layer.file(path, content, mode=0o755 if path == LONG else 0o644)
    layer.symlink("app/link", "/usr/bin/python3")
    layer.symlink("app/long link", "../" * 50 + "x")
    layer.stream("app/streamed", [NOISE[:70_000], b"", NOISE[70_000:]], size=len(NOISE), sha=sha(NOISE))
    layer.file("home/owned", b"mine", owner=Owner(1000, 1001), mode=0o640)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def written(fill_in: Callable[[LayerWriter], None] = fill) -> tuple[bytes, WrittenLayer]:
    out = io.BytesIO()
    layer = LayerWriter(out)
    fill_in(layer)
    done = layer.finish()
    return out.getvalue(), done


def test_the_layer_is_a_valid_estargz() -> None:
    blob, _ = written()
    entries = check_layer(blob)
    assert entries["tmp/"] | {"mode": 0o1777, "uid": 5, "gid": 6} == entries["tmp/"]
    assert entries["home/"]["mode"] == 0o755
    assert entries["home/owned"] | {"mode": 0o640, "uid": 1000, "gid": 1001} == entries["home/owned"]
    assert {entry["modtime"] for entry in entries.values()} == {"1980-01-01T00:00:00Z"}


def test_what_is_said_of_the_layer_is_so() -> None:
    blob, said = written()
    plain = gzip.decompress(blob)
    assert (said.digest.hex, said.size) == (sha(blob), len(blob))
    assert (said.diff_id.hex, said.uncompressed_size) == (sha(plain), len(plain))
    assert said.files == len(FILES) + 4
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        table = tar.extractfile("stargz.index.json")
        assert table is not None
        assert said.toc_digest.hex == sha(table.read())


def test_the_bytes_are_what_they_were() -> None:
    # If these change, so does every layer: raise FORMAT in wheel_layer.py and say so in the changelog.
    _, said = written()
    assert said.digest.hex == "2a6028bf91e5caa580626d4b472923ad929bfb35f8c5cfff0dacf67dbe678a20"
    assert said.diff_id.hex == "c9610df8d6f84c5322f87a91544dcc129369a53259a39baeac04003f4c532975"


def test_tarfile_reads_what_was_written() -> None:
    blob, _ = written()
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as tar:
        items = {item.name: item for item in tar}
        for path, content in {**FILES, "app/streamed": NOISE}.items():
            file = tar.extractfile(path)
            assert file is not None
            assert file.read() == content, path
    assert items[LONG].mode == 0o755
    assert items["app/long link"].linkname == "../" * 50 + "x"
    assert {item.mtime for item in items.values()} == {315_532_800}


@pytest.mark.parametrize("program", [("tar", "-xzf"), ("bsdtar", "-xf")], ids=["gnu", "libarchive"])
def test_other_programs_unpack_the_same_files(tmp_path: Path, program: tuple[str, str]) -> None:
    assert shutil.which(program[0]), "dev/setup installs it"
    blob, _ = written()
    (tmp_path / "layer.tar.gz").write_bytes(blob)
    (tmp_path / "out").mkdir()
    subprocess.run(
        [*program, tmp_path / "layer.tar.gz", "--no-same-owner"],
        cwd=tmp_path / "out",
        check=True,
        capture_output=True,
        timeout=60,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    for path, content in FILES.items():
        assert (tmp_path / "out" / path).read_bytes() == content
    subprocess.run(["gzip", "-t", tmp_path / "layer.tar.gz"], check=True, timeout=60)


@pytest.mark.parametrize(
    "path",
    [
        ".wh.etc",
        "app/.wh..wh..opq",
        "app/.wh.d/file",
        "stargz.index.json",
        ".no.prefetch.landmark",
        ".prefetch.landmark",
        "/etc/passwd",
        "../up",
        "app/../up",
        "app/..",
        "./app",
        "app//x",
        "app/",
        "a\0b",
        "",
    ],
)
@pytest.mark.parametrize("method", ["file", "symlink", "directory", "stream", "deflated", "deflated_stream"])
def test_dangerous_names_are_refused(path: str, method: str) -> None:
    layer = LayerWriter(io.BytesIO())
    known = {"size": 1, "crc": 0, "sha": ""}
    arguments: dict[str, Callable[[], None]] = {
        "file": lambda: layer.file(path, b"x"),
        "symlink": lambda: layer.symlink(path, "x"),
        "directory": lambda: layer.directory(path),
        "stream": lambda: layer.stream(path, [b"x"], size=1, sha=""),
        "deflated": lambda: layer.deflated(path, raw=b"", plain=b"x", crc=0, sha=""),
        "deflated_stream": lambda: layer.deflated_stream(path, raw=[], plain=[], **known),  # type: ignore[arg-type]
    }
    with pytest.raises(ImageError) as caught:
        arguments[method]()
    assert caught.value.code == "E-IMAGE-PATH"


def test_names_of_the_layer_itself_are_free_below_its_root() -> None:
    entries = check_layer(written(lambda layer: layer.file("app/stargz.index.json", b"{}"))[0])
    assert "app/stargz.index.json" in entries


@pytest.mark.parametrize("order", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_a_path_is_one_thing_once(order: tuple[str, str]) -> None:
    layer = LayerWriter(io.BytesIO())
    layer.file(order[0], b"1")
    with pytest.raises(ImageError, match=r"twice|a file and a directory"):
        layer.file(order[1], b"2")


def test_a_directory_may_be_added_again_but_not_over_a_file() -> None:
    layer = LayerWriter(io.BytesIO())
    layer.directory("a/b", mode=0o700)
    layer.directory("a/b", mode=0o755)
    layer.file("c", b"")
    with pytest.raises(ImageError, match="a file and a directory"):
        layer.directory("c")


@pytest.mark.parametrize("given_size", [len(NOISE) - 1, len(NOISE) + 1])
def test_a_stream_of_another_length_is_refused(given_size: int) -> None:
    with pytest.raises(ImageError, match="announced"):
        LayerWriter(io.BytesIO()).stream("x", [NOISE, b""], size=given_size, sha=sha(NOISE))


@pytest.mark.parametrize("chunks", [[b"ab"], []])
def test_a_short_stream_of_another_length_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(ImageError, match="announced"):
        LayerWriter(io.BytesIO()).stream("x", chunks, size=1, sha="")


def test_streams_come_out_the_same_however_they_are_cut() -> None:
    def cut(size: int) -> bytes:
        chunks = [NOISE[at : at + size] for at in range(0, len(NOISE), size)]
        return written(lambda layer: layer.stream("x", chunks, size=len(NOISE), sha=sha(NOISE)))[0]

    whole = written(lambda layer: layer.file("x", NOISE))[0]
    assert {cut(777), cut(65_535), cut(65_536), cut(131_070), cut(1 << 20)} == {whole}


def test_a_file_beyond_8_gib_states_its_size_in_pax() -> None:
    size = (8 << 30) + 5
    head = tar_header("big", kind=b"0", mode=0o644, size=size)
    item = tarfile.TarInfo.frombuf(head[:512], "utf-8", "strict")
    assert item.type == tarfile.XHDTYPE
    assert b"size=%d\n" % size in head
    with tarfile.open(fileobj=io.BytesIO(head)) as tar:
        found = tar.next()
        assert found is not None
        assert found.size == size


PATHS = st.lists(
    st.text("ab.é ", min_size=1, max_size=4).filter(lambda part: set(part) != {"."}), min_size=1, max_size=4
)


@settings(max_examples=60)
@given(st.dictionaries(PATHS.map("/".join), st.binary(max_size=700), max_size=12))
def test_any_tree_becomes_a_valid_layer_or_is_refused(tree: dict[str, bytes]) -> None:
    def fill_in(layer: LayerWriter) -> None:
        for path, content in sorted(tree.items()):
            layer.file(path, content)

    clash = any(one.startswith(f"{other}/") for one in tree for other in tree)
    if clash:
        with pytest.raises(ImageError, match=r"a file and a directory|twice"):
            written(fill_in)
        return
    blob, said = written(fill_in)
    entries = check_layer(blob)
    assert {path: entries[path].get("size", 0) for path in tree} == {path: len(tree[path]) for path in tree}
    assert said.files == len(tree)
