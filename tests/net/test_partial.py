"""METADATA out of a wheel that lies on a server: by ranges, or not at all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

from crossdock.net.http import Http
from crossdock.net.partial import metadata_of_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOISE = random.Random(7).randbytes(300_000)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    with LoopbackIndex(tmp_path) as found:
        yield found


def asked(index: LoopbackIndex, path: Path, *, size: bool = True) -> bytes | None:
    return metadata_of_wheel(
        Http(), f"{index.origin}/files/{path.name}", path.stat().st_size if size else None
    )


def fetched(index: LoopbackIndex) -> int:
    """Bytes that were asked for."""
    total = 0
    for request in index.requests:
        first, last = request.headers["Range"].removeprefix("bytes=").split("-")
        total += int(last) - int(first) + 1
    return total


@pytest.mark.parametrize("size", [True, False], ids=["size known", "size asked for"])
def test_the_end_of_the_wheel_is_enough(index: LoopbackIndex, size: bool) -> None:
    path = make_wheel(index.directory, files={"demo.bin": NOISE})
    assert b"Name: demo\n" in (asked(index, path, size=size) or b"")
    assert fetched(index) <= (64 << 10) + 1


def test_metadata_at_the_beginning_takes_one_more_part(index: LoopbackIndex) -> None:
    members = wheel_files(files={"demo.bin": NOISE, "other.bin": NOISE})
    name = "demo-1.0.dist-info/METADATA"
    path = index.directory / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes({name: members.pop(name), **members}))
    assert b"Name: demo\n" in (asked(index, path) or b"")
    assert fetched(index) <= 2 * (64 << 10)


def test_a_small_wheel_is_one_part(index: LoopbackIndex) -> None:
    path = make_wheel(index.directory)
    assert b"Name: demo\n" in (asked(index, path) or b"")
    assert len(index.requests) == 1


def test_a_server_without_ranges(index: LoopbackIndex) -> None:
    index.ranges = False
    assert asked(index, make_wheel(index.directory, files={"demo.bin": NOISE})) is None
    # A small file comes whole, and that is what was asked for.
    assert asked(index, make_wheel(index.directory, "small")) is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip at all" * 10_000, NOISE, b"PK\5\6" + b"\xff" * 18],
    ids=["empty", "text", "noise", "an end that lies"],
)
def test_what_is_no_wheel_gives_nothing(index: LoopbackIndex, content: bytes) -> None:
    path = index.directory / "demo-1.0-py3-none-any.whl"
    path.write_bytes(content)
    assert asked(index, path) is None


def test_two_of_them_or_none_give_nothing(index: LoopbackIndex) -> None:
    path = index.directory / "demo-1.0-py3-none-any.whl"
    for members in ({"a.py": b""}, {"a.dist-info/METADATA": b"Name: a", "b.dist-info/METADATA": b"Name: b"}):
        path.write_bytes(zip_bytes(members))
        assert asked(index, path) is None


def test_a_bomb_is_not_unpacked(index: LoopbackIndex) -> None:
    path = index.directory / "demo-1.0-py3-none-any.whl"
    path.write_bytes(zip_bytes({"demo-1.0.dist-info/METADATA": b"x" * (9 << 20)}))
    assert asked(index, path) is None


def test_a_file_that_changed_its_size_or_is_gone(index: LoopbackIndex) -> None:
    path = make_wheel(index.directory, files={"demo.bin": NOISE})
    url = f"{index.origin}/files/{path.name}"
    assert metadata_of_wheel(Http(), url, path.stat().st_size + 10) is None
    assert metadata_of_wheel(Http(), f"{url}x", 1000) is None
