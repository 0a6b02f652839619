"""A file's bytes without reading them all: mapped into memory, the empty file too."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: Pieces after which the pages that were read are let go.
_LET_GO_AFTER = 16


def mapped(path: Path | str) -> mmap.mmap | bytes:
    """Return the content of a file for reading; raise `OSError`.

    It is not closed by hand: views of it may be alive in a refusal's traceback, and it goes with the last.
    """
    with open(path, "rb") as file:  # noqa: PTH123  # both kinds of path
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            return b""  # An empty file cannot be mapped.


def let_go(buffer: mmap.mmap | bytes) -> None:
    """Drop the pages of a mapping that were read; they count as this process's memory until then.

    They come back from the file when they are looked at again. Does nothing where the system cannot.
    """
    if isinstance(buffer, mmap.mmap) and hasattr(buffer, "madvise"):
        buffer.madvise(mmap.MADV_DONTNEED)


def letting_go(chunks: Iterable[bytes], buffer: mmap.mmap | bytes) -> Iterator[bytes]:
    """Pass on pieces of some megabyte that are read from `buffer`, dropping its pages every now and then."""
    for number, chunk in enumerate(chunks):
        yield chunk
        if number % _LET_GO_AFTER == _LET_GO_AFTER - 1:
            let_go(buffer)
    let_go(buffer)
