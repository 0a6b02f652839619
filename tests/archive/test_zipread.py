"""The zip reader: what it refuses and its good neighbours, class by class, and any mutation of a good archive."""

from __future__ import annotations

import io
import mmap
import random
import struct
import tracemalloc
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rawzip import RawEntry, deflate, descriptor, raw_zip
from tests.support.wheels import wheel_files, zip_bytes

from crossdock.archive.zipread import Limits, ZipArchive
from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from pathlib import Path

A = RawEntry(name=b"a.txt", content=b"alpha" * 20)
B = RawEntry(name=b"b.txt", content=b"beta" * 20)
TEXT = b"some text, some text"
RAW = deflate(TEXT)
ONES = 0xFFFFFFFF


def parse(data: bytes, rules: PathRules = PathRules.POSIX, limits: Limits | None = None) -> ZipArchive:
    return ZipArchive.parse(data, filename="x.whl", rules=rules, limits=limits or Limits())


def read_all(data: bytes) -> list[tuple[str, bytes]]:
    archive = parse(data)
    return [(member.name, archive.read_bytes(member)) for member in archive.members if not member.is_dir]


def entry(name: bytes = b"m.txt", content: bytes = TEXT, **changes: object) -> RawEntry:
    return RawEntry(name=name, content=content, **changes)  # type: ignore[arg-type]


def zip64_extra(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def unicode_path(name: bytes, shown: bytes) -> bytes:
    body = struct.pack("<BL", 1, zlib.crc32(name)) + shown
    return struct.pack("<2H", 0x7075, len(body)) + body


GOOD: dict[str, bytes] = {
    "empty": raw_zip([]),
    "two members": raw_zip([A, B]),
    "stored": raw_zip([entry(method=0)]),
    "an ordinary comment": raw_zip([A], comment=b"made by hand"),
    "a descriptor": raw_zip([entry(flags=8, after=descriptor(TEXT, RAW)), B]),
    "a descriptor without signature": raw_zip(
        [entry(flags=8, after=descriptor(TEXT, RAW, signature=False)), B]
    ),
    "a descriptor, local fields 0": raw_zip(
        [entry(flags=8, local={"crc": 0, "size": 0, "csize": 0}, after=descriptor(TEXT, RAW))]
    ),
    "a zip64 descriptor": raw_zip(
        [
            entry(
                flags=8,
                local={"size": ONES, "csize": ONES, "crc": 0},
                local_extra=zip64_extra(0, 0),
                after=descriptor(TEXT, RAW, wide=True),
            )
        ]
    ),
    "zip64 sizes in both headers": raw_zip(
        [
            entry(
                local={"size": ONES, "csize": ONES},
                local_extra=zip64_extra(len(TEXT), len(RAW)),
                central={"size": ONES, "csize": ONES},
                central_extra=zip64_extra(len(TEXT), len(RAW)),
            )
        ]
    ),
    "redundant zip64 sizes, as Bazel writes them": raw_zip(
        [entry(local_extra=zip64_extra(len(TEXT), len(RAW)))]
    ),
    "a zip64 end record": raw_zip([A], zip64={}),
    "a zip64 end record, counts left to it": raw_zip(
        [A], zip64={}, end={"here": 0xFFFF, "entries": 0xFFFF, "size": ONES, "offset": ONES}
    ),
    "a UTF-8 name with its flag": raw_zip([entry("é.txt".encode(), flags=0x800)]),
    "a Unicode path that agrees": raw_zip([entry(central_extra=unicode_path(b"m.txt", b"m.txt"))]),
    "a time stamp extra in one header": raw_zip([entry(local_extra=b"UT\x05\x00\x01\0\0\0\0")]),
    "mode 0 from Windows": raw_zip([entry(mode=0)]),
    "a directory": raw_zip([entry(b"d/", b"", mode=0o40755, method=0), entry(b"d/m.txt")]),
    "a directory with an empty stream": raw_zip([entry(b"d/", b"", mode=0o40755)]),
    "a zip inside, stored": raw_zip([entry(content=raw_zip([A]), method=0)]),
}


def swapped() -> bytes:
    """Return two members whose directory lists the second first."""
    data = raw_zip([A, B])
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    size = 46 + 5
    first, second = data[start : start + size], data[start + size : start + 2 * size]
    return data[:start] + second + first + data[start + 2 * size :]


GOOD["entries listed in another order than they lie in"] = swapped()


@pytest.mark.parametrize("name", GOOD)
def test_good_archives_are_read_as_zipfile_reads_them(name: str) -> None:
    data = GOOD[name]
    with zipfile.ZipFile(io.BytesIO(data)) as peer:
        expected = {info.filename: peer.read(info) for info in peer.infolist() if not info.is_dir()}
    assert dict(read_all(data)) == expected


def polyglot() -> bytes:
    """Return a file with two end records: the outer one's comment holds the inner archive."""
    outer, inner = raw_zip([A]), raw_zip([B])
    return outer[:-2] + struct.pack("<H", len(inner)) + inner


def overlapping() -> bytes:
    inside = raw_zip([A])
    start = struct.unpack_from("<L", inside, len(inside) - 6)[0]
    # The second entry's header lies inside the first one's stored data.
    return raw_zip(
        [
            entry(b"o.txt", inside[:start], method=0),
            RawEntry(name=A.name, content=A.content, only_central=True, central={"offset": 35}),
        ]
    )


BAD = {
    "nothing": (b"", "E-ZIP-END"),
    "no zip": (b"hello world" * 10, "E-ZIP-END"),
    "cut short": (raw_zip([A])[:-5], "E-ZIP-END"),
    "bytes before the first header": (raw_zip([entry(before=b"#!/bin/sh\n")]), "E-ZIP-PREFIX"),
    "a prefix that no offset knows": (b"MZ" + raw_zip([A]), "E-ZIP-END-OFFSET"),
    "bytes behind the end": (raw_zip([A], suffix=b"x"), "E-ZIP-TRAILING"),
    "two zips in a row": (raw_zip([A]) + raw_zip([B]), "E-ZIP-END-OFFSET"),
    "a zip in the end comment": (polyglot(), "E-ZIP-COMMENT"),
    "a signature in the end comment": (raw_zip([A], comment=b"PK\x03\x04"), "E-ZIP-COMMENT"),
    "a signature in an entry's comment": (raw_zip([entry(comment=b"PK\x05\x06")]), "E-ZIP-COMMENT"),
    "a gap between entries": (raw_zip([A, entry(before=b"hidden")]), "E-ZIP-GAP"),
    "a gap before the directory": (raw_zip([A], gap=b"hidden"), "E-ZIP-GAP"),
    "an unreferenced local header": (raw_zip([A, entry(before=raw_zip([B])[:50])]), "E-ZIP-GAP"),
    "two entries on one local header": (
        raw_zip(
            [
                A,
                RawEntry(
                    name=A.name[:1] + b".tx2", content=A.content, only_central=True, central={"offset": 0}
                ),
            ]
        ),
        "E-ZIP-OVERLAP",
    ),
    "an entry inside another": (overlapping(), "E-ZIP-OVERLAP"),
    "an entry that runs into the directory": (
        raw_zip([entry(method=0, local={"csize": 60, "size": 60}, central={"csize": 60, "size": 60})]),
        "E-ZIP-OVERLAP",
    ),
    "fewer entries than stated": (raw_zip([A], end={"here": 2, "entries": 2}), "E-ZIP-DIRECTORY-COUNT"),
    "more entries than stated": (raw_zip([A, B], end={"here": 1, "entries": 1}), "E-ZIP-DIRECTORY-COUNT"),
    "two counts": (raw_zip([A], end={"here": 2}), "E-ZIP-DISKS"),
    "a second disk": (raw_zip([A], end={"disk": 1}), "E-ZIP-DISKS"),
    "an entry on a second disk": (raw_zip([entry(central={"disk": 1})]), "E-ZIP-DISKS"),
    "a wrong directory size": (raw_zip([A], end={"size": 12}), "E-ZIP-END-OFFSET"),
    "a wrong directory offset": (raw_zip([A], end={"offset": 1}), "E-ZIP-END-OFFSET"),
    "zip64 and end record disagree": (
        raw_zip([A, B], zip64={}, end={"here": 1, "entries": 1}),
        "E-ZIP-END64",
    ),
    "an extensible zip64 record": (raw_zip([A], zip64={"length": 60}), "E-ZIP-END64"),
    "a zip64 locator that points elsewhere": (raw_zip([A], zip64={"record": 0}), "E-ZIP-END64"),
    "two disks by the locator": (raw_zip([A], zip64={"disks": 2}), "E-ZIP-DISKS"),
    "the local header names another file": (raw_zip([entry(local={"name": b"n.txt"})]), "E-ZIP-LOCAL-NAME"),
    "local and central flags": (raw_zip([entry(local={"flags": 2})]), "E-ZIP-LOCAL"),
    "local and central method": (raw_zip([entry(local={"method": 0})]), "E-ZIP-LOCAL"),
    "local and central CRC": (raw_zip([entry(local={"crc": 1})]), "E-ZIP-LOCAL"),
    "local and central size": (raw_zip([entry(local={"size": 1})]), "E-ZIP-LOCAL"),
    "local and central compressed size": (raw_zip([entry(local={"csize": 1})]), "E-ZIP-LOCAL"),
    "local fields 0 without a descriptor": (
        raw_zip([entry(local={"crc": 0, "size": 0, "csize": 0})]),
        "E-ZIP-LOCAL",
    ),
    "a descriptor that is missing": (raw_zip([entry(flags=8), B]), "E-ZIP-DESCRIPTOR"),
    "a descriptor that lies": (
        raw_zip([entry(flags=8, after=descriptor(TEXT, RAW, crc=7)), B]),
        "E-ZIP-DESCRIPTOR",
    ),
    "a descriptor of the wrong width": (
        raw_zip([entry(flags=8, after=descriptor(TEXT, RAW, wide=True)), B]),
        "E-ZIP-DESCRIPTOR",
    ),
    "an encrypted member": (raw_zip([entry(flags=1)]), "E-ZIP-FLAGS"),
    "strong encryption": (raw_zip([entry(flags=0x41)]), "E-ZIP-FLAGS"),
    "masked headers": (raw_zip([entry(flags=0x2000)]), "E-ZIP-FLAGS"),
    "patch data": (raw_zip([entry(flags=0x20)]), "E-ZIP-FLAGS"),
    "an unknown flag": (raw_zip([entry(flags=0x10)]), "E-ZIP-FLAGS"),
    "LZMA": (raw_zip([entry(method=14, raw=b"x")]), "E-ZIP-METHOD"),
    "zstd": (raw_zip([entry(method=93, raw=b"x")]), "E-ZIP-METHOD"),
    "a stored member of two sizes": (raw_zip([entry(method=0, raw=b"abc")]), "E-ZIP-SIZE"),
    "an extra field cut short": (raw_zip([entry(central_extra=b"\1\0\x08")]), "E-ZIP-EXTRA"),
    "an extra field past its end": (raw_zip([entry(local_extra=b"UT\x09\x00\x01")]), "E-ZIP-EXTRA"),
    "two zip64 fields": (raw_zip([entry(central_extra=zip64_extra() * 2)]), "E-ZIP-EXTRA"),
    "a zip64 field of odd length": (raw_zip([entry(central_extra=b"\1\0\4\0abcd")]), "E-ZIP-EXTRA"),
    "a zip64 field that nobody asked for": (raw_zip([entry(central_extra=zip64_extra(1))]), "E-ZIP-EXTRA"),
    "a zip64 field that is missing": (raw_zip([entry(central={"size": ONES})]), "E-ZIP-ZIP64"),
    "a zip64 field that contradicts": (raw_zip([entry(local_extra=zip64_extra(1, len(RAW)))]), "E-ZIP-EXTRA"),
    "a Unicode path that differs": (
        raw_zip([entry(central_extra=unicode_path(b"m.txt", b"n.txt"))]),
        "E-ZIP-EXTRA",
    ),
    "a duplicate, other bytes": (raw_zip([A, entry(A.name)]), "E-ZIP-DUPLICATE"),
    "a duplicate, same bytes": (raw_zip([A, A]), "E-ZIP-DUPLICATE"),
    "an empty name": (raw_zip([entry(b"")]), "E-ZIP-NAME"),
    "a name that is not UTF-8": (raw_zip([entry(b"\xff.txt", flags=0x800)]), "E-ZIP-NAME"),
    "a name that is neither ASCII nor flagged": (raw_zip([entry("é".encode())]), "E-ZIP-NAME"),
    "a symlink": (raw_zip([entry(mode=0o120777, content=b"/etc/passwd")]), "E-ZIP-SYMLINK"),
    "a fifo": (raw_zip([entry(mode=0o010644)]), "E-ZIP-TYPE"),
    "a device": (raw_zip([entry(mode=0o020644)]), "E-ZIP-TYPE"),
    "a directory by mode, a file by name": (raw_zip([entry(mode=0o040755)]), "E-ZIP-TYPE"),
    "a file by mode, a directory by name": (raw_zip([entry(b"d/", b"", mode=0o100644)]), "E-ZIP-TYPE"),
    "a directory with content": (raw_zip([entry(b"d/", mode=0o040755)]), "E-ZIP-DIRECTORY"),
    "bytes hidden in a directory": (
        raw_zip([entry(b"d/", b"", mode=0o040755, raw=b"\x03\x00hidden")]),
        "E-ZIP-DIRECTORY",
    ),
    "a file that is also a directory": (raw_zip([entry(b"d"), entry(b"d/x")]), "E-PATH-FILE-AND-DIRECTORY"),
    "a climbing name": (raw_zip([entry(b"../x")]), "E-PATH-DOTS"),
    "a name that climbs inside": (raw_zip([entry(b"a/../../x")]), "E-PATH-DOTS"),
    "an absolute name": (raw_zip([entry(b"/etc/x")]), "E-PATH-ABSOLUTE"),
    "a backslash": (raw_zip([entry(b"..\\x")]), "E-PATH-BACKSLASH"),
    "a drive": (raw_zip([entry(b"C:/x")]), "E-PATH-DRIVE"),
    "an empty part": (raw_zip([entry(b"a//x")]), "E-PATH-EMPTY"),
    "a dot part": (raw_zip([entry(b"./x")]), "E-PATH-DOTS"),
    "a NUL in a name": (raw_zip([entry(b"a\0b")]), "E-PATH-CONTROL"),
    "an escape in a name": (raw_zip([entry(b"a\x1b[2Jb")]), "E-PATH-CONTROL"),
    "a part of 256 bytes": (raw_zip([entry(b"x" * 256)]), "E-PATH-LONG"),
    "a name of 5000 bytes": (raw_zip([entry(b"x/" * 2500 + b"x")]), "E-PATH-LONG"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives_are_refused_with_their_code(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(ArchiveError) as caught:
        parse(data)
    assert caught.value.code == code
    assert "x.whl" in str(caught.value)
    assert caught.value.hint


BAD_STREAMS = {
    "a wrong CRC": (entry(local={"crc": 1}, central={"crc": 1}), "E-ZIP-CRC"),
    "a wrong CRC, stored": (entry(method=0, local={"crc": 1}, central={"crc": 1}), "E-ZIP-CRC"),
    "bytes behind the final block": (entry(raw=RAW + b"hidden"), "E-ZIP-DEFLATE"),
    "a second stream behind the first": (entry(raw=RAW + RAW), "E-ZIP-DEFLATE"),
    "a stream that does not end": (entry(raw=RAW[:-1]), "E-ZIP-DEFLATE"),
    "no deflate stream": (entry(raw=b"\xff\xff\xff\xff"), "E-ZIP-DEFLATE"),
    "more than stated": (entry(local={"size": 3}, central={"size": 3}), "E-ZIP-SIZE"),
    "less than stated": (entry(local={"size": 99}, central={"size": 99}), "E-ZIP-SIZE"),
    "something where nothing is stated": (entry(local={"size": 0}, central={"size": 0}), "E-ZIP-SIZE"),
    "an empty stream of no bytes": (entry(content=b"", raw=b""), "E-ZIP-DEFLATE"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
@pytest.mark.parametrize("way", ["read", "stream"])
def test_bad_streams_are_refused_when_read(name: str, way: str) -> None:
    bad, code = BAD_STREAMS[name]
    archive = parse(raw_zip([bad]))
    with pytest.raises(ArchiveError) as caught:
        archive.read_bytes(archive.members[0]) if way == "read" else list(archive.stream(archive.members[0]))
    assert caught.value.code == code
    assert "member: `m.txt`" in caught.value.places


@pytest.mark.parametrize(
    ("rules", "names", "code"),
    [
        (PathRules.WINDOWS, [b"con.py"], "E-PATH-DEVICE"),
        (PathRules.ANY, [b"pkg/LPT1"], "E-PATH-DEVICE"),
        (PathRules.WINDOWS, [b"a:b"], "E-PATH-WINDOWS"),
        (PathRules.WINDOWS, [b"dot."], "E-PATH-WINDOWS"),
        (PathRules.ANY, [b"blank "], "E-PATH-WINDOWS"),
        (PathRules.MACOS, [b"Read.me", b"read.ME"], "E-PATH-TWIN"),
        (PathRules.WINDOWS, [b"Pkg/a", b"pkg/b"], "E-PATH-TWIN"),
        (PathRules.ANY, ["é".encode(), "e\u0301".encode()], "E-PATH-TWIN"),
    ],
)
def test_what_harms_only_some_targets_is_refused_for_those(
    rules: PathRules, names: list[bytes], code: str
) -> None:
    data = raw_zip([entry(name, flags=0x800) for name in names])
    assert len(parse(data, PathRules.POSIX).members) == len(names)
    with pytest.raises(ArchiveError) as caught:
        parse(data, rules)
    assert caught.value.code == code


def test_names_that_another_target_would_refuse_are_listed() -> None:
    archive = parse(raw_zip([entry(b"aux.py"), entry(b"ok.py"), entry(b"a?b")]))
    assert archive.unportable() == ("aux.py", "a?b")


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(members=1), "E-ZIP-LIMIT-MEMBERS"),
        (Limits(name_bytes=9), "E-ZIP-LIMIT-NAMES"),
        (Limits(member_size=99), "E-ZIP-LIMIT-SIZE"),
        (Limits(total_size=150), "E-ZIP-LIMIT-TOTAL"),
        (Limits(ratio=0, ratio_floor=100), "E-ZIP-LIMIT-RATIO"),
    ],
)
def test_caps_are_held(limits: Limits, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        parse(raw_zip([A, B]), limits=limits)
    assert caught.value.code == code


def test_modes_become_one_bit() -> None:
    archive = parse(raw_zip([entry(b"a", mode=0o104755), entry(b"b", mode=0o100666), entry(b"c", mode=0)]))
    assert [member.executable for member in archive.members] == [True, False, False]


def test_a_bomb_that_lies_about_its_size_costs_no_memory() -> None:
    bomb = deflate(bytes(200 << 20))
    archive = parse(raw_zip([entry(content=b"x", raw=bomb)]))
    tracemalloc.start()
    try:
        for attempt in (archive.read_bytes, lambda member: list(archive.stream(member))):
            with pytest.raises(ArchiveError) as caught:
                attempt(archive.members[0])
            assert caught.value.code == "E-ZIP-SIZE"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_large_member_streams_with_memory_flat() -> None:
    content = random.Random(1).randbytes(1 << 20) * 40
    archive = parse(raw_zip([entry(content=content)]))
    tracemalloc.start()
    try:
        total = sum(map(len, archive.stream(archive.members[0])))
        assert total == len(content)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_mmap_can_be_closed_after_use_and_after_a_refusal(tmp_path: Path) -> None:
    for data, good in ((raw_zip([A]), True), (raw_zip([A, A]), False), (b"no zip at all", False)):
        path = tmp_path / "x.whl"
        path.write_bytes(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            if good:
                with ZipArchive.parse(buffer, filename="x.whl") as archive:
                    assert archive.read_bytes(archive.members[0]) == A.content
            else:
                with pytest.raises(ArchiveError):
                    ZipArchive.parse(buffer, filename="x.whl")


VALID = zip_bytes(wheel_files(files={"demo/a.py": "a = 1\n" * 40, "demo/b.py": "b = 2\n" * 40}))
VALID_CONTENT = read_all(VALID)


def holds_after_mutation(data: bytes) -> None:
    """Either a typed refusal, or the same names and contents as before (or the same but for unread fields)."""
    try:
        found = read_all(data)
    except ArchiveError:
        return
    # What passes has intact contents; a name may have changed in both headers only by more than one edit.
    assert {content for _, content in found} <= {content for _, content in VALID_CONTENT} | {b""}


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_refused_or_change_nothing(flips: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for place, mask in flips:
        data[place] ^= mask
    holds_after_mutation(bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(VALID) - 1))
def test_a_truncated_archive_is_refused(length: int) -> None:
    with pytest.raises(ArchiveError):
        read_all(VALID[:length])


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=40)
)
def test_splices_are_refused_or_change_nothing(start: int, end: int, place: int, extra: bytes) -> None:
    data = VALID[:place] + VALID[min(start, end) : max(start, end)] + extra + VALID[place:]
    holds_after_mutation(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_typed_answer(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        read_all(data)


def test_deep_names_cannot_fill_the_memory_with_directories() -> None:
    data = raw_zip([entry(b"%d/" % number + b"d/" * 2000 + b"x", b"") for number in range(200)])
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError) as caught:
            parse(data)
        assert caught.value.code == "E-PATH-LIMIT"
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
