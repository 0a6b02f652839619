"""One image layer: a gzip of many members, valid eStargz, whose bytes depend on its entries alone.

    blob   := H ( B H )* TOC FOOTER          each a gzip member (RFC 1952: members may follow each other)
    H      := padding of the file before, headers of directories and empty files, header of the next file
    B      := the payload of one file, its deflate stream copied from where it came, or encoded by us

OCI image specification, layer.md; estargz.md of containerd's stargz-snapshotter.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from crossdock.archive import deflate, gzipwrite
from crossdock.archive.tarwrite import BLOCK, MTIME, Sink, padding, tar_header
from crossdock.digest import Digest
from crossdock.errors import ImageError
from crossdock.safepath import show
from crossdock.ship.image.contents_table import LANDMARK, TOC_NAME, ContentsTable, footer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LANDMARK_CONTENT = b"\x0f"
#: Runtimes take such a name for the removal of a file below (layer.md, "Whiteouts").
_WHITEOUT = ".wh."
#: Contents up to this size are encoded by us; larger ones would take longer than their transfer gains.
_COMPACT_LIMIT = 128 << 10
_PIECE = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLayer:
    """What was written: digest and size in bytes of the blob, and of what a reader unpacks."""

    digest: Digest
    size: int
    diff_id: Digest
    uncompressed_size: int
    toc_digest: Digest
    files: int


class Owner(NamedTuple):
    """Numbers of user and group."""

    uid: int = 0
    gid: int = 0


_ROOT = Owner()


class LayerWriter:
    """Writes entries in the order they are added, each directory before what is in it, to anything with `write`.

    Paths have no first slash. A parent that nobody added gets an entry of its own, 0755 and root's: the
    specification is silent on missing ones, and runtimes differ (0700, 0777). Raises `ImageError` for a path
    twice, a file where a directory is needed, and names that runtimes take for something else.
    """

    def __init__(self, out: Sink, *, mtime: int = MTIME) -> None:
        self._out = out
        self._mtime = mtime
        self._digest = sha256()
        self._diff_id = sha256()
        #: Bytes written so far, as they are and as they unpack.
        self.size = 0
        self.uncompressed_size = 0
        self._pending: list[bytes] = []
        self._directories: set[str] = {""}
        self._files: set[str] = set()
        self._contents = ContentsTable(mtime)
        # Without an entry for the root, podman 4.3 that pulls ranges leaves it 0700.
        self._add_header("./", b"5", 0o755)
        self._contents.directory("./", 0o755, _ROOT)
        self._add_content(LANDMARK, _LANDMARK_CONTENT, 0o644, _ROOT, sha256(_LANDMARK_CONTENT).hexdigest())

    @property
    def files(self) -> int:
        """How many files and links were added."""
        return len(self._files)

    def directory(self, path: str, *, mode: int = 0o755, owner: Owner = _ROOT) -> None:
        """Add a directory; one that is there already is left as it is."""
        self._check(path)
        if path in self._files:
            raise _refused(path, "is a file and a directory")
        if path not in self._directories:
            self._make_parents(path)
            self._add_directory(path, mode, owner)

    def symlink(self, path: str, target: str, *, owner: Owner = _ROOT) -> None:
        """Add a symbolic link; where it leads is the caller's to judge."""
        self._take(path)
        self._add_header(path, b"2", 0o777, link=target, owner=owner)
        self._contents.link(path, target, owner)

    def file(
        self, path: str, content: bytes, *, mode: int = 0o644, owner: Owner = _ROOT, sha: str | None = None
    ) -> None:
        """Add a file whose bytes are at hand; `sha` is their SHA-256 in hex where it is known."""
        self._take(path)
        self._add_content(path, content, mode, owner, sha or sha256(content).hexdigest())

    def stream(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        size: int,
        sha: str,
        mode: int = 0o644,
        owner: Owner = _ROOT,
    ) -> None:
        """Add a file of `size` bytes piece by piece, stored; that they are `sha`'s is the caller's to verify.

        Raise `ImageError` if they are more or fewer.
        """
        if size <= _COMPACT_LIMIT:
            content = b"".join(chunks)
            if len(content) != size:
                raise _refused(path, f"has {len(content)} bytes, {size} were announced")
            self.file(path, content, mode=mode, owner=owner, sha=sha)
            return
        self._take(path)
        self._begin(path, mode, owner, size, sha)
        self._emit(gzipwrite.HEADER)
        left, crc = size, 0
        for piece in _pieces(chunks):
            left -= len(piece)
            if left < 0:
                break
            crc = crc32(piece, crc)
            self._diff_id.update(piece)
            self._emit(deflate.stored_header(len(piece), final=not left))
            self._emit(piece)
        if left:
            raise _refused(path, f"does not have the {size} bytes that were announced")
        self._end(crc, size)

    def deflated(
        self,
        path: str,
        *,
        raw: bytes,
        plain: bytes,
        crc: int,
        sha: str,
        mode: int = 0o644,
    ) -> None:
        """Add a file by its deflate stream `raw`, copied as it is; `plain` is what it unpacks to.

        That the stream ends where it should, and that CRC and hash are right, the caller has verified.
        """
        self._take(path)
        if not plain:
            self._add_empty(path, mode, _ROOT)
            return
        self._begin(path, mode, _ROOT, len(plain), sha)
        self._emit(b"".join((gzipwrite.HEADER, raw, gzipwrite.trailer(crc, len(plain)))))
        self._diff_id.update(plain)
        self._finished(len(plain))

    def deflated_stream(
        self,
        path: str,
        *,
        raw: Iterable[bytes],
        plain: Iterable[bytes],
        size: int,
        crc: int,
        sha: str,
        mode: int = 0o644,
    ) -> None:
        """Add a file as `deflated` does, piece by piece: first all of `plain`, which may verify, then `raw`."""
        self._take(path)
        self._begin(path, mode, _ROOT, size, sha)
        for chunk in plain:
            self._diff_id.update(chunk)
        self._emit(gzipwrite.HEADER)
        for chunk in raw:
            self._emit(chunk)
        self._end(crc, size)

    def finish(self) -> WrittenLayer:
        """Write what ends a layer and return what it is; nothing can be added then."""
        self._flush()
        table = self._contents.end()
        toc_offset = self.size
        header = tar_header(TOC_NAME, kind=b"0", mode=0o644, size=len(table), mtime=self._mtime)
        tail = len(padding(len(table))) + 2 * BLOCK
        plain = b"".join((header, table, bytes(tail)))
        self._diff_id.update(plain)
        self.uncompressed_size += len(plain)
        self._emit(gzipwrite.wrap(self._contents.packed(header, tail), plain))
        self._emit(footer(toc_offset))
        return WrittenLayer(
            digest=Digest("sha256", self._digest.hexdigest()),
            size=self.size,
            diff_id=Digest("sha256", self._diff_id.hexdigest()),
            uncompressed_size=self.uncompressed_size,
            toc_digest=Digest.of(table),
            files=len(self._files),
        )

    # Paths

    def _check(self, path: str) -> None:
        if _WHITEOUT in path and any(part.startswith(_WHITEOUT) for part in path.split("/")):
            raise _refused(path, f"has a name that runtimes take for a removal (`{_WHITEOUT}`)")
        if path in {TOC_NAME, LANDMARK, ".prefetch.landmark"}:
            raise _refused(path, "has a name that belongs to the layer itself")
        if path.startswith("/") or "//" in f"{path}/" or "\0" in path or not path or _has_dots(path):
            raise _refused(path, "is not a path within the image")

    def _take(self, path: str) -> None:
        self._check(path)
        if path in self._files or path in self._directories:
            raise _refused(path, "is there twice")
        parent = path.rpartition("/")[0]
        if parent not in self._directories:
            self._make_parents(path)
        self._files.add(path)

    def _make_parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent in self._files:
                raise _refused(parent, "is a file and a directory")
            if parent not in self._directories:
                self._add_directory(parent, 0o755, _ROOT)

    # Entries

    def _add_directory(self, path: str, mode: int, owner: Owner) -> None:
        self._directories.add(path)
        self._add_header(f"{path}/", b"5", mode, owner=owner)
        self._contents.directory(f"{path}/", mode, owner)

    def _add_header(
        self, path: str, kind: bytes, mode: int, *, size: int = 0, link: str = "", owner: Owner = _ROOT
    ) -> None:
        self._pending.append(
            tar_header(
                path,
                kind=kind,
                mode=mode,
                size=size,
                link=link,
                mtime=self._mtime,
                uid=owner.uid,
                gid=owner.gid,
            )
        )

    def _add_content(self, path: str, content: bytes, mode: int, owner: Owner, sha: str) -> None:
        if not content:
            self._add_empty(path, mode, owner)
            return
        self._begin(path, mode, owner, len(content), sha)
        packed = deflate.compact(content) if len(content) <= _COMPACT_LIMIT else deflate.stored(content)
        self._emit(gzipwrite.wrap(packed, content))
        self._diff_id.update(content)
        self._finished(len(content))

    def _add_empty(self, path: str, mode: int, owner: Owner) -> None:
        self._add_header(path, b"0", mode, owner=owner)
        self._contents.empty(path, mode, owner)

    def _begin(self, path: str, mode: int, owner: Owner, size: int, sha: str) -> None:
        """Write the header of a file with content, so that its payload's member comes next."""
        self._add_header(path, b"0", mode, size=size, owner=owner)
        self._flush()
        self._contents.file(path, mode, owner, size=size, offset=self.size, sha=sha)

    def _end(self, crc: int, size: int) -> None:
        self._emit(gzipwrite.trailer(crc, size))
        self._finished(size)

    def _finished(self, size: int) -> None:
        self.uncompressed_size += size
        if size % BLOCK:
            self._pending.append(padding(size))

    def _flush(self) -> None:
        """Write what waits as one member: eStargz wants a gzip header exactly where a payload begins."""
        if not self._pending:
            return
        plain = b"".join(self._pending)
        self._pending.clear()
        self._diff_id.update(plain)
        self.uncompressed_size += len(plain)
        self._emit(gzipwrite.headers_member(plain))

    def _emit(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self.size += len(data)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what stored blocks hold: full ones but for the last, however the chunks were cut."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % _PIECE
        for start in range(0, whole, _PIECE):
            yield data[start : start + _PIECE]
        rest = data[whole:]
    if rest:
        yield rest


def _has_dots(path: str) -> bool:
    return "./" in f"{path}/" and not {".", ".."}.isdisjoint(path.split("/"))


def _refused(path: str, why: str) -> ImageError:
    return ImageError(
        f"`{show(path)}` cannot be in a layer: it {why}",
        code="E-IMAGE-PATH",
        hint="rename it, or leave it out",
    )
