"""Wheels transcoded to a layer: every deflate stream is copied, and verified in the same pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive import deflate
from crossdock.archive.wheel import Wheel
from crossdock.digest import Digest
from crossdock.oci.model import canonical_json
from crossdock.safepath import PathRules
from crossdock.ship.image.layer import LayerWriter, WrittenLayer
from crossdock.ship.image.model import Slice
from crossdock.ship.image.records import WheelRecord, collision, record_of
from crossdock.ship.installed import installed_files, wheel_facts
from crossdock.ship.read import WheelReader
from crossdock.ship.spool import BinarySpool
from crossdock.store.mapped import letting_go, mapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import ExitStack
    from mmap import mmap
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink
    from crossdock.archive.wheel import WheelFile
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.installed import InstalledFile, PayloadFile
    from crossdock.target.model import Target

#: Raised whenever a byte of the layers changes for the same wheels.
FORMAT = 2

#: Files above this many bytes are read in pieces, so that memory stays flat.
_STREAM_ABOVE = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """A wheel whose file is at hand; `direct_url` as in `ChosenWheel`, `name` normalized."""

    name: str
    filename: str
    digest: Digest
    blob: Path
    direct_url: bytes | None = None
    allow_bad_record: bool = False


class KeyPart(NamedTuple):
    """What of one wheel decides the bytes of its layer."""

    digest: Digest
    filename: str
    direct_url: bytes | None = None
    allow_bad_record: bool = False


def wheel_layer_key(wheels: Sequence[KeyPart], *, target: Target, layout: ImageLayout) -> str:
    """Return the key of the layer with these wheels: known from the lock, before a wheel is here.

    The architecture is no part of it: a pure wheel's layer is the same everywhere. A wheel that may have a wrong
    RECORD makes another key: who does not allow it must not find its layer, in the store or in a registry.
    """
    rows = sorted(
        [str(digest), filename, Digest.of(url).hex if url else "", *(["bad RECORD allowed"] if bad else [])]
        for digest, filename, url, bad in wheels
    )
    value = ["wheels", FORMAT, *layout.words(target), rows]
    return Digest.of(canonical_json(value)).hex


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelLayer:
    """A layer of wheels: what was written, each package's part of it, and what was read, wheel by wheel."""

    written: WrittenLayer
    slices: tuple[Slice, ...]
    records: tuple[WheelRecord, ...]


@dataclass(slots=True)
class _Open:
    """A wheel while its layer is written."""

    source: WheelSource
    wheel: Wheel
    reader: WheelReader
    installed: list[InstalledFile]
    by_place: dict[str, WheelFile]
    buffer: mmap | bytes
    scratch: Path | None
    compressed: int = 0
    uncompressed: int = 0
    files: int = 0


def write_wheel_layer(
    wheels: Sequence[WheelSource],
    *,
    target: Target,
    layout: ImageLayout,
    out: Sink,
    scratch: Path | None = None,
) -> WheelLayer:
    """Write the layer that holds `wheels` as installed where `layout` says, with all that installing them writes.

    Raises `ArchiveError` for a wheel that is broken or hostile, and `ImageError` or `ShipError` for what cannot
    lie in a layer; what was written to `out` is then worth nothing. `scratch` is a directory for copies of large
    binaries.
    """
    from contextlib import ExitStack

    with ExitStack() as stack:
        opened = [
            _open(one, target, layout, stack, scratch) for one in sorted(wheels, key=lambda one: one.name)
        ]
        writer = LayerWriter(out)
        for file, one in sorted(_files(opened), key=lambda item: item[0].path):
            before = writer.size, writer.uncompressed_size
            _write(writer, file, one)
            one.compressed += writer.size - before[0]
            one.uncompressed += writer.uncompressed_size - before[1]
            one.files += 1
        return WheelLayer(
            written=writer.finish(),
            slices=tuple(
                Slice(
                    name=one.source.name,
                    version=one.wheel.version,
                    compressed=one.compressed,
                    uncompressed=one.uncompressed,
                    files=one.files,
                )
                for one in opened
            ),
            records=tuple(record_of(one.source, one.reader.result(), one.installed) for one in opened),
        )


def _open(
    source: WheelSource, target: Target, place: ImageLayout, stack: ExitStack, scratch: Path | None
) -> _Open:
    # The path rules are the image's: it runs on Linux.
    buffer = mapped(source.blob)
    wheel = stack.enter_context(
        Wheel.open(
            buffer,
            source.filename,
            rules=PathRules.POSIX,
            allow_bad_record=source.allow_bad_record,
        )
    )
    reader = WheelReader(wheel)
    layout = place.schemes(target)
    members = {(file.scheme, str(file.path)): file for file in wheel.files}

    def read(payload: PayloadFile) -> bytes:
        return wheel.read(members[payload.scheme, payload.path])

    installed = installed_files(wheel_facts(wheel), target, layout, read=read, direct_url=source.direct_url)
    _refuse_environment(source.name, installed, place.own_paths(target))
    by_place = {layout.place(file.scheme, str(file.path), wheel.name): file for file in wheel.files}
    return _Open(source, wheel, reader, installed, by_place, buffer, scratch)


def _refuse_environment(name: str, installed: Iterable[InstalledFile], own: Sequence[str]) -> None:
    """Refuse a wheel that writes what makes the environment one: the layer above would hide it, or it would break that."""
    needed = {parent for path in own for parent in _parents(path)}
    below = tuple(f"{path}/" for path in own)
    for file in installed:
        if file.path in needed or file.path in own or file.path.startswith(below):
            raise collision(name, "the environment", file.path)


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _files(opened: Sequence[_Open]) -> Iterator[tuple[InstalledFile, _Open]]:
    """Give every file of every wheel; one that two wheels hold alike is given once, unlike ones are refused."""
    seen: dict[str, tuple[InstalledFile, _Open]] = {}
    for one in opened:
        for file in one.installed:
            other, owner = seen.setdefault(file.path, (file, one))
            if other is file:
                yield file, one
            elif (other.sha256, other.executable) != (file.sha256, file.executable):
                raise collision(owner.source.name, one.source.name, file.path)


def _write(writer: LayerWriter, file: InstalledFile, one: _Open) -> None:
    mode = 0o755 if file.executable else 0o644
    source = one.by_place.get(file.path)
    if file.content is not None or source is None:
        content = file.content or b""
        if source is not None:
            one.reader.saw(source, content)
        writer.file(file.path, content, mode=mode, sha=file.sha256)
        return
    member = source.member
    if member.size > _STREAM_ABOVE:
        _write_large(writer, file, source, one, mode)
        return
    content = one.wheel.read(source)
    one.reader.saw(source, content)
    # What a wheel stores stays stored: a few wheels hold nothing else, and our encoder is slow.
    raw = one.wheel.archive.raw(member) if member.method else deflate.stored(content)
    writer.deflated(file.path, raw=raw, plain=content, crc=member.crc32, sha=source.sha256, mode=mode)


def _write_large(writer: LayerWriter, file: InstalledFile, source: WheelFile, one: _Open, mode: int) -> None:
    """Write a file in pieces; pages of the wheel that were read are let go, so that memory stays flat."""
    member = source.member
    spool = BinarySpool(one.scratch)
    plain = letting_go(spool.through(one.wheel.stream(source)), one.buffer)
    if member.method:
        raw = letting_go(one.wheel.archive.raw_chunks(member), one.buffer)
        writer.deflated_stream(
            file.path,
            raw=raw,
            plain=plain,
            size=member.size,
            crc=member.crc32,
            sha=source.sha256,
            mode=mode,
        )
    else:
        writer.stream(file.path, plain, size=member.size, sha=source.sha256, mode=mode)
    one.reader.found(source, spool.facts(str(source.path)))
