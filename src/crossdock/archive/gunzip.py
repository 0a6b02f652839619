"""A gzip stream as a file to read from: several members allowed, nothing else behind them, memory flat."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from crossdock.archive.inflate import CHUNK
from crossdock.archive.refusal import refuse

if TYPE_CHECKING:
    from crossdock.archive.limits import Limits

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 18


class ByteSource(Protocol):
    """What is read from, in order."""

    def read(self, size: int, /) -> bytes: ...  # noqa: D102


class Gunzip:
    """Reads the content of a gzip file; raises `ArchiveError` (`E-GZIP-…`) when it is malformed or too much.

    `read` gives at most the bytes asked for, and nothing only at the end.
    """

    def __init__(self, source: ByteSource, filename: str, limits: Limits) -> None:
        self._source = source
        self._filename = filename
        self._limits = limits
        self._engine = zlib.decompressobj(_GZIP)
        self._pending = b""
        self._taken = 0
        self._given = 0
        self._started = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; an empty result is the end of the last member."""
        wanted = min(size, CHUNK)
        while wanted > 0:
            if self._engine.eof and not self._next_member():
                return b""
            if not self._pending:
                self._pending = self._fill()
            content = self._inflate(wanted)
            if content:
                self._given += len(content)
                self._check_limits()
                return content
            if self._engine.eof:
                continue
            if not self._pending and not (fresh := self._fill()):
                refuse(self._filename, "E-GZIP-TRUNCATED", "the gzip stream is cut short", offset=self._taken)
            elif not self._pending:
                self._pending = fresh
        return b""

    def _fill(self) -> bytes:
        piece = self._source.read(_PIECE)
        self._taken += len(piece)
        return piece

    def _inflate(self, wanted: int) -> bytes:
        try:
            content = self._engine.decompress(self._pending, wanted)
        except zlib.error as error:
            code = "E-GZIP-TRAILING" if self._started else "E-GZIP-FORMAT"
            what = f"not a gzip stream ({error})"
            if self._started:
                what = f"the gzip stream is broken, or something else follows it ({error})"
            refuse(self._filename, code, what, offset=self._taken - len(self._pending))
        self._pending = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
        return content

    def _next_member(self) -> bool:
        """Begin the next member, if there is one (RFC 1952, 2.2: members simply follow each other)."""
        self._started = True
        self._pending = self._pending or self._fill()
        if not self._pending:
            return False
        self._engine = zlib.decompressobj(_GZIP)
        return True

    def _check_limits(self) -> None:
        limits = self._limits
        if self._given > limits.total_size:
            refuse(self._filename, "E-GZIP-LIMIT-TOTAL", f"unpacks to more than {limits.total_size} bytes")
        if self._given > limits.ratio_floor and self._given > limits.ratio * self._taken:
            refuse(
                self._filename, "E-GZIP-LIMIT-RATIO", f"unpacks to more than {limits.ratio} times its size"
            )
