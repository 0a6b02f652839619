"""The constant Huffman code of the deflate streams that we write: made for paths, hashes in hex and JSON.

A code that fits the text exactly would save a few percent and cost a count of every byte; this one was counted once,
over the tables of contents and the RECORD files of numpy, botocore, pandas, tzdata and others. Changing a digit of it
changes the digest of every layer.
"""

from __future__ import annotations

from functools import cache

#: The number of bits of each literal, of the end of the block (256) and of each match length, a hex digit each.
LITERAL_LENGTHS = bytes.fromhex(
    "0"
    + "0".join(
        "fffffffffe7ff8ffffffffffffffffff7d7ceeeccbce766854555555558ccbbdd88888888888888888888888888cecf7b555"
        "55577678776668666777767dddefefeefffffffffffffffeefffffffeffffeffefffeffffeffffffffeffffffffffffeffff"
        "ffffffffffffffffffffffffffeeffffffffffffffffffffffffffffef9aaa7b7abb7a7aaaba787dffffff"
    )
)
#: The number of bits of each distance.
DISTANCE_LENGTHS = bytes.fromhex("0" + "0".join("ffffbb79886523781588899beeeeee"))


@cache
def canonical_codes(lengths: bytes) -> tuple[str, ...]:
    """Return the code of each symbol, its first bit first, from their lengths in bits (RFC 1951, 3.2.2)."""
    codes = [""] * len(lengths)
    code = 0
    for length in range(1, max(lengths) + 1):
        for symbol, own in enumerate(lengths):
            if own == length:
                codes[symbol] = f"{code:0{length}b}"
                code += 1
        code <<= 1
    return tuple(codes)
