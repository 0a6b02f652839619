"""A zstd stream as a file to read from, where this Python can decode it (3.14, PEP 784)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.archive.refusal import refuse
from crossdock.errors import ImageError

if TYPE_CHECKING:
    from crossdock.archive.limits import Limits
    from crossdock.archive.tarread import ByteSource

_PIECE = 1 << 18
_CHUNK = 1 << 20


def _module() -> Any:
    """Return Python's zstd module; raise `ImageError` (E-IMAGE-ZSTD) where it has none."""
    import importlib

    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        raise ImageError(
            "a layer is compressed by zstd, which this Python cannot decode",
            code="E-IMAGE-ZSTD",
            hint="run crossdock with Python 3.14, or copy the image with gzip layers "
            "(`skopeo copy --dest-compress-format gzip`)",
        ) from None


class Unzstd:
    """Reads what a zstd stream of one or more frames unpacks to; as `crossdock.archive.gunzip.Gunzip`."""

    def __init__(self, source: ByteSource, filename: str, limits: Limits) -> None:
        self._zstd = _module()
        self._source = source
        self._filename = filename
        self._limits = limits
        self._engine = self._zstd.ZstdDecompressor()
        self._pending = b""
        self._given = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; an empty result is the end of the last frame."""
        while size > 0:
            if self._engine.eof:
                self._pending = self._engine.unused_data or self._source.read(_PIECE)
                if not self._pending:
                    return b""
                self._engine = self._zstd.ZstdDecompressor()
            content = self._decoded(min(size, _CHUNK))
            if content:
                self._given += len(content)
                if self._given > self._limits.total_size:
                    refuse(
                        self._filename,
                        "E-GZIP-LIMIT-TOTAL",
                        f"unpacks to more than {self._limits.total_size} bytes",
                    )
                return content
        return b""

    def _decoded(self, wanted: int) -> bytes:
        if self._engine.needs_input and not self._pending:
            self._pending = self._source.read(_PIECE)
            if not self._pending:
                refuse(self._filename, "E-GZIP-TRUNCATED", "the zstd stream is cut short")
        data, self._pending = self._pending, b""
        try:
            return bytes(self._engine.decompress(data, max_length=wanted))
        except self._zstd.ZstdError as error:
            refuse(self._filename, "E-GZIP-FORMAT", f"not a zstd stream ({error})")
