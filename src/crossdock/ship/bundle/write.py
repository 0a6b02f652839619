"""The zip: members copied from wheels as they lie there, sorted, dated 1980; the same bytes on every host."""

from __future__ import annotations

import zlib
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO

from crossdock.archive.zipformat import STORED
from crossdock.archive.zipwrite import ZipWriter
from crossdock.errors import ShipError
from crossdock.safepath import PathRules
from crossdock.ship.bundle.layout import damaged
from crossdock.ship.files import write_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from crossdock.oci.blob import BlobSource
    from crossdock.ship.bundle.model import BundleFile, Raw

#: Bytes that are copied, hashed and written at once.
_CHUNK = 1 << 20
#: Files of our own up to this many bytes are compressed; libdeflate wants them whole in memory.
_COMPRESSED_UP_TO = 8 << 20
#: Wheels that are open at once.
_OPEN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenZip:
    """A zip that was written: its SHA-256 in hex, its bytes, and the files in it with their bytes when unpacked."""

    sha256: str
    size: int
    files: int
    unzipped: int

    @property
    def source_code_hash(self) -> str:
        """The SHA-256 in base64: AWS's CodeSha256, Terraform's source_code_hash."""
        return b64encode(bytes.fromhex(self.sha256)).decode()


def write_zip(
    path: Path, files: Iterable[BundleFile], *, check: Callable[[WrittenZip], None] = lambda _written: None
) -> WrittenZip:
    """Write `files` to the zip `path`, whole or not at all, in the order of the bytes of their names.

    `check` is called before it takes its name, and may refuse it. Files only, no directories; no extra fields, no comments, no data descriptors; modes 0644 and 0755, made by unix.
    Raise `StoreError` (E-STORE-DAMAGED) if a wheel's bytes are not those that were verified, `ShipError`
    (E-APP-CHANGED) if a file of the user's changed meanwhile, (E-SHIP-WRITE) for what the disk says.
    """
    ordered = sorted(files, key=lambda file: file.path.encode())

    def write(out: BinaryIO) -> WrittenZip:
        sink = _Hashing(out)
        with ExitStack() as stack, ZipWriter(sink, rules=PathRules.POSIX) as archive:
            blobs = _Blobs(stack)
            for file in ordered:
                _add(archive, file, blobs)
        sink.flush()
        written = WrittenZip(
            sha256=sink.hasher.hexdigest(),
            size=sink.size,
            files=len(ordered),
            unzipped=sum(file.size for file in ordered),
        )
        check(written)
        return written

    return write_stream(path, write)


class _Hashing:
    """Gathers small pieces, hashes and writes them."""

    def __init__(self, out: BinaryIO) -> None:
        self.hasher = sha256()
        self.size = 0
        self._out = out
        self._pieces: list[bytes] = []
        self._waiting = 0

    def write(self, data: bytes, /) -> None:
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        data = b"".join(self._pieces)
        self.hasher.update(data)
        self._out.write(data)
        self.size += len(data)
        self._pieces.clear()
        self._waiting = 0


class _Blobs:
    """The wheels that are copied from, each opened once as long as there are not too many."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[Path, BinaryIO] = {}

    def chunks(self, raw: Raw) -> Iterator[bytes]:
        """Yield a member's compressed bytes; raise `StoreError` unless they are those that were verified."""
        found = 0
        left = raw.compressed
        try:
            blob = self._blob(raw.blob)
            blob.seek(raw.offset)
            while left:
                chunk = blob.read(min(left, _CHUNK))
                if not chunk:
                    raise damaged(raw.blob)
                left -= len(chunk)
                found = zlib.crc32(chunk, found)
                if not left and raw.check not in (None, found):
                    raise damaged(raw.blob)
                yield chunk
        except OSError as error:
            raise damaged(raw.blob) from error

    def _blob(self, path: Path) -> BinaryIO:
        known = self._open.get(path)
        if known is None:
            if len(self._open) >= _OPEN:
                self._stack.close()
                self._open.clear()
            known = self._open[path] = self._stack.enter_context(path.open("rb", buffering=0))
        return known


def _add(archive: ZipWriter, file: BundleFile, blobs: _Blobs) -> None:
    raw = file.raw
    if raw is not None:
        archive.add_raw_chunks(
            file.path,
            blobs.chunks(raw),
            compressed=raw.compressed,
            size=file.size,
            crc32=raw.crc32,
            method=raw.method,
            executable=file.executable,
        )
    elif file.size <= _COMPRESSED_UP_TO:
        content = file.content
        if content is None:
            content = b"".join(_unchanged(file))
        archive.add_deflated(file.path, content, executable=file.executable)
    else:
        # The CRC stands before the bytes, so they are read twice.
        crc = 0
        for chunk in _unchanged(file):
            crc = zlib.crc32(chunk, crc)
        archive.add_raw_chunks(
            file.path,
            _unchanged(file),
            compressed=file.size,
            size=file.size,
            crc32=crc,
            method=STORED,
            executable=file.executable,
        )


def _unchanged(file: BundleFile) -> Iterator[bytes]:
    """Yield the content of a file of the user's; raise `ShipError` if it is no longer what it was when it was hashed."""
    hasher = sha256()
    try:
        for chunk in _source(file).chunks():
            hasher.update(chunk)
            yield chunk
    except OSError as error:
        raise _changed(file) from error
    if hasher.hexdigest() != file.sha256:
        raise _changed(file)


def _source(file: BundleFile) -> BlobSource:
    if file.source is not None:
        return file.source
    from crossdock.oci.blob import BytesSource

    return BytesSource(file.content or b"")


def _changed(file: BundleFile) -> ShipError:
    return ShipError(
        f"`{file.path}` changed while it was written into the zip",
        code="E-APP-CHANGED",
        hint="run again when nothing else writes there",
    )
