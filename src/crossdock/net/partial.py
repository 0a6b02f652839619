"""METADATA out of a wheel on an index that serves none beside it, by HTTP ranges: some kilobytes of it, not the wheel.

Nothing here can be held against the wheel's hash: it is for reports, and decides nothing that is shipped.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from crossdock.errors import CrossdockError

if TYPE_CHECKING:
    from crossdock.net.http import Http

#: Bytes asked for at once. The directory of a zip is at its end, and most wheels' metadata just before it.
_STEP = 64 << 10
#: Of one wheel at most so many bytes: a directory of some ten thousand files, and its METADATA.
_MOST = 4 << 20
#: A METADATA file with a long README in it.
_METADATA_LIMIT = 8 << 20
_WHOLE, _PART = 200, 206
_ANSWERS = frozenset({_WHOLE, _PART})
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
#: What `zipfile` raises for a file that is no zip or one that it cannot read.
_NO_ZIP = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, IndexError,
)  # fmt: skip


def metadata_of_wheel(http: Http, url: str, size: int | None) -> bytes | None:
    """Return METADATA of the wheel at `url` (`size` in bytes where it is known); None where ranges do not give it."""
    try:
        with zipfile.ZipFile(_Ranged(http, url, size)) as archive:
            names = [name for name in archive.namelist() if _METADATA.fullmatch(name)]
            if len(names) != 1 or archive.getinfo(names[0]).file_size > _METADATA_LIMIT:
                return None
            with archive.open(names[0]) as member:
                return member.read(_METADATA_LIMIT)
    except (CrossdockError, *_NO_ZIP):
        return None


class _Ranged(io.RawIOBase):
    """A file behind a URL, read where it is asked for; `OSError` for a server without ranges, and for too much."""

    def __init__(self, http: Http, url: str, size: int | None) -> None:
        self._http = http
        self._url = url
        self._at = 0
        self._read = 0
        #: Parts by where they begin.
        self._parts: dict[int, bytes] = {}
        self._size = size if size is not None else self._total()
        if self._size:
            self._part(max(0, self._size - _STEP), self._size)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return bytes from here on, to the end unless `size` says how many."""
        end = self._size if size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        found = self._known(self._at, end)
        if found is None:
            self._part(self._at, min(self._size, max(end, self._at + _STEP)))
            found = self._known(self._at, end) or b""
        self._at += len(found)
        return found

    def _known(self, start: int, end: int) -> bytes | None:
        for begin, content in self._parts.items():
            if begin <= start and end <= begin + len(content):
                return content[start - begin : end - begin]
        return None

    def _part(self, start: int, end: int) -> None:
        """Ask for a part; a server that gives the whole file where that is small is taken at its word."""
        self._read += end - start
        if self._read > _MOST:
            raise OSError("more of the file would be read than its metadata can take")
        status, where, body = self._asked(f"bytes={start}-{end - 1}", limit=end - start)
        if status == _WHOLE and len(body) == self._size:
            self._parts[0] = body
        elif status == _PART and where is not None and int(where[1]) == start and len(body) == end - start:
            self._parts[start] = body
        else:
            raise OSError("the server sent another range than was asked for")

    def _total(self) -> int:
        """Return the file's size, as the answer to a first small range says it."""
        _status, where, _body = self._asked("bytes=0-0", limit=1)
        if where is None:
            raise OSError("the server does not know ranges")
        return int(where[3])

    def _asked(self, wanted: str, *, limit: int) -> tuple[int, re.Match[str] | None, bytes]:
        answer = self._http.get(
            self._url, limit=limit, ok=_ANSWERS, headers={"Range": wanted, "Accept-Encoding": "identity"}
        )
        return answer.status, _RANGE.fullmatch(answer.headers.get("content-range", "")), answer.body
