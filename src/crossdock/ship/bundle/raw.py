"""A wheel read once: what is in it and where the compressed bytes of each file lie, remembered in the store."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.inspect.collect import FACTS_VERSION
from crossdock.ship.installed import WheelFacts, wheel_facts

if TYPE_CHECKING:
    from mmap import mmap
    from pathlib import Path

    from crossdock.archive.wheel import Wheel, WheelFile
    from crossdock.digest import Digest
    from crossdock.ship.read import WheelReader
    from crossdock.store import Store

_FACT = "raw-wheel"
#: Raised whenever what is remembered changes its form.
_FORM = 1

#: Files above this many bytes are read in pieces: several wheels are read at once, and memory stays flat.
_STREAM_ABOVE = 4 << 20
#: Bytes of a wheel after which the pages of it that were read are let go.
_LET_GO_AFTER = 8 << 20


class RawMember(NamedTuple):
    """Where a file's bytes lie in the wheel: see `crossdock.ship.bundle.model.Raw`."""

    offset: int
    compressed: int
    method: int
    crc32: int
    check: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawWheel:
    """What shipping a wheel needs to know of it, once every byte of it was verified.

    `members` are those of `facts.files`, in their order. `binaries` are (path as the audit wants it, facts as JSON).
    `requires` is Requires-Dist as METADATA has it.
    """

    facts: WheelFacts
    tags: tuple[str, ...]
    binaries: tuple[tuple[str, dict[str, Any]], ...]
    dropped: tuple[str, ...]
    problems: tuple[str, ...]
    requires: tuple[str, ...]
    members: tuple[RawMember, ...]


def find_raw_wheel(
    store: Store, digest: Digest, filename: str, *, allow_bad_record: bool = False
) -> RawWheel | None:
    """Return what `read_raw_wheel` kept of a wheel, None if it was not read yet."""
    value = store.get_fact(_FACT, _key(digest, filename, allow_bad_record=allow_bad_record))
    try:
        return None if value is None else _from_json(value)
    except (LookupError, TypeError, ValueError):
        return None


def read_raw_wheel(
    store: Store, digest: Digest, blob: Path, filename: str, *, allow_bad_record: bool = False
) -> RawWheel:
    """Read the wheel `blob`, verify every byte of it against its RECORD, and keep what was learnt.

    Raise `ArchiveError` for a wheel that is broken or hostile. Memory stays flat, whatever the size of its files.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules
    from crossdock.ship.read import WheelReader
    from crossdock.store.mapped import mapped

    buffer = mapped(blob)
    # The path rules are the place's: every place that zips go to runs Linux.
    with Wheel.open(buffer, filename, rules=PathRules.POSIX, allow_bad_record=allow_bad_record) as wheel:
        reader = WheelReader(wheel)
        members = _read_members(wheel, reader, buffer, store.scratch)
        read = reader.result()
        facts = wheel_facts(wheel)
        raw = RawWheel(
            facts=facts,
            tags=read.tags,
            binaries=read.binaries,
            dropped=read.dropped,
            problems=read.problems,
            requires=wheel.requires_dist,
            members=tuple(members[file.scheme, file.path] for file in facts.files),
        )
    store.put_fact(_FACT, _key(digest, filename, allow_bad_record=allow_bad_record), _to_json(raw))
    return raw


def _read_members(
    wheel: Wheel, reader: WheelReader, buffer: mmap | bytes, scratch: Path
) -> dict[tuple[str, str], RawMember]:
    """Read every file, in the order of the bytes, and return where each lies by scheme and path."""
    from crossdock.store.mapped import let_go

    found: dict[tuple[str, str], RawMember] = {}
    held = 0
    for file in sorted(wheel.files, key=lambda one: one.member.data_offset):
        member = file.member
        _verify(wheel, reader, file, buffer, scratch)
        check = 0
        for chunk in wheel.archive.raw_chunks(member):
            check = zlib.crc32(chunk, check)
        found[file.scheme, str(file.path)] = RawMember(
            member.data_offset, member.compressed_size, member.method, member.crc32, check
        )
        held += member.compressed_size
        if held > _LET_GO_AFTER:
            let_go(buffer)
            held = 0
    let_go(buffer)
    return found


def _verify(wheel: Wheel, reader: WheelReader, file: WheelFile, buffer: mmap | bytes, scratch: Path) -> None:
    """Read a file to its end, which checks it, and take note of what it is."""
    if file.member.size <= _STREAM_ABOVE:
        reader.saw(file, wheel.read(file))
        return
    from crossdock.ship.spool import BinarySpool
    from crossdock.store.mapped import letting_go

    spool = BinarySpool(scratch)
    for _chunk in spool.through(letting_go(wheel.stream(file), buffer)):
        pass
    reader.found(file, spool.facts(str(file.path)))


def _key(digest: Digest, filename: str, *, allow_bad_record: bool) -> str:
    # The file name is part of it: name, version and tags were checked against this one.
    return f"{_FORM}.{FACTS_VERSION} {digest} {filename}{' badrecord' if allow_bad_record else ''}"


def _to_json(raw: RawWheel) -> dict[str, Any]:
    return {
        "facts": raw.facts.to_json(),
        "tags": raw.tags,
        "binaries": raw.binaries,
        "dropped": raw.dropped,
        "problems": raw.problems,
        "requires": raw.requires,
        "members": raw.members,
    }


def _from_json(value: dict[str, Any]) -> RawWheel:
    return RawWheel(
        facts=WheelFacts.from_json(value["facts"]),
        tags=tuple(value["tags"]),
        binaries=tuple((path, binary) for path, binary in value["binaries"]),
        dropped=tuple(value["dropped"]),
        problems=tuple(value["problems"]),
        requires=tuple(value["requires"]),
        members=tuple(map(RawMember._make, value["members"])),
    )
