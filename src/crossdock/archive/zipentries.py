"""The entries of a zip: each central entry with its local header, and all of them tiling the file."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.refusal import refuse
from crossdock.archive.zipextra import BadExtraError, Extra, parse_extra
from crossdock.archive.zipformat import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    FLAG_DESCRIPTOR,
    FLAG_UTF8,
    FLAGS_KNOWN,
    LOCAL,
    LOCAL_SIGNATURE,
    ONES16,
    ONES32,
    STORED,
)

if TYPE_CHECKING:
    from typing import NoReturn

    from crossdock.archive.limits import Limits
    from crossdock.archive.zipend import Directory

_TYPE_MASK = 0xF000
_REGULAR = 0x8000
_DIRECTORY = 0x4000
_SYMLINK = 0xA000
_DOS_DIRECTORY = 0x10
#: What a deflate stream of nothing looks like: some writers give directories one.
_EMPTY_STREAM = b"\x03\x00"

_DESCRIPTOR32 = Struct("<3L")
_DESCRIPTOR64 = Struct("<L2Q")


class Entry(NamedTuple):
    """What central and local header agree on; `name` ends in a slash for a directory."""

    name: str
    mode: int
    method: int
    crc: int
    compressed: int
    size: int
    header_offset: int
    data_offset: int
    time: int


class _Central(NamedTuple):
    """A central entry; the offset comes first so that a list of them sorts by it."""

    offset: int
    place: int  # in the directory
    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    mode: int
    time: int


def read_entries(view: memoryview, directory: Directory, filename: str, limits: Limits) -> list[Entry]:
    """Return every entry, sorted by offset, or raise `ArchiveError` (codes `E-ZIP-…`).

    Names are decoded and unique, and not judged as paths yet.
    """
    records = bytes(view[directory.offset : directory.offset + directory.size])
    centrals = _read_directory(records, directory, filename, limits)
    centrals.sort()
    entries = []
    expected = 0
    last = len(centrals) - 1
    for index, central in enumerate(centrals):
        offset, place, raw_name, name, flags, method, crc, compressed, size, mode, time = central
        if offset != expected:
            _misplaced(filename, central, expected)
        data = offset + LOCAL.size + len(raw_name)
        # Nearly every local header is the central entry once more, without extra fields: one comparison.
        plain = LOCAL_SIGNATURE + records[place + 6 : place + 30] + b"\0\0" + raw_name
        if view[offset:data] == plain and not flags & FLAG_DESCRIPTOR and ONES32 not in {compressed, size}:
            expected = data + compressed
        else:
            following = directory.offset if index == last else centrals[index + 1].offset
            data, expected = _careful(view, central, following, directory.offset, filename)
        if expected > directory.offset:
            refuse(filename, "E-ZIP-OVERLAP", "a member runs into the directory", member=name, offset=offset)
        if name[-1] == "/" and (size or (compressed and view[data:expected] != _EMPTY_STREAM)):
            refuse(filename, "E-ZIP-DIRECTORY", "a directory has content", member=name, offset=offset)
        entries.append(Entry(name, mode, method, crc, compressed, size, offset, data, time))
    if expected != directory.offset:
        what = f"{directory.offset - expected} bytes before the directory belong to no entry"
        refuse(filename, "E-ZIP-GAP", what, offset=expected)
    return entries


def _misplaced(filename: str, central: _Central, expected: int) -> NoReturn:
    """Refuse an entry that does not begin where the one before it ends."""
    if not expected:
        what = f"{central.offset} bytes come before the first entry"
        refuse(filename, "E-ZIP-PREFIX", what, member=central.name, offset=0)
    if central.offset < expected:
        # Overlapping entries are the non-recursive bomb (CVE-2024-0450), and two names for one content.
        what = f"an entry begins before the one before it ends (at {expected})"
        refuse(filename, "E-ZIP-OVERLAP", what, member=central.name, offset=central.offset)
    what = f"{central.offset - expected} bytes between two entries belong to none"
    refuse(filename, "E-ZIP-GAP", what, member=central.name, offset=expected)


def _read_directory(records: bytes, directory: Directory, filename: str, limits: Limits) -> list[_Central]:
    """Return the central entries; the directory must hold exactly as many as stated, and nothing else."""
    centrals = []
    seen: set[bytes] = set()
    unpack, header, end = CENTRAL.unpack_from, CENTRAL.size, len(records)
    at = names = 0
    for _ in range(directory.entries):
        if at + header > end or records[at : at + 4] != CENTRAL_SIGNATURE:
            what = f"the directory holds fewer than the {directory.entries} entries stated"
            refuse(filename, "E-ZIP-DIRECTORY-COUNT", what, offset=directory.offset + at)
        fields = unpack(records, at)
        _s, _made, _need, flags, method, time, date, crc, compressed, size, length, extra, comment, disk, _i, attributes, offset = fields  # fmt: skip
        raw_name = records[at + header : at + header + length]
        following = at + header + length + extra + comment
        if following > end:
            refuse(
                filename,
                "E-ZIP-DIRECTORY-COUNT",
                "the last entry runs past the directory",
                offset=directory.offset + at,
            )
        name = _decode(raw_name, flags, filename, directory.offset + at)
        if raw_name in seen:
            # Other bytes or the same: pip takes the last, uv's stream reader none, zipfile either.
            refuse(filename, "E-ZIP-DUPLICATE", "a name comes twice", member=name, offset=offset)
        seen.add(raw_name)
        names += length
        if extra or comment or disk:
            compressed, size, offset = _unusual(
                records[at + header + length : following], fields, raw_name, filename
            )
        elif ONES32 in {compressed, size, offset}:
            refuse(filename, "E-ZIP-ZIP64", "sizes are left to a zip64 field that is missing", member=name)
        central = _Central(
            offset,
            at,
            raw_name,
            name,
            flags,
            method,
            crc,
            compressed,
            size,
            attributes >> 16,
            date << 16 | time,
        )
        _check_central(central, attributes, filename, limits)
        centrals.append(central)
        at = following
    if at != end:
        what = f"the directory holds more than the {directory.entries} entries stated"
        refuse(filename, "E-ZIP-DIRECTORY-COUNT", what, offset=directory.offset + at)
    if names > limits.name_bytes:
        refuse(filename, "E-ZIP-LIMIT-NAMES", f"{names} bytes of names, more than {limits.name_bytes}")
    return centrals


def _decode(raw: bytes, flags: int, filename: str, offset: int) -> str:
    """Return a name as text: UTF-8 if flagged so, else ASCII; everything else is guessed differently by readers."""
    try:
        name = raw.decode("utf-8" if flags & FLAG_UTF8 else "ascii")
    except UnicodeDecodeError:
        shown = raw.decode("utf-8", "backslashreplace")
        what = "a name is not UTF-8" if flags & FLAG_UTF8 else "a name is not ASCII and not marked as UTF-8"
        refuse(filename, "E-ZIP-NAME", what, member=shown, offset=offset)
    if not name:
        refuse(filename, "E-ZIP-NAME", "a name is empty", offset=offset)
    return name


def _unusual(tail: bytes, fields: tuple[int, ...], raw_name: bytes, filename: str) -> tuple[int, int, int]:
    """Return compressed size, size and offset of a central entry that has extra fields, a comment or a disk."""
    compressed, size, extra, disk, offset = fields[8], fields[9], fields[11], fields[13], fields[16]
    member = raw_name.decode("utf-8", "backslashreplace")
    if disk not in {0, ONES16}:
        refuse(filename, "E-ZIP-DISKS", "an entry lies on another disk", member=member)
    if b"PK" in tail[extra:]:
        refuse(filename, "E-ZIP-COMMENT", "an entry's comment holds a zip signature", member=member)
    try:
        found = parse_extra(tail[:extra], raw_name)
        if disk:
            found = _without_disk(found)
        numbers = found.numbers(size == ONES32, compressed == ONES32, offset == ONES32)
    except BadExtraError as error:
        refuse(filename, "E-ZIP-EXTRA", str(error), member=member)
    return (
        numbers[1] if compressed == ONES32 else compressed,
        numbers[0] if size == ONES32 else size,
        numbers[2] if offset == ONES32 else offset,
    )


def _without_disk(extra: Extra) -> Extra:
    """Return a zip64 field without the disk that stands last in it; it must be the first disk."""
    if extra.zip64 is None or extra.zip64[-4:] != b"\0\0\0\0" or not len(extra.zip64) % 8:
        raise BadExtraError("an entry lies on another disk")
    return Extra(extra.zip64[:-4])


def _check_central(central: _Central, attributes: int, filename: str, limits: Limits) -> None:
    """Refuse what an entry must not be, judged by its central entry alone."""
    _offset, _at, _raw, name, flags, method, _crc, compressed, size, mode, _time = central
    if flags & ~FLAGS_KNOWN:
        what = (
            "is encrypted"
            if flags & 0x2041
            else "holds patch data"
            if flags & 0x20
            else f"has flags 0x{flags:04x}"
        )
        refuse(filename, "E-ZIP-FLAGS", f"a member {what}", member=name, offset=central.offset)
    if method not in {STORED, DEFLATED}:
        what = f"compression method {method}; wheels are stored or deflated"
        refuse(filename, "E-ZIP-METHOD", what, member=name, offset=central.offset)
    if method == STORED and compressed != size:
        refuse(filename, "E-ZIP-SIZE", "a stored member has two sizes", member=name, offset=central.offset)
    if size > limits.member_size:
        refuse(filename, "E-ZIP-LIMIT-SIZE", f"{size} bytes, more than {limits.member_size}", member=name)
    kind = mode & _TYPE_MASK
    is_dir = name[-1] == "/"
    if kind == _SYMLINK:
        refuse(filename, "E-ZIP-SYMLINK", "a member is a symbolic link", member=name, offset=central.offset)
    # A mode of 0 comes from writers on Windows: the name tells what it is.
    if kind not in {0, _DIRECTORY if is_dir else _REGULAR} or (attributes & _DOS_DIRECTORY and not is_dir):
        what = f"a member is neither file nor directory, or its name and its mode ({mode:o}) disagree"
        refuse(filename, "E-ZIP-TYPE", what, member=name, offset=central.offset)


def _careful(
    view: memoryview, central: _Central, following: int, limit: int, filename: str
) -> tuple[int, int]:
    """Compare a local header with its central entry field by field; return where data begins and entry ends."""
    offset, _at, raw_name, name, flags, method, crc, compressed, size, _mode, _time = central
    if offset + LOCAL.size > limit or view[offset : offset + 4] != LOCAL_SIGNATURE:
        refuse(
            filename, "E-ZIP-LOCAL", "no local header where the directory points", member=name, offset=offset
        )
    _s, _need, l_flags, l_method, _t, _d, l_crc, l_compressed, l_size, length, extra = LOCAL.unpack_from(
        view, offset
    )
    data = offset + LOCAL.size + length + extra
    local_name = bytes(view[offset + LOCAL.size : offset + LOCAL.size + length])
    if local_name != raw_name:
        what = (
            f"the local header names another file: `{local_name[:140].decode('utf-8', 'backslashreplace')}`"
        )
        refuse(filename, "E-ZIP-LOCAL-NAME", what, member=name, offset=offset)
    if (l_flags, l_method) != (flags, method):
        refuse(
            filename,
            "E-ZIP-LOCAL",
            "local header and directory differ in flags or method",
            member=name,
            offset=offset,
        )
    try:
        found = parse_extra(bytes(view[data - extra : data]), raw_name)
        l_size, l_compressed = found.local_sizes(l_size, l_compressed)
    except BadExtraError as error:
        refuse(filename, "E-ZIP-EXTRA", str(error), member=name, offset=offset)
    end = data + compressed
    stated, local = (crc, compressed, size), (l_crc, l_compressed, l_size)
    if flags & FLAG_DESCRIPTOR:
        agree = all(mine in {0, theirs} for mine, theirs in zip(local, stated, strict=True))
        wide = found.zip64 is not None
        end = _descriptor(view, end, following, stated, member=name, filename=filename, wide=wide)
    else:
        agree = local == stated
    if not agree:
        refuse(
            filename,
            "E-ZIP-LOCAL",
            "local header and directory differ in CRC or sizes",
            member=name,
            offset=offset,
        )
    return data, end


def _descriptor(
    view: memoryview,
    at: int,
    following: int,
    stated: tuple[int, int, int],
    *,
    member: str,
    filename: str,
    wide: bool,
) -> int:
    """Return where the data descriptor at `at` ends; it must fill the room up to the next entry (APPNOTE 4.3.9)."""
    record = _DESCRIPTOR64 if wide else _DESCRIPTOR32
    found = bytes(view[at:following]) if 0 <= following - at <= record.size + 4 else b""
    body = found[4:] if len(found) == record.size + 4 and found[:4] == DESCRIPTOR_SIGNATURE else found
    if len(body) != record.size or record.unpack(body) != stated:
        what = "no data descriptor that says what the directory says, right behind the member"
        refuse(filename, "E-ZIP-DESCRIPTOR", what, member=member, offset=at)
    return following
