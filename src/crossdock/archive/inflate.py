"""Inflating one member: bounded by its stated size, exact at both ends, checked by CRC."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENGINE: Any = zlib
with suppress(ImportError):
    # The same bytes in half the time where the extra `fast` is installed: docs/dependencies.md.
    from zlib_ng import zlib_ng as _ENGINE  # noqa: N812  # one name for either

_ERRORS = (zlib.error, _ENGINE.error)

#: How much is inflated at a time when a member is streamed; memory stays at a small multiple of it.
CHUNK = 1 << 20


class BadStreamError(Exception):
    """A stream that is not what its header says; `rule` is the tail of an error code, the text says what is wrong."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


def inflate(raw: bytes | memoryview, size: int, crc: int) -> bytes:
    """Return the `size` bytes that the deflate stream `raw` must give, or raise `BadStreamError`.

    `zlib.decompress` and `zipfile` ignore bytes behind the final block, so two readers may see two files in
    one stream; here the stream ends exactly where the member does. One byte more than `size` is asked for, so
    a bomb is noticed without being unpacked, and the end of the stream is reached when it is there.
    """
    engine = _ENGINE.decompressobj(-zlib.MAX_WBITS)
    try:
        content: bytes = engine.decompress(raw, size + 1)
    except _ERRORS as error:
        raise BadStreamError("DEFLATE", f"not a deflate stream ({error})") from error
    _check_end(engine, len(content), size)
    check_crc(_ENGINE.crc32(content), crc)
    return content


def check_crc(found: int, expected: int) -> None:
    """Raise `BadStreamError` unless two CRC-32 are the same."""
    if found != expected:
        raise BadStreamError("CRC", f"CRC-32 is {found:08x}, the header says {expected:08x}")


def _check_end(engine: Any, found: int, size: int) -> None:
    if found > size:
        raise BadStreamError("SIZE", f"unpacks to more than the {size} bytes that the header says")
    if not engine.eof:
        raise BadStreamError("DEFLATE", "the deflate stream does not end within the member")
    if engine.unused_data:
        raise BadStreamError("DEFLATE", "bytes follow the end of the deflate stream")
    if found != size:
        raise BadStreamError("SIZE", f"unpacks to {found} bytes, the header says {size}")


def inflate_chunks(raw: memoryview, size: int, crc: int) -> Iterator[bytes]:
    """Yield what `inflate` returns in pieces of at most `CHUNK` bytes; what is wrong shows at the latest at the end."""
    engine = _ENGINE.decompressobj(-zlib.MAX_WBITS)
    found = running = offset = 0
    pending: bytes | memoryview = b""
    while not engine.eof:
        if not pending:
            pending = raw[offset : offset + CHUNK]
            offset += len(pending)
        try:
            content = engine.decompress(pending, CHUNK)
        except _ERRORS as error:
            raise BadStreamError("DEFLATE", f"not a deflate stream ({error})") from error
        if not content and not pending:
            break
        pending = engine.unconsumed_tail
        found += len(content)
        if found > size:
            break
        running = _ENGINE.crc32(content, running)
        if content:
            yield content
    _check_end(engine, found, size)
    if offset < len(raw):
        raise BadStreamError("DEFLATE", "bytes follow the end of the deflate stream")
    check_crc(running, crc)


def stored_chunks(raw: memoryview, crc: int) -> Iterator[bytes]:
    """Yield a stored member's bytes in pieces of at most `CHUNK`; a wrong CRC shows at the end."""
    running = 0
    for offset in range(0, len(raw), CHUNK):
        content = bytes(raw[offset : offset + CHUNK])
        running = _ENGINE.crc32(content, running)
        yield content
    check_crc(running, crc)
