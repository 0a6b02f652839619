"""A layer's table of contents, `stargz.index.json`, and the footer that finds it (estargz.md)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crossdock.archive.deflate import Rows

if TYPE_CHECKING:
    from crossdock.ship.image.layer import Owner

TOC_NAME = "stargz.index.json"
#: Says that nothing should be fetched before the rest.
LANDMARK = ".no.prefetch.landmark"

_BEGIN = b'{"version":1,"entries":['


class ContentsTable:
    """The rows of the table, written as text and as a deflate stream at the same time.

    Rows are alike but for their paths, sizes and hashes, so the stream is made without any search.
    """

    def __init__(self, mtime: int) -> None:
        self._text: list[bytes] = [_BEGIN]
        self._rows = Rows()
        self._rows.plain(_BEGIN)
        self._first = True
        self._time = datetime.fromtimestamp(mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._kinds: dict[tuple[str, int, int, int], bytes] = {}

    def directory(self, path: str, mode: int, owner: Owner) -> None:
        """Add a directory; its path ends in a slash."""
        self._name(path)
        self._again(self._kind("dir", mode, owner) + b"}")

    def link(self, path: str, target: str, owner: Owner) -> None:
        """Add a symbolic link."""
        self._name(path)
        self._again(self._kind("symlink", 0o777, owner))
        self._plain(b',"linkName":' + json.dumps(target, ensure_ascii=False).encode() + b"}")

    def empty(self, path: str, mode: int, owner: Owner) -> None:
        """Add a file without content."""
        self._name(path)
        self._again(self._kind("reg", mode, owner) + b"}")

    def file(self, path: str, mode: int, owner: Owner, *, size: int, offset: int, sha: str) -> None:
        """Add a file; `offset` is where its gzip member begins in the blob."""
        digest = sha.encode()
        self._name(path)
        self._again(self._kind("reg", mode, owner) + b',"size":')
        self._plain(b"%d" % size)
        self._again(b',"offset":')
        self._plain(b"%d" % offset)
        self._again(b',"digest":"sha256:')
        self._again(digest)
        self._again(b'","chunkDigest":"sha256:')
        self._again(digest)
        self._again(b'"}')

    def end(self) -> bytes:
        """End the table and return it as JSON."""
        self._plain(b"]}")
        return b"".join(self._text)

    def packed(self, header: bytes, zeros: int) -> bytes:
        """Return the deflate stream of the ended table behind a tar header and before `zeros` zero bytes."""
        self._rows.zeros(zeros)
        return self._rows.finish(header=header)

    def _name(self, path: str) -> None:
        self._again(b'{"name":"' if self._first else b',{"name":"')
        self._first = False
        text = (
            path.encode()
            if path.isascii() and path.isprintable() and '"' not in path and "\\" not in path
            else json.dumps(path, ensure_ascii=False)[1:-1].encode()
        )
        self._text.append(text)
        self._rows.like(text)

    def _kind(self, kind: str, mode: int, owner: Owner) -> bytes:
        key = (kind, mode, *owner)
        known = self._kinds.get(key)
        if known is None:
            known = self._kinds[key] = (
                f'","type":"{kind}","modtime":"{self._time}","mode":{mode},"uid":{owner.uid},"gid":{owner.gid}'
            ).encode()
        return known

    def _again(self, text: bytes) -> None:
        self._text.append(text)
        self._rows.again(text)

    def _plain(self, text: bytes) -> None:
        self._text.append(text)
        self._rows.plain(text)


def footer(toc_offset: int) -> bytes:
    """Return the last 51 bytes: an empty gzip member whose extra field says where the table's member begins."""
    extra = b"%016xSTARGZ" % toc_offset
    return b"".join(
        (
            b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff",  # FLG: FEXTRA
            (4 + len(extra)).to_bytes(2, "little"),
            b"SG",
            len(extra).to_bytes(2, "little"),
            extra,
            b"\x01\x00\x00\xff\xff",  # an empty stored block
            bytes(8),  # its CRC and size
        )
    )
