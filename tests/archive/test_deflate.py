"""Our deflate encoders: any bytes come back through zlib, and the streams are what they were."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.archive import deflate, gzipwrite
from crossdock.archive.huffman import DISTANCE_LENGTHS, LITERAL_LENGTHS
from crossdock.archive.tarwrite import tar_header

#: Bytes with runs and repetitions, as well as noise: what makes an encoder choose.
ANY = st.one_of(
    st.binary(max_size=3000),
    st.lists(
        st.sampled_from([b"word", b"path/to/", b"\0", bytes(300), b"\n", b"\xc3\xa9", b"a"]), max_size=300
    ).map(b"".join),
)

#: Row by row: the method's name and what it is given.
ROWS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["plain", "again", "like", "text"]), ANY),
        st.tuples(st.just("again"), st.sampled_from([b"the same", b"abcd", b"abc", b"x" * 700, b""])),
        st.tuples(st.just("like"), st.text("ab/", max_size=12).map(str.encode)),
        st.tuples(st.just("zeros"), st.integers(0, 1100)),
    ),
    max_size=30,
)


def inflated(stream: bytes) -> bytes:
    engine = zlib.decompressobj(-15)
    content = engine.decompress(stream)
    assert engine.eof
    assert not engine.unused_data
    return content


@pytest.mark.parametrize("encode", [deflate.stored, deflate.compact, deflate.headers])
@given(content=ANY)
def test_any_bytes_come_back(encode: object, content: bytes) -> None:
    assert callable(encode)
    assert inflated(encode(content)) == content


@pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 131_070, 131_071])
def test_stored_blocks_end_where_they_should(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert inflated(deflate.stored(content)) == content
    assert len(deflate.stored(content)) == size + 5 * max(1, -(-size // 65_535))


@pytest.mark.parametrize("size", [*range(280), 515, 516, 517, 518, 519, 520, 521, 100_000])
def test_runs_of_zeros_of_any_length_come_back(size: int) -> None:
    content = b"a" + bytes(size) + b"b"
    assert inflated(deflate.headers(content)) == content
    rows = deflate.Rows()
    rows.plain(b"a")
    rows.zeros(size)
    rows.plain(b"b")
    assert inflated(rows.finish()) == content


@given(ROWS, st.booleans())
def test_rows_of_any_kind_come_back(rows: list[tuple[str, bytes | int]], headed: bool) -> None:
    header = tar_header("table", kind=b"0", mode=0o644, size=5) if headed else b""
    stream = deflate.Rows()
    expected = [header]
    for method, given_value in rows:
        getattr(stream, method)(given_value)
        expected.append(bytes(given_value) if isinstance(given_value, int) else given_value)
    assert inflated(stream.finish(header=header)) == b"".join(expected)


@pytest.mark.parametrize("between", [32_760, 32_767, 32_768, 32_769, 70_000])
def test_what_lies_beyond_the_window_is_not_matched(between: int) -> None:
    noise = random.Random(2).randbytes(between)
    rows = deflate.Rows()
    for part in (b"something long", noise, b"something long"):
        rows.again(part)
    assert inflated(rows.finish()) == b"something long" + noise + b"something long"
    text = b"something " + noise.replace(b"s", b" ") + b" something "
    rows = deflate.Rows()
    rows.text(text)
    assert inflated(rows.finish()) == text


def test_the_constant_code_is_complete() -> None:
    # Kraft's sum: a code that is not complete is refused by zlib, one that is over-full is none (RFC 1951, 3.2.2).
    for lengths in (LITERAL_LENGTHS, DISTANCE_LENGTHS):
        assert sum(2**-length for length in lengths if length) == 1


def test_noise_is_stored_and_text_is_not() -> None:
    noise = random.Random(3).randbytes(10_000)
    assert deflate.compact(noise) == deflate.stored(noise)
    text = b"".join(b"package/module_%d.py,sha256=,%d\n" % (number, number * 7) for number in range(500))
    assert len(deflate.compact(text)) < len(text) / 3


def test_a_table_is_about_as_small_as_zlib_makes_it() -> None:
    from crossdock.ship.image.contents_table import ContentsTable
    from crossdock.ship.image.layer import Owner

    table = ContentsTable(315_532_800)
    for number in range(2000):
        sha = hashlib.sha256(str(number).encode()).hexdigest()
        table.file(
            f"app/lib/python3.12/site-packages/demo/part{number // 40}/module_{number}.py",
            0o644,
            Owner(),
            size=number * 37 % 9001,
            offset=number * 4111,
            sha=sha,
        )
    text = table.end()
    packed = table.packed(b"", 0)
    assert inflated(packed) == text
    assert len(packed) < 1.2 * len(zlib.compress(text, 6))


#: Every byte value, text, runs, and what repeats.
SAMPLE = (
    bytes(range(128))
    + bytes(700)
    + b"".join(
        b"app/lib/demo/%d.py 0644 %s\n" % (n, hashlib.sha256(b"%d" % n).hexdigest().encode())
        for n in range(90)
    )
)


@pytest.mark.parametrize(
    ("stream", "digest"),
    [
        (deflate.stored(SAMPLE), "3b4cf96bfab609930991cdf5935ca58d0c870fbfd82eebddaffd2c1209f704bf"),
        (deflate.headers(SAMPLE), "c240ad9f3a27b3a079d5af115cd65586b7c9a1de4324f8f718ca8547d1f7587f"),
        (deflate.compact(SAMPLE), "15288acc86d570843571ab356ae7952542067e812291eba09e5b4931584ff895"),
        (
            deflate.compact(SAMPLE + bytes(range(256))),
            "55ebe2f400a67e090bb12d67ad33c28fe7efe8666c6ddbd91dfe4dfc4540e5fd",
        ),
        (
            gzipwrite.headers_member(tar_header("app/é", kind=b"5", mode=0o755)),
            "765fc14137aab582b41908d0fc03a89337ba09a37c6984858396467688e1a20d",
        ),
    ],
    ids=["stored", "headers", "compact", "all bytes", "not ASCII"],
)
def test_the_bytes_are_what_they_were(stream: bytes, digest: str) -> None:
    # If these change, every layer's digest changes: raise FORMAT in wheel_layer.py and say so in the changelog.
    assert hashlib.sha256(stream).hexdigest() == digest


@given(st.lists(ANY, min_size=1, max_size=5))
def test_members_follow_each_other(parts: list[bytes]) -> None:
    blob = b"".join(gzipwrite.wrap(deflate.compact(part), part) for part in parts)
    assert gzip.decompress(blob) == b"".join(parts)
    assert blob[:10] == gzipwrite.HEADER
    with gzip.GzipFile(fileobj=io.BytesIO(blob)) as peer:
        assert peer.read() == b"".join(parts)


def test_a_size_beyond_32_bits_is_written_modulo() -> None:
    assert gzipwrite.trailer(0x01020304, (5 << 32) + 7) == b"\x04\x03\x02\x01\x07\0\0\0"
