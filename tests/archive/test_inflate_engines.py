"""Inflating gives the same answer with the standard library's engine and with the extra `fast`."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.archive import inflate

ENGINES = [zlib, pytest.importorskip("zlib_ng.zlib_ng", reason="the extra `fast` is not installed")]


def packed(content: bytes) -> bytes:
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return engine.compress(content) + engine.flush()


def answers(raw: bytes, size: int, crc: int) -> list[bytes | str]:
    found: list[bytes | str] = []
    for engine in ENGINES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inflate, "_ENGINE", engine)
            try:
                found.append(inflate.inflate(raw, size, crc))
            except inflate.BadStreamError as error:
                found.append(error.rule)
    return found


@given(st.binary(max_size=4000))
def test_a_good_stream_gives_the_same_bytes(content: bytes) -> None:
    assert answers(packed(content), len(content), zlib.crc32(content)) == [content, content]


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_a_damaged_stream_is_refused_or_read_alike(content: bytes, data: st.DataObject) -> None:
    raw = bytearray(packed(content))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    one, other = answers(bytes(raw), len(content), zlib.crc32(content))
    assert isinstance(one, str) == isinstance(other, str)
    assert isinstance(one, str) or one == other


@pytest.mark.parametrize("extra", [b"x", b"\0" * 9])
def test_bytes_behind_the_stream_are_refused_by_both(extra: bytes) -> None:
    assert answers(packed(b"abc") + extra, 3, zlib.crc32(b"abc")) == ["DEFLATE", "DEFLATE"]


def test_a_bomb_is_refused_by_both_without_being_unpacked() -> None:
    raw = packed(b"\0" * 50_000_000)
    assert answers(raw, 1000, 0) == ["SIZE", "SIZE"]
