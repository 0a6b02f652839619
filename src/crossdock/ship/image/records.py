"""What is known of a layer's wheels, small enough to travel beside the image.

A build that takes over the layer from a registry audits it by this, and lists it in a bill of materials, without
fetching a wheel.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.archive import deflate, gzipwrite
from crossdock.digest import Digest
from crossdock.errors import CrossdockError, ImageError, ShipError
from crossdock.inspect.collect import FACTS_VERSION
from crossdock.oci import media
from crossdock.oci.blob import Blob, BytesSource
from crossdock.oci.model import Descriptor, Manifest, canonical_json
from crossdock.ship.image.annotations import KEY
from crossdock.ship.image.model import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossdock.ship.entries import Entry
    from crossdock.ship.image.wheel_layer import WheelSource
    from crossdock.ship.installed import InstalledFile
    from crossdock.ship.read import ReadWheel

ARTIFACT_TYPE = "application/vnd.crossdock.wheel-records.v1"
_MEDIA_TYPE = "application/vnd.crossdock.wheel-records.v1+json+gzip"
#: The specification's empty config.
_EMPTY = b"{}"
#: Records of a layer that unpack to more are refused: a wheel of 13,000 files has 2 MiB. As Python's values they take
#: twenty times as much memory, and several are read at once.
_LARGEST = 16 << 20
#: What stands before the key of a base's facts.
_BASE = "base-facts "
#: Hex digits of a file's hash that tell two files apart that lie in one place; not a proof, and not used as one.
_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelRecord:
    """One wheel of a layer. `paths` are its files as they lie in the image, with a short hash of content and mode."""

    name: str
    version: str
    filename: str
    digest: Digest
    tags: tuple[str, ...]
    binaries: tuple[tuple[str, dict[str, Any]], ...] = ()
    problems: tuple[str, ...] = ()
    start_up_hooks: tuple[str, ...] = ()
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sboms: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "name": self.name,
            "version": self.version,
            "filename": self.filename,
            "digest": str(self.digest),
            "tags": list(self.tags),
            "binaries": [list(item) for item in self.binaries],
            "problems": list(self.problems),
            "start_up_hooks": list(self.start_up_hooks),
            "metadata": {name: list(values) for name, values in self.metadata.items()},
            "sboms": dict(self.sboms),
            "paths": dict(self.paths),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> WheelRecord:
        """Read what `to_json` gave; `LookupError`, `TypeError`, `ValueError` or `CrossdockError` for all else."""
        return cls(
            name=str(value["name"]),
            version=str(value["version"]),
            filename=str(value["filename"]),
            digest=Digest.parse(value["digest"]),
            tags=tuple(map(str, value["tags"])),
            binaries=tuple((str(path), dict(binary)) for path, binary in value["binaries"]),
            problems=tuple(map(str, value["problems"])),
            start_up_hooks=tuple(map(str, value["start_up_hooks"])),
            metadata={str(name): tuple(map(str, values)) for name, values in value["metadata"].items()},
            sboms={str(path): str(text) for path, text in value["sboms"].items()},
            paths={str(path): str(short) for path, short in value["paths"].items()},
        )


def record_of(source: WheelSource, read: ReadWheel, installed: Iterable[InstalledFile]) -> WheelRecord:
    """Return the record of a wheel that was written into a layer."""
    return WheelRecord(
        name=source.name,
        version=read.version,
        filename=source.filename,
        digest=source.digest,
        tags=read.tags,
        binaries=read.binaries,
        problems=(*read.problems, *(f"dropped: {path}" for path in read.dropped)),
        start_up_hooks=read.start_up_hooks,
        metadata=read.metadata,
        sboms=read.sboms,
        paths={file.path: _short(file.sha256, executable=file.executable) for file in installed},
    )


def _short(digest: str, *, executable: bool, link: str = "") -> str:
    return sha256(f"{link or digest} {executable}".encode()).hexdigest()[:_DIGITS]


def encode_records(records: Sequence[WheelRecord]) -> bytes:
    """Return records as one gzip member: the same bytes for the same records, everywhere."""
    packer = _Packer()
    packer.text(b'{"facts":%d,"wheels":[' % FACTS_VERSION)
    for number, record in enumerate(records):
        value = record.to_json()
        paths = value.pop("paths")
        packer.text(b"," if number else b"")
        # Thousands of paths in order need no search for what repeats.
        packer.text(canonical_json(value)[:-1] + b',"paths":{')
        packer.paths(paths)
        packer.text(b"}}")
    packer.text(b"]}")
    return packer.finish()


class _Packer:
    """JSON that is encoded while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._rows = deflate.Rows()

    def text(self, text: bytes) -> None:
        self._parts.append(text)
        self._rows.text(text)

    def paths(self, paths: Mapping[str, str]) -> None:
        rows = self._rows
        for number, (path, short) in enumerate(sorted(paths.items())):
            name = b"%s%s" % (b"," if number else b"", json.dumps(path, ensure_ascii=False).encode())
            digits = short.encode()
            self._parts += (name, b':"', digits, b'"')
            rows.like(name)
            rows.again(b':"')
            rows.plain(digits)
            rows.plain(b'"')

    def finish(self) -> bytes:
        return gzipwrite.wrap(self._rows.finish(), b"".join(self._parts))


def decode_records(packed: bytes) -> tuple[WheelRecord, ...]:
    """Read what `encode_records` gave; raise `ImageError` (E-IMAGE-RECORDS) for anything else."""
    try:
        return tuple(map(WheelRecord.from_json, _current(json.loads(_unpacked(packed)))))
    except (
        zlib.error,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        CrossdockError,
    ) as error:
        raise _broken(error) from error


def _current(value: Any) -> Any:
    """Return the wheels of records if they were made by this release's readers of binaries."""
    if value["facts"] != FACTS_VERSION:
        raise ValueError("they were made by another release, which read binaries otherwise")
    return value["wheels"]


def _unpacked(packed: bytes) -> bytes:
    engine = zlib.decompressobj(31)
    plain = engine.decompress(packed, _LARGEST)
    if not engine.eof:
        raise ValueError("too large, or cut off")
    return plain


def _broken(error: Exception) -> ImageError:
    return ImageError(
        f"broken records of a layer: {error}",
        code="E-IMAGE-RECORDS",
        hint="build without the previous image: `--previous none`",
    )


def records_blob(packed: bytes, key: str) -> Blob:
    """Return encoded records of the layer with this key as a blob of the artifact."""
    descriptor = Descriptor.of(packed, _MEDIA_TYPE, annotations={KEY: key})
    return Blob(descriptor=descriptor, source=BytesSource(packed))


def base_blob(value: object, key: str) -> Blob:
    """Return the facts of a base, JSON-ready, as a blob of the artifact; `key` is what they are a function of."""
    plain = canonical_json(value)
    return records_blob(gzipwrite.wrap(deflate.compact(plain), plain), _BASE + key)


def base_key(key: str) -> str:
    """Return the key that the facts of a base have in the artifact."""
    return _BASE + key


def decode_base(packed: bytes) -> Any:
    """Read what `base_blob` packed; raise `ImageError` (E-IMAGE-RECORDS) for what is no JSON."""
    try:
        return json.loads(_unpacked(packed))
    except (zlib.error, ValueError, RecursionError) as error:
        raise _broken(error) from error


def records_attachment(subject: Descriptor, records: Sequence[Blob]) -> Attachment:
    """Return the artifact that holds the records of all layers of an image, one blob a layer.

    A layer that did not change has the same blob, so nothing of it is sent again.
    """
    config = Descriptor.of(_EMPTY, media.EMPTY)
    manifest = Manifest(
        config=config,
        layers=tuple(blob.descriptor for blob in records),
        artifact_type=ARTIFACT_TYPE,
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
    ).to_bytes()
    return Attachment(
        descriptor=Descriptor.of(manifest, media.MANIFEST, artifact_type=ARTIFACT_TYPE),
        manifest=manifest,
        blobs=(Blob(descriptor=config, source=BytesSource(_EMPTY)), *records),
    )


class Owner(NamedTuple):
    """What else than a wheel writes files into an image; `paths` as a `WheelRecord`'s."""

    name: str
    paths: Mapping[str, str]
    version: str = ""


def owner_of(name: str, entries: Iterable[Entry]) -> Owner:
    """Return files and links that come from no wheel as something to find collisions with."""
    return Owner(
        name,
        {one.path: _short(one.sha256, executable=bool(one.mode & 0o111), link=one.link) for one in entries},
    )


def refuse_collisions(records: Iterable[WheelRecord | Owner]) -> None:
    """Refuse what writes one path of an image with different contents; `ShipError` names both owners.

    A file where another wheel has a directory is refused as well: of two layers the upper would hide the lower.
    """
    owners: dict[str, WheelRecord | Owner] = {}
    directories: dict[str, WheelRecord | Owner] = {}
    for record in sorted(records, key=lambda one: one.name):
        for path, short in record.paths.items():
            other = owners.setdefault(path, record)
            if other is not record and other.paths[path] != short:
                raise _clash(other, record, path)
            parent = path.rpartition("/")[0]
            while parent and parent not in directories:
                directories[parent] = record
                parent = parent.rpartition("/")[0]
    for path in sorted(owners.keys() & directories.keys()):
        raise _clash(owners[path], directories[path], path)


def _clash(one: WheelRecord | Owner, other: WheelRecord | Owner, path: str) -> ShipError:
    return collision(f"{one.name} {one.version}".strip(), f"{other.name} {other.version}".strip(), path)


def collision(one: str, other: str, path: str) -> ShipError:
    """Return the refusal of two packages that write one path with different contents."""
    return ShipError(
        f"`{one}` and `{other}` both write `/{path}`, and differ",
        code="E-SHIP-COLLISION",
        hint="only one of the two can be installed; drop one from the requirements",
    )
