"""Deflate streams of our own making (RFC 1951): the same bytes on every host, whatever its zlib.

zlib, zlib-ng, isal and libdeflate give four outputs for one input, and a layer's digest must not depend on which
of them a Python was built with. What is copied from a wheel is not touched; what we write beside it, headers,
tables and scripts, is encoded here. It is short and alike, so a few rules do nearly as well as a search.

A stream is kept as text of `0` and `1` in the order of the bits, and packed at the end: in Python joining
strings is many times faster than shifting integers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from crossdock.archive.huffman import DISTANCE_LENGTHS, LITERAL_LENGTHS, canonical_codes

if TYPE_CHECKING:
    from collections.abc import Iterable

_STORED_BLOCK = 65_535
_WINDOW = 32_768
_SHORTEST, _LONGEST = 4, 258

#: RFC 1951, 3.2.5: the first length of each length symbol from 257, the first distance of each distance symbol.
_LENGTH_BASES = (
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
)  # fmt: skip
_LENGTH_EXTRA = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
_DISTANCE_BASES = (
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
    6145, 8193, 12289, 16385, 24577,
)  # fmt: skip
_DISTANCE_EXTRA = (0, 0, *(extra for extra in range(14) for _ in range(2)))

_WORDS = re.compile(rb"\w+|\W")
#: How many bytes must be alike for a match to be tried, and how far it may reach.
_KEY, _REACH = 5, 1024
_ZERO_RUN = re.compile(rb"(\0{5,})")
#: Where a tar header's kind stands before its end. What follows is the same for most, so it is encoded once.
_TAIL = 356


def stored(data: bytes) -> bytes:
    """Return `data` in stored blocks: 5 bytes more for each 64 KiB."""
    if not data:
        return b"\x01\x00\x00\xff\xff"
    blocks = []
    for start in range(0, len(data), _STORED_BLOCK):
        block = data[start : start + _STORED_BLOCK]
        blocks.append(stored_header(len(block), final=start + _STORED_BLOCK >= len(data)))
        blocks.append(block)
    return b"".join(blocks)


def stored_header(size: int, *, final: bool) -> bytes:
    """Return what stands before a stored block of `size` bytes, at most 65535, that begins at a whole byte."""
    return b"%c%s%s" % (final, size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little"))


def compact(data: bytes) -> bytes:
    """Return `data` deflated: words and lines that came before become matches, or stored if that is shorter."""
    rows = Rows()
    rows.text(data)
    packed = rows.finish()
    plain = len(data) + 5 * max(1, -(-len(data) // _STORED_BLOCK))
    return packed if len(packed) < plain else stored(data)


def headers(data: bytes) -> bytes:
    """Return tar headers deflated by the fixed code: text as it is, runs of zero bytes as matches.

    Bytes from 128 on are stored: the fixed code would take nine bits for them.
    """
    return _packed(f"1{_fixed_block(data)}") if data.isascii() else stored(data)


def _fixed_block(data: bytes) -> str:
    """Return a block of the fixed code without its first bit, BFINAL; every byte must be below 128."""
    head, tail = data[:-_TAIL], data[-_TAIL:]
    if not head or not head[-1] or not tail[0]:  # A run of zeros is not cut in two.
        head, tail = data, b""
    # BTYPE 01 with its lowest bit first, and the end of the block, which is seven zeros.
    return "".join(("10", *_fixed_runs(head), *(_fixed_tail(tail) if tail else ()), "0000000"))


def _fixed_runs(data: bytes) -> list[str]:
    """Return text and runs of zeros in the fixed code, where a run is a zero and matches at distance 1."""
    parts = _ZERO_RUN.split(data)
    # All text becomes bits at once, with the first zero of each run between, and is cut up again.
    literals = _fixed_text(b"\0".join(parts[::2]))
    bits: list[str] = []
    done = 0
    for text, run in zip(parts[::2], parts[1::2], strict=False):
        end = done + 8 * (len(text) + 1)
        bits += (literals[done:end], _zeros(len(run) - 1))
        done = end
    bits.append(literals[done:])
    return bits


@lru_cache(maxsize=256)
def _fixed_tail(data: bytes) -> tuple[str, ...]:
    return ("".join(_fixed_runs(data)),)


def _packed(bits: str) -> bytes:
    """Return the bytes of a text of bits: the first is the lowest of the first byte."""
    return int(bits[::-1] or "0", 2).to_bytes((len(bits) + 7) // 8, "little")


class Rows:
    """A deflate stream of rows that resemble each other, with one dynamic code that is constant (`huffman.py`).

    The caller knows what repeats and says so: no search is made. Call the methods in the order of the bytes,
    then `finish`.
    """

    __slots__ = ("_bits", "_literals", "_pending", "_place", "_previous", "_previous_place", "_seen")

    def __init__(self) -> None:
        self._bits: list[str] = [_prologue()]
        self._literals = _literals().__getitem__
        self._place = 0
        self._seen: dict[bytes, int] = {}
        self._previous = b""
        self._previous_place = 0
        #: A match that the next one may continue: its distance and its length so far.
        self._pending = (0, 0)

    def plain(self, text: bytes) -> None:
        """Write bytes that nothing before resembles."""
        if not text:
            return
        if self._pending[1]:
            self._flush()
        self._bits.append("".join(map(self._literals, text)))
        self._place += len(text)

    def again(self, text: bytes) -> None:
        """Write bytes that were perhaps written before by this method; they are remembered for the next time."""
        place = self._place
        distance = place - self._seen.get(text, -_WINDOW - 1)
        self._seen[text] = place
        if distance > _WINDOW or len(text) < _SHORTEST:
            self.plain(text)
        else:
            self._match(distance, len(text))

    def like(self, text: bytes) -> None:
        """Write bytes that begin like those given to this method the last time: paths in order."""
        shared = _shared_start(text, self._previous)
        distance = self._place - self._previous_place
        self._previous, self._previous_place = text, self._place
        if shared < _SHORTEST or distance > _WINDOW:
            self.plain(text)
            return
        self._match(distance, shared)
        if shared < len(text):
            self.plain(text[shared:])

    def text(self, data: bytes) -> None:
        """Write any text: where a word begins as one before did, as much as is the same becomes a match."""
        start, done = self._place, 0
        known: dict[bytes, int] = {}
        for word in _WORDS.finditer(data):
            place = word.start()
            if place < done:
                continue
            key = data[place : place + _KEY]
            last = known.get(key, -1)
            known[key] = place
            if last < 0 or place - last > _WINDOW or len(key) < _KEY:
                continue
            length = _shared_start(data[place : place + _REACH], data[last : last + _REACH])
            self.plain(data[done:place])
            self._match(place - last, length)
            done = place + length
        self.plain(data[done:])
        assert self._place == start + len(data), "every byte is written once"  # noqa: S101

    def zeros(self, count: int) -> None:
        """Write `count` zero bytes."""
        if count > _SHORTEST:
            self.plain(b"\0")
            self._match(1, count - 1)
        else:
            self.plain(bytes(count))

    def finish(self, *, header: bytes = b"") -> bytes:
        """End the stream and return it; `header` is a tar header to stand before the rows."""
        if self._pending[1]:
            self._flush()
        # A block of its own, not the final one: matches count from where the rows began.
        before = f"0{_fixed_block(header)}" if header else ""
        return _packed("".join((before, *self._bits, _end())))

    def _match(self, distance: int, length: int) -> None:
        self._place += length
        before = self._pending
        if before[0] == distance:
            length += before[1]
        elif before[0]:
            self._bits.append(_match_bits(*before))
        self._pending = (distance, length)

    def _flush(self) -> None:
        self._bits.append(_match_bits(*self._pending))
        self._pending = (0, 0)


def _split(length: int) -> Iterable[int]:
    """Return lengths that one match can say, 3 to 258, whose sum is `length`."""
    while length > _LONGEST:
        # Never leave 1 or 2, which no match can say.
        part = _LONGEST if length >= _LONGEST + 3 else length - 3
        yield part
        length -= part
    yield length


def _shared_start(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts begin with alike."""
    size = min(len(one), len(other))
    if one[:size] == other[:size]:
        return size
    differing = int.from_bytes(one[:size], "big") ^ int.from_bytes(other[:size], "big")
    return size - (differing.bit_length() + 7) // 8


# The codes, made when they are first needed.


@cache
def _literals() -> tuple[str, ...]:
    return canonical_codes(LITERAL_LENGTHS)[:256]


@cache
def _end() -> str:
    return canonical_codes(LITERAL_LENGTHS)[256]


@cache
def _length_bits() -> tuple[str, ...]:
    """Return the bits of every match length from 0 to 258, empty for those below 3."""
    codes = canonical_codes(LITERAL_LENGTHS)
    return tuple(_length(length, codes) if length > 2 else "" for length in range(_LONGEST + 1))  # noqa: PLR2004


def _length(length: int, codes: tuple[str, ...]) -> str:
    index = bisect_right(_LENGTH_BASES, length) - 1
    return codes[257 + index] + _extra(length - _LENGTH_BASES[index], _LENGTH_EXTRA[index])


@lru_cache(maxsize=_WINDOW)
def _match_bits(distance: int, length: int) -> str:
    """Return as many matches as it takes."""
    far = _distance_bits(distance)
    return "".join(f"{_length_bits()[part]}{far}" for part in _split(length))


@lru_cache(maxsize=_WINDOW)
def _distance_bits(distance: int) -> str:
    index = bisect_right(_DISTANCE_BASES, distance) - 1
    code = canonical_codes(DISTANCE_LENGTHS)[index]
    return code + _extra(distance - _DISTANCE_BASES[index], _DISTANCE_EXTRA[index])


def _extra(value: int, bits: int) -> str:
    """Return extra bits: unlike codes they stand with the lowest first (RFC 1951, 3.1.1)."""
    return f"{value:0{bits}b}"[::-1] if bits else ""


@cache
def _prologue() -> str:
    """Return the header of a final block with our dynamic code (RFC 1951, 3.2.7): all code lengths in four bits."""
    # HLIT, HDIST, HCLEN; then the lengths of the code for code lengths in their odd order: 16, 17 and 18 are
    # not used, and each length from 0 to 15 gets a code of four bits.
    sizes = _extra(len(LITERAL_LENGTHS) - 257, 5) + _extra(len(DISTANCE_LENGTHS) - 1, 5) + _extra(15, 4)
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    code = "".join(_extra(0 if symbol > 15 else 4, 3) for symbol in order)  # noqa: PLR2004
    lengths = "".join(f"{length:04b}" for length in (*LITERAL_LENGTHS, *DISTANCE_LENGTHS))
    return f"101{sizes}{code}{lengths}"


#: The fixed code of a byte below 144 is eight bits, 0x30 more than the byte (RFC 1951, 3.2.6).
_FIXED = bytes((byte + 0x30) & 0xFF for byte in range(256))


def _fixed_text(data: bytes) -> str:
    return f"{int.from_bytes(data.translate(_FIXED), 'big'):0{8 * len(data)}b}" if data else ""


@lru_cache(maxsize=4096)
def _zeros(count: int) -> str:
    """Return `count` more zero bytes after one, in the fixed code: matches at distance 1, code 0 of five bits."""
    bits = []
    for length in _split(count):
        index = bisect_right(_LENGTH_BASES, length) - 1
        symbol = 257 + index
        code = f"{symbol - 256:07b}" if symbol < 280 else f"{0xC0 + symbol - 280:08b}"  # noqa: PLR2004
        bits.append(code + _extra(length - _LENGTH_BASES[index], _LENGTH_EXTRA[index]) + "00000")
    return "".join(bits)
