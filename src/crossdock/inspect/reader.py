"""Bounded reads from an untrusted buffer: every offset and count is checked before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import InspectError

if TYPE_CHECKING:
    import struct
    from collections.abc import Iterator
    from mmap import mmap
    from typing import TypeAlias

    #: What binaries are read from; nothing is kept of it, so a mapping may be closed afterwards.
    Buffer: TypeAlias = bytes | bytearray | memoryview | mmap

#: Longest string taken from a file: paths and symbol names are shorter, and hostile ones are cut off here.
LONGEST_NAME = 4096


class Reader:
    """A window on a buffer that raises `InspectError` (E-BINARY-TRUNCATED) for each read beyond its end."""

    __slots__ = ("_data", "_start", "path", "size")

    def __init__(self, data: Buffer, path: str, *, start: int = 0, size: int | None = None) -> None:
        self._data = data
        self._start = start
        self.path = path
        rest = len(data) - start
        self.size = rest if size is None else size
        if start < 0 or self.size < 0 or self.size > rest:
            raise self.error(f"part of {self.size} bytes at {start} does not lie in the file")

    def error(self, message: str, code: str = "E-BINARY-TRUNCATED") -> InspectError:
        """Return the error to raise for this file."""
        return InspectError(
            f"broken binary: {message}",
            code=code,
            places=[self.path],
            hint="get the file anew; if it is meant to be broken (a test's), leave it out of what is shipped",
        )

    def bytes(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at `offset`."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise self.error(f"{size} bytes at {offset} reach beyond its end at {self.size}")
        begin = self._start + offset
        return bytes(self._data[begin : begin + size])

    def part(self, offset: int, size: int) -> Reader:
        """Return a window on `size` bytes at `offset`."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise self.error(f"a part of {size} bytes at {offset} reaches beyond its end at {self.size}")
        return Reader(self._data, self.path, start=self._start + offset, size=size)

    def unpack(self, layout: struct.Struct, offset: int) -> tuple[int, ...]:
        """Return the integers of `layout` at `offset`."""
        return layout.unpack(self.bytes(offset, layout.size))

    def table(self, layout: struct.Struct, offset: int, count: int) -> Iterator[tuple[int, ...]]:
        """Iterate over `count` records at `offset`; the whole table must lie in the file."""
        return layout.iter_unpack(self.bytes(offset, layout.size * count))

    def string(self, offset: int, longest: int = LONGEST_NAME) -> str:
        """Return the NUL-ended string at `offset`, cut at `longest` bytes or the end of the file."""
        if not 0 <= offset <= self.size:
            raise self.error(f"a string at {offset} lies beyond its end at {self.size}")
        return text_at(self.bytes(offset, min(longest, self.size - offset)), 0)


def text_at(table: bytes, offset: int) -> str:
    """Return the NUL-ended string at `offset` of a string table already read, as UTF-8 with escapes.

    An offset outside the table gives an empty string: that is how loaders see it too.
    """
    if not 0 <= offset < len(table):
        return ""
    end = table.find(b"\0", offset, offset + LONGEST_NAME)
    if end < 0:
        end = min(len(table), offset + LONGEST_NAME)
    return table[offset:end].decode("utf-8", "backslashreplace")


def exported_modules(names: bytes, prefix: bytes, limit: int = 512) -> tuple[str, ...]:
    """Return the module names behind the strings that start with `prefix` in a string table.

    `prefix` begins with the NUL that ends the string before; at most `limit` names are returned.
    """
    found: list[str] = []
    at = names.find(prefix)
    while at >= 0 and len(found) < limit:
        found.append(text_at(names, at + len(prefix)))
        at = names.find(prefix, at + len(prefix))
    return tuple(sorted(set(found) - {""}))


#: Imported symbols that only some builds of CPython export. Py_DECREF and module setup of a free-threaded
#: build call the first group (Include/refcount.h, PEP 703), of a debug build the second (Py_REF_DEBUG).
FREE_THREADED_SYMBOLS = frozenset(
    {"_Py_DecRefShared", "_Py_MergeZeroLocalRefcount", "PyUnstable_Module_SetGIL"},
)
DEBUG_SYMBOLS = frozenset(
    {"_Py_INCREF_IncRefTotal", "_Py_DECREF_DecRefTotal", "_Py_RefTotal", "PyModule_Create2TraceRefs"},
)
TELLING_SYMBOLS = FREE_THREADED_SYMBOLS | DEBUG_SYMBOLS
