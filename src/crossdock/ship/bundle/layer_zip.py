"""Layers that others made: any zip that AWS unpacks, with links, `./` and whatever else zip programs write.

What we write is read by our own strict reader; what somebody else uploaded long ago need not please us. It is read by
the standard library's, its sizes are proven by reading all of it, and nothing of it lands outside of its directory.
"""

from __future__ import annotations

import posixpath
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from crossdock.errors import ShipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_CHUNK = 1 << 20
#: The longest target of a link (Linux, PATH_MAX).
_LINK = 4096
#: What the standard library raises for damaged zips: bzip2's decompressor OSError, LZMA's (which may be absent from a
#: Python) its own error, and MemoryError for a dictionary of 4 GB that a damaged header asks for.
_DAMAGED: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError, OverflowError, MemoryError),
)
try:
    from lzma import LZMAError
except ImportError:
    pass
else:
    _DAMAGED += (LZMAError,)


def layer_unzipped(path: Path, *, enough: int) -> int:
    """Return the bytes of a layer's files; those of a link are its target's.

    Every byte is inflated and checked, unless the zip itself says that there are more than `enough`. Raise `ShipError`
    (E-BUNDLE-LAYER) for what is no zip, or lies about itself.
    """
    with _opened(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
        if total <= enough:
            for info in archive.infolist():
                _names(path, info)
                for _chunk in _chunks(path, archive, info):
                    pass
        return total


def unpack_layer(path: Path, directory: Path) -> None:
    """Unpack a layer over what is in a directory, as AWS does: later files replace earlier ones.

    Raise `ShipError` (E-BUNDLE-LAYER) for what would land elsewhere, or in the place of a directory.
    """
    root = directory.resolve()
    with _opened(path) as archive:
        for info in archive.infolist():
            name = _names(path, info)
            place = root / name
            if not _resolved(path, place.parent).is_relative_to(root):
                raise _refused(path, f"`{info.filename}` leads out of the layer")
            try:
                _put(path, archive, info, place, name)
            except OSError as error:
                raise _refused(
                    path, f"`{name}` cannot be unpacked over the layers before it: {error.strerror}"
                ) from error


def _resolved(path: Path, place: Path) -> Path:
    """Return a path without links; refuse a circle of them, which Python before 3.13 calls a RuntimeError."""
    try:
        return place.resolve()
    except (RuntimeError, OSError) as error:
        raise _refused(path, f"its links go round in a circle at `{place.name}`") from error


def _put(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path, name: str) -> None:
    if info.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        place.unlink()
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        target = b"".join(_chunks(path, archive, info))[:_LINK].decode("utf-8", "surrogateescape")
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if posixpath.isabs(target) or inside.startswith("..") or "\0" in target:
            raise _refused(path, f"the link `{name}` leads out of the layer")
        place.symlink_to(target)
        return
    with place.open("wb") as file:
        file.writelines(_chunks(path, archive, info))
    place.chmod(0o755 if mode & 0o111 else 0o644)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        if not path.is_file():
            raise _refused(path, "there is no such file")  # a pipe would never end
        return zipfile.ZipFile(path)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except _DAMAGED as error:
        raise _refused(path, f"it is no zip: {error}") from error


def _names(path: Path, info: zipfile.ZipInfo) -> str:
    """Return where a member lies below the layer's root; refuse names that lead out of it."""
    name = posixpath.normpath(info.filename.replace("\\", "/"))
    if name.startswith(("/", "..")) or "\0" in name:
        raise _refused(path, f"`{info.filename[:200]}` leads out of the layer")
    return name


def _chunks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Give a member's content; what is not as long or not what the zip says is refused."""
    left = info.file_size
    try:
        with archive.open(info) as stream:
            source: BinaryIO = stream  # type: ignore[assignment]
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                yield chunk
    except _DAMAGED as error:
        why = str(error) or type(error).__name__
        raise _refused(path, f"`{info.filename[:200]}` cannot be read: {why}") from error
    if left:
        raise _refused(path, f"`{info.filename[:200]}` is not as long as the zip says")


def _refused(path: Path, why: str) -> ShipError:
    return ShipError(
        f"the layer `{path.name}` cannot be used: {why}",
        code="E-BUNDLE-LAYER",
        places=[str(path)],
        hint="`--with-layer` takes the zip that was published as the layer",
    )
