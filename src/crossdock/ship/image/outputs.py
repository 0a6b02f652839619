"""An image into files: an OCI layout that is updated in place, or one archive of it (image-layout.md).

Whoever reads a layout while it is written sees the old index or the new one, and all blobs of either; an archive
appears whole or not at all. What a killed run left is cleared by the next.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from glob import escape as glob_escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.tarwrite import TarWriter
from crossdock.errors import ShipError
from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource, FileSource, verified
from crossdock.oci.layout import is_layout, open_layout
from crossdock.oci.model import Descriptor, Index
from crossdock.ship.image.reach import reachable, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossdock.archive.tarwrite import Sink
    from crossdock.digest import Digest
    from crossdock.oci.model import Platform
    from crossdock.ship.image.model import Attachment, Image

_LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'
_SCRATCH = ".crossdock-"
#: What a layout's directory may hold before its first index is there.
_OURS = frozenset({"oci-layout", "blobs", "index.json"})


class LayoutChange(NamedTuple):
    """What writing a layout did, in blobs and bytes."""

    written: int
    kept: int
    removed: int
    bytes_written: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """What goes into a layout: every blob once, manifests among them, and the entries of its index."""

    blobs: tuple[Blob, ...]
    entries: tuple[Descriptor, ...]


def bundle(
    image: Image, names: Sequence[str], *, platform: Platform | None = None, attachments: bool = True
) -> Bundle:
    """Return the parts of an image under its names (tags, or full names); of one platform only if that is given.

    Attachments (SBOM, provenance, signatures) get entries of their own, so that tools find them without an API.
    """
    found: dict[Digest, Blob] = {}

    def add(blobs: Iterable[Blob]) -> None:
        for blob in blobs:
            found.setdefault(blob.descriptor.digest, blob)

    top = image.descriptor
    chosen = [one for one in image.platforms if platform is None or one.platform == platform]
    attached: list[Attachment] = list(image.attachments) if platform is None and attachments else []
    for one in chosen:
        add(one.blobs())
        add([Blob(descriptor=one.descriptor, source=BytesSource(one.manifest))])
        attached += one.attachments if attachments else ()
        if platform is not None:
            top = one.descriptor
    if platform is None:
        add([Blob(descriptor=top, source=BytesSource(image.top))])
    for attachment in attached:
        add(attachment.blobs)
        add([Blob(descriptor=attachment.descriptor, source=BytesSource(attachment.manifest))])
    entries = [_named(top, name) for name in names]
    entries += {one.descriptor.digest: _plain(one.descriptor) for one in attached}.values()
    return Bundle(blobs=tuple(found.values()), entries=tuple(entries))


def _named(top: Descriptor, name: str) -> Descriptor:
    annotations = {media.REF_NAME: name}
    if "/" in name or ":" in name:
        annotations[media.CONTAINERD_NAME] = name
    return replace(top, annotations=annotations)


def _plain(descriptor: Descriptor) -> Descriptor:
    return replace(descriptor, platform=None)


# Layouts


def write_layout(
    image: Image,
    root: Path,
    *,
    names: Sequence[str] = ("latest",),
    store: Path | None = None,
    prune: bool = False,
) -> LayoutChange:
    """Put an image into the OCI layout at `root`, made when missing, under `names`.

    Blobs that are there are kept; new ones are links to files below `store` (the store's root: its blobs were
    verified) where the file system can, else copies, verified on the way. Entries of the same names are
    replaced, with the attachments of what they named; others stay, and so do blobs that nothing names any more,
    unless `prune`. The index is replaced last. Raise `ShipError` (E-SHIP-LAYOUT, E-SHIP-WRITE) or `ImageError`.
    """
    parts = bundle(image, names)
    try:
        _prepare(root)
        with _alone(root):
            _clear(root)
            change = LayoutChange(0, 0, 0, 0)
            for blob in parts.blobs:
                change = _place(root, blob, store, change)
            entries = _merged(root, parts)
            _replace(root, "oci-layout", _LAYOUT_FILE)
            _replace(root, "index.json", Index(manifests=entries).to_bytes())
            return change._replace(removed=_prune(root)) if prune else change
    except OSError as error:
        raise _cannot_write(root, error) from error


def _prepare(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    foreign = [] if is_layout(root) else [one.name for one in root.iterdir() if not _is_ours(one.name)]
    if foreign:
        raise ShipError(
            f"`{root}` is there and is no OCI layout",
            code="E-SHIP-LAYOUT",
            places=sorted(foreign)[:5],
            hint="choose an empty directory, or one that does not exist; an archive's name ends in `.tar`",
        )


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith(_SCRATCH)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other writers of this layout out: reading the index and replacing it is one step."""
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(root: Path) -> None:
    """Remove what a run that was killed left half-written."""
    for folder in (root, *(root / "blobs").glob("*")):
        for path in folder.glob(f"{_SCRATCH}*"):
            path.unlink()


def _place(root: Path, blob: Blob, store: Path | None, change: LayoutChange) -> LayoutChange:
    digest, size = blob.descriptor.digest, blob.descriptor.size
    place = root / "blobs" / digest.algorithm / digest.hex
    with suppress(FileNotFoundError):
        if place.stat().st_size == size:
            return change._replace(kept=change.kept + 1)
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = place.with_name(f"{_SCRATCH}{os.urandom(8).hex()}")
    if not _link(blob, store, scratch):
        _write(scratch, verified(blob.descriptor, blob.source))
    scratch.replace(place)
    _sync(place.parent)
    return change._replace(written=change.written + 1, bytes_written=change.bytes_written + size)


def _link(blob: Blob, store: Path | None, place: Path) -> bool:
    source = blob.source
    if store is None or not isinstance(source, FileSource) or source.offset:
        return False
    path = Path(os.path.normpath(source.path.absolute()))
    if not path.is_relative_to(Path(os.path.normpath(store.absolute()))):
        return False
    try:
        if path.stat().st_size != blob.descriptor.size:
            return False
        os.link(path, place)
    except OSError:
        return False  # another file system, or one without links: then by copy
    return True


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(root: Path, name: str, content: bytes) -> None:
    path = root / name
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    scratch = root / f"{_SCRATCH}{os.urandom(8).hex()}"
    _write(scratch, (content,))
    scratch.replace(path)
    _sync(root)


def _sync(directory: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _merged(root: Path, parts: Bundle) -> tuple[Descriptor, ...]:
    """Return the index's new entries: those that stay in their order, then ours."""
    if not is_layout(root):
        return parts.entries
    layout = open_layout(root)
    old = layout.entries()
    names = {one.annotations.get(media.REF_NAME) for one in parts.entries} - {None}
    replaced = [one for one in old if one.annotations.get(media.REF_NAME) in names]
    stay = [one for one in old if one not in replaced and one not in parts.entries]
    # Attachments of what is gone go with it; those of what stays, signatures perhaps, are not ours to drop.
    gone = reachable(layout, replaced) - reachable(layout, [one for one in stay if not one.artifact_type])
    gone -= {one.descriptor.digest for one in parts.blobs}
    stay = [one for one in stay if not one.artifact_type or subject_of(layout, one) not in gone]
    return (*stay, *parts.entries)


def _prune(root: Path) -> int:
    """Remove the blobs that the index does not lead to; return how many."""
    layout = open_layout(root)
    wanted = {(one.algorithm, one.hex) for one in reachable(layout, layout.entries())}
    removed = 0
    for folder in sorted((root / "blobs").iterdir()):
        for path in sorted(folder.iterdir()):
            if (folder.name, path.name) not in wanted and path.is_file():
                path.unlink()
                removed += 1
    return removed


# Archives


def write_archive(
    image: Image, path: Path, *, names: Sequence[str] = ("latest",), attachments: bool = False
) -> int:
    """Write an image to one tar of an OCI layout at `path`, replaced in one step; return its size in bytes.

    The same image and names give the same bytes. An image of one platform is also what `docker load` takes.
    Attachments come in on request only: `podman load` refuses an archive whose index has more than one entry
    (podman 4.3, tested), and for the same reason one name is better than several. Raise `ShipError` E-SHIP-WRITE
    or `ImageError`.
    """
    platform = image.platforms[0].platform if len(image.platforms) == 1 else None
    scratch = path.with_name(f"{_SCRATCH}{path.name}-{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_stale(path)
        try:
            with scratch.open("xb") as file:
                _try_lock(file.fileno())
                parts = bundle(image, names, attachments=attachments)
                stream_archive(parts, file, docker=docker_manifest(image, platform, names))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            scratch.replace(path)
            _sync(path.parent)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return size


def _clear_stale(path: Path) -> None:
    """Remove what killed runs left beside an archive; one that is being written is locked by its writer."""
    for left in path.parent.glob(f"{_SCRATCH}{glob_escape(path.name)}-*"):
        with suppress(FileNotFoundError), left.open("rb") as file:
            if _try_lock(file.fileno()):
                left.unlink()


def _try_lock(descriptor: int) -> bool:
    if os.name == "nt":
        return False  # there nobody can remove an open file, and nobody can tell
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def stream_archive(parts: Bundle, out: Sink, *, docker: bytes | None = None) -> None:
    """Write the tar of a layout to anything with `write`: entries by name, dates and modes fixed.

    `docker` is a `manifest.json` for Docker's classic loader. Blobs are verified on the way; raise `ImageError` for
    one that is not what it should be, with the tar then unfinished.
    """
    folders = sorted({one.descriptor.digest.algorithm for one in parts.blobs})
    with TarWriter(out) as tar:
        tar.add_directory("blobs")
        for folder in folders:
            tar.add_directory(f"blobs/{folder}")
        for blob in sorted(parts.blobs, key=lambda one: one.descriptor.digest):
            digest = blob.descriptor.digest
            chunks = verified(blob.descriptor, blob.source)
            tar.add_chunks(f"blobs/{digest.algorithm}/{digest.hex}", chunks, size=blob.descriptor.size)
        tar.add("index.json", Index(manifests=parts.entries).to_bytes())
        if docker is not None:
            tar.add("manifest.json", docker)
        tar.add("oci-layout", _LAYOUT_FILE)


def docker_manifest(image: Image, platform: Platform | None, names: Sequence[str]) -> bytes | None:
    """Return docker's list of one image, by the blobs' places (moby, image/spec v1.2); None for an index."""
    for one in image.platforms:
        if one.platform == platform:
            blobs = [blob.descriptor.digest for blob in one.blobs()]
            places = [f"blobs/{digest.algorithm}/{digest.hex}" for digest in blobs]
            tags = [name for name in names if "/" in name or ":" in name]
            value = [{"Config": places[-1], "Layers": places[:-1], "RepoTags": tags}]
            return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return None


def _cannot_write(path: Path, error: OSError) -> ShipError:
    return ShipError(
        f"cannot write `{path}`: {(error.strerror or str(error)).lower()}",
        code="E-SHIP-WRITE",
        hint="free space or choose another place, and run again: nothing there was changed by half",
    )
