"""Reads a thing that somebody made: told by what it is, never by its name alone. Nothing is unpacked to disk."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING

from crossdock.contents.collect import Contents, FileFacts
from crossdock.errors import ArchiveError, ImageError
from crossdock.inspect.binary import is_binary

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.contents.collect import Stream
    from crossdock.store import Store
    from crossdock.target.model import Target

#: More files than the largest image or application has; above it a zip is a bomb.
MOST_FILES = 1_000_000
#: Largest ratio that deflate can reach is about 1030 (zlib's documentation); leave room for rounding.
_LARGEST_RATIO = 1100


def read_contents(path: Path, *, target: Target | None = None, store: Store | None = None) -> Contents:
    """Return the files of a wheel, directory, zip (also with a program before it, as `.pex`) or OCI image.

    `target` chooses the image of an index; with a store, an image's layer is read once. Raises `ArchiveError` (E-CONTENTS-*) where the thing is none of
    these, is broken, or has members whose names lead out of it.
    """
    if path.is_dir():
        return _read_image(path, target, store) or _read_directory(path)
    if not path.is_file():
        raise ArchiveError(f"no such file or directory: `{path}`", code="E-CONTENTS-MISSING")
    with path.open("rb") as file:
        head = file.read(512)
    # A tar may well end with a zip stored in it, so it is asked first.
    if head[257:262] != b"ustar" and zipfile.is_zipfile(path):
        return _read_zip(path)
    if is_binary(head[:8]):
        return _read_binary(path)
    image = _read_image(path, target, store)
    if image is not None:
        return image
    raise ArchiveError(
        f"not a wheel, directory, zip or image: `{path.name}`",
        code="E-CONTENTS-KIND",
        hint="give a .whl, .zip or .pex file, a directory, an OCI layout, or an archive that `docker save` wrote",
    )


def _read_image(path: Path, target: Target | None, store: Store | None) -> Contents | None:
    if path.is_dir() and not (path / "oci-layout").is_file():
        return None
    # Most things are no images, and all this takes time to load.
    from crossdock.contents.image import read_image
    from crossdock.oci.layout import find_layout

    try:
        layout = find_layout(path)
    except ImageError as error:
        if error.code == "E-IMAGE-ZSTD":
            raise
        # A tar that holds no image, or half of one: which of the two cannot be told.
        raise ArchiveError(
            error.message, code="E-CONTENTS-IMAGE", places=error.places, hint=error.hint
        ) from error
    return None if layout is None else read_image(layout, target=target, store=store)


def _read_binary(path: Path) -> Contents:
    contents = Contents(kind="binary", name=path.name)
    with path.open("rb") as file:
        contents.add(path.name, path.stat().st_size, lambda: file)
    return contents


def _read_directory(root: Path) -> Contents:
    contents = Contents(kind="directory", name=str(root))
    for directory, names, files in os.walk(root):
        names.sort()
        below = os.path.relpath(directory, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        for name in sorted(files):
            full = os.path.join(directory, name)  # noqa: PTH118  (a Path for each of many thousand files is slow)
            status = os.lstat(full)
            if stat.S_ISLNK(status.st_mode):
                # PTH115: as above
                contents.files[prefix + name] = FileFacts(size=0, link=os.readlink(full))  # noqa: PTH115
            elif stat.S_ISREG(status.st_mode):
                opened = _Lazy(full)
                try:
                    contents.add(
                        prefix + name,
                        status.st_size,
                        opened.open,
                        executable=bool(status.st_mode & 0o111),
                    )
                finally:
                    opened.close()
    return contents


class _Lazy:
    """Opens a file only when its content is asked for, and closes it if it was."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file: Stream | None = None

    def open(self) -> Stream:
        # Closed by `close`, in the caller's `finally`.
        self.file = opened = open(self.path, "rb", buffering=0)  # noqa: SIM115, PTH123
        return opened

    def close(self) -> None:
        close = getattr(self.file, "close", None)
        if close is not None:
            close()


def _read_zip(path: Path) -> Contents:
    """Read any zip, leniently: bytes before the archive are allowed, as in every `.pex` and zipapp.

    This reader judges what others made and never installs from it: what crossdock installs goes through the
    strict reader of `archive`. Names that lead out of the archive are refused here too.
    """
    contents = Contents(kind="zip", name=path.name)
    if path.suffix == ".whl":
        contents.kind, contents.wheel = "wheel", path.name
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_FILES:
                raise ArchiveError(
                    f"zip with {len(members)} members", code="E-CONTENTS-SIZE", places=[path.name]
                )
            for member in members:
                if not member.is_dir():
                    _take_member(contents, archive, member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ArchiveError(
            f"broken zip: {error}", code="E-CONTENTS-BROKEN", places=[path.name], hint="make or fetch it anew"
        ) from error
    return contents


def _take_member(contents: Contents, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    name = inside(member.filename, contents.name)
    if member.file_size > _LARGEST_RATIO * max(member.compress_size, 1):
        raise ArchiveError(
            f"member claims {member.file_size} bytes from {member.compress_size}",
            code="E-CONTENTS-SIZE",
            places=[f"{contents.name}: {name}"],
        )
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        link = archive.read(member).decode("utf-8", "backslashreplace")
        contents.files[name] = FileFacts(size=0, link=link)
        return
    contents.add(name, member.file_size, partial(archive.open, member), executable=bool(mode & 0o111))


def inside(name: str, thing: str) -> str:
    """Return a member's path; raise `ArchiveError` (E-CONTENTS-PATH) if it leads out of the archive."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        raise ArchiveError(
            f"member's name leads out of the archive: {name!r}", code="E-CONTENTS-PATH", places=[thing]
        )
    return "/".join(parts)
