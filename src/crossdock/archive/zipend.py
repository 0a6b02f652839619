"""The end of a zip: where its directory lies, told by one end record and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.refusal import refuse
from crossdock.archive.zipformat import (
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCATOR,
    LOCATOR_SIGNATURE,
    ONES16,
    ONES32,
)

if TYPE_CHECKING:
    from crossdock.archive.limits import Limits

_MAX_COMMENT = 0xFFFF


class Directory(NamedTuple):
    """The central directory: its place in the file, and how many entries it holds."""

    offset: int
    size: int
    entries: int


def find_directory(view: memoryview, filename: str, limits: Limits) -> Directory:
    """Return where the central directory lies, or raise `ArchiveError` (codes `E-ZIP-END…`).

    The end record is the last thing in the file and the only one that could be taken for it, so that a reader
    from the front, a reader from the back and we see one archive (CVE-2025-54368, GHSA-pqhf-p39g-3x64).
    """
    tail_offset = max(0, len(view) - END.size - _MAX_COMMENT)
    tail = bytes(view[tail_offset:])
    place = tail.rfind(END_SIGNATURE)
    if place == -1 or len(tail) - place < END.size:
        refuse(filename, "E-ZIP-END", "no end record: not a zip, or a truncated one", offset=len(view))
    end_offset = tail_offset + place
    _sig, disk, start_disk, here, entries, size, offset, comment = END.unpack_from(tail, place)
    # A zip64 archive may say its disks and counts with all ones here, and in full in the zip64 record.
    if here != entries or not {disk, start_disk} <= {0, ONES16}:
        refuse(filename, "E-ZIP-DISKS", "the archive claims to span several disks", offset=end_offset)
    _check_comment(tail, place, comment, filename, end_offset)
    found = Directory(offset, size, entries)
    directory_end = end_offset
    if view[max(0, end_offset - LOCATOR.size) : end_offset][:4] == LOCATOR_SIGNATURE:
        found, directory_end = _zip64(view, end_offset, found, filename)
    elif disk or start_disk:
        refuse(filename, "E-ZIP-DISKS", "the archive claims to span several disks", offset=end_offset)
    if found.entries > limits.members:
        refuse(filename, "E-ZIP-LIMIT-MEMBERS", f"{found.entries} entries, more than {limits.members}")
    if found.offset + found.size != directory_end:
        what = f"the directory should end at {directory_end}, the end record says {found.offset + found.size}"
        refuse(filename, "E-ZIP-END-OFFSET", what, offset=end_offset)
    return found


def _check_comment(tail: bytes, place: int, length: int, filename: str, end_offset: int) -> None:
    """Refuse bytes behind the comment, a comment that is an archive of its own, and a second end record."""
    comment = tail[place + END.size :]
    if len(comment) != length:
        what = f"{len(comment)} bytes follow the end record, whose comment has {length}"
        refuse(filename, "E-ZIP-TRAILING", what, offset=end_offset + END.size)
    if b"PK" in comment:
        refuse(filename, "E-ZIP-COMMENT", "the archive's comment holds a zip signature", offset=end_offset)
    earlier = tail.find(END_SIGNATURE)
    while earlier != place:
        # An end record whose comment would run to the end of the file: readers from the front would take it.
        if len(tail) - earlier >= END.size and earlier + END.size + END.unpack_from(tail, earlier)[-1] == len(
            tail
        ):
            what = "two end records fit the end of the file"
            refuse(filename, "E-ZIP-COMMENT", what, offset=end_offset - place + earlier)
        earlier = tail.find(END_SIGNATURE, earlier + 1)


def _zip64(view: memoryview, end_offset: int, end: Directory, filename: str) -> tuple[Directory, int]:
    """Read the zip64 records before the end record; what both say must agree (APPNOTE 4.3.14, 4.3.15)."""
    locator_offset = end_offset - LOCATOR.size
    _sig, disk, record_offset, disks = LOCATOR.unpack_from(view, locator_offset)
    if disk or disks != 1:
        refuse(filename, "E-ZIP-DISKS", "the archive claims to span several disks", offset=locator_offset)
    if record_offset + END64.size != locator_offset:
        what = "the zip64 end record is not right before its locator"
        refuse(filename, "E-ZIP-END64", what, offset=locator_offset)
    sig, length, _made, _need, disk, start, here, entries, size, offset = END64.unpack_from(
        view, record_offset
    )
    # The size leaves out the signature and itself; more would be an extensible data sector, which nobody writes.
    if sig != END64_SIGNATURE or length != END64.size - 12:
        refuse(
            filename,
            "E-ZIP-END64",
            "no plain zip64 end record where the locator points",
            offset=record_offset,
        )
    if disk or start or here != entries:
        refuse(filename, "E-ZIP-DISKS", "the archive claims to span several disks", offset=record_offset)
    for ours, theirs, ones in (
        (entries, end.entries, ONES16),
        (size, end.size, ONES32),
        (offset, end.offset, ONES32),
    ):
        if theirs not in {ours, ones}:
            what = f"the zip64 end record says {ours} where the end record says {theirs}"
            refuse(filename, "E-ZIP-END64", what, offset=record_offset)
    return Directory(offset, size, entries), record_offset
