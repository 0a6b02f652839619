"""Source distributions: tar.gz and zip read alike; what is smuggled in either is refused with its code."""

from __future__ import annotations

import gzip
import io
import mmap
import tarfile
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rawtar import END, PKG_INFO, file, header, pax, record, sdist
from tests.support.wheels import make_sdist, zip_bytes

from crossdock.archive.gunzip import Gunzip
from crossdock.archive.limits import Limits
from crossdock.archive.sdist import Sdist
from crossdock.archive.tarread import ALL_KINDS, Kind, TarReader
from crossdock.errors import ArchiveError
from crossdock.safepath import PathRules

if TYPE_CHECKING:
    from pathlib import Path

NAME = "demo-1.0.tar.gz"
LONG = b"demo-1.0/" + b"d" * 90 + b"/" + b"f" * 90
INFO = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def open_sdist(data: bytes, name: str = NAME, **options: object) -> Sdist:
    return Sdist.open(data, name, **options)  # type: ignore[arg-type]


def contents(data: bytes, name: str = NAME) -> dict[str, bytes]:
    with open_sdist(data, name) as found:
        return {str(one.path): b"".join(chunks) for one, chunks in found.contents()}


def link(name: bytes, target: bytes, kind: bytes = b"2") -> bytes:
    return header(b"demo-1.0/" + name, kind=kind, link=target)


BAD: dict[str, tuple[bytes, str]] = {
    "a climbing name": (sdist(file(b"demo-1.0/../../x")), "E-PATH-DOTS"),
    "an absolute name": (sdist(file(b"/etc/x")), "E-PATH-ABSOLUTE"),
    "a climbing name in pax": (sdist(pax(record(b"path", b"../x")), file()), "E-PATH-DOTS"),
    "an absolute link": (sdist(link(b"l", b"/etc/passwd")), "E-TAR-LINK"),
    "a link that climbs out": (sdist(link(b"l", b"../x")), "E-TAR-LINK"),
    "a link that climbs out, deeper": (
        sdist(file(b"demo-1.0/a/b", b"1"), link(b"a/l", b"../../../x")),
        "E-TAR-LINK",
    ),
    "a chain of links that climbs out": (
        sdist(file(b"demo-1.0/a/b/c", b"1"), link(b"up", b"a/b"), link(b"l", b"up/../../../x")),
        "E-TAR-LINK",
    ),
    "a link to nothing": (sdist(link(b"l", b"gone")), "E-TAR-LINK"),
    "links in circles": (sdist(link(b"a", b"b"), link(b"b", b"a")), "E-TAR-LINK"),
    "a link to itself": (sdist(link(b"a", b"a")), "E-TAR-LINK"),
    "a link to the directory around it": (
        sdist(file(b"demo-1.0/d/x", b"1"), link(b"d/l", b"../d")),
        "E-TAR-LINK",
    ),
    "a link to the top": (sdist(link(b"l", b".")), "E-TAR-LINK"),
    "a file below a link": (
        sdist(link(b"l", b"PKG-INFO"), file(b"demo-1.0/l/x")),
        "E-PATH-FILE-AND-DIRECTORY",
    ),
    "a hard link": (sdist(link(b"l", b"demo-1.0/PKG-INFO", b"1")), "E-TAR-TYPE"),
    "a character device": (sdist(header(kind=b"3")), "E-TAR-TYPE"),
    "a block device": (sdist(header(kind=b"4")), "E-TAR-TYPE"),
    "a fifo": (sdist(header(kind=b"6")), "E-TAR-TYPE"),
    "an unknown type": (sdist(header(kind=b"Z")), "E-TAR-TYPE"),
    "a link without a target": (sdist(header(kind=b"2")), "E-TAR-TYPE"),
    "a file with a target": (sdist(header(link=b"x")), "E-TAR-TYPE"),
    "a GNU sparse member": (sdist(header(kind=b"S")), "E-TAR-SPARSE"),
    "a pax sparse member": (sdist(pax(record(b"GNU.sparse.major", b"1")), file()), "E-TAR-SPARSE"),
    "a size in pax that differs": (
        sdist(pax(record(b"size", b"512")), file(content=b"x" * 1024)),
        "E-TAR-PAX-SIZE",
    ),
    "a size in pax over a header of 0": (
        sdist(pax(record(b"size", b"512")), header(), file(b"demo-1.0/hidden")),
        "E-TAR-PAX-SIZE",
    ),
    "a negative size in pax": (sdist(pax(record(b"size", b"-1")), file()), "E-TAR-NUMBER"),
    "a pax key twice": (sdist(pax(record(b"path", b"a") + record(b"path", b"b")), file()), "E-TAR-PAX-TWICE"),
    "two pax headers": (
        sdist(pax(record(b"path", b"a")), pax(record(b"path", b"b")), file()),
        "E-TAR-OVERRIDE-TWICE",
    ),
    "pax and GNU long name": (
        sdist(pax(record(b"path", b"a")), file(b"././@LongLink", b"b\0", kind=b"L"), file()),
        "E-TAR-OVERRIDE-TWICE",
    ),
    "a path for every member": (sdist(pax(record(b"path", b"a"), b"g"), file()), "E-TAR-PAX-GLOBAL"),
    "an unknown pax key": (sdist(pax(record(b"EVIL.name", b"a")), file()), "E-TAR-PAX-KEY"),
    "another charset by pax": (sdist(pax(record(b"hdrcharset", b"BINARY")), file()), "E-TAR-PAX-KEY"),
    "an unterminated pax record": (sdist(pax(b"12 path=abcd"), file()), "E-TAR-PAX"),
    "a pax record with a wrong length": (sdist(pax(b"99 path=a\n"), file()), "E-TAR-PAX"),
    "a pax record with leading zeros": (sdist(pax(b"010 path=a\n"), file()), "E-TAR-PAX"),
    "a pax path that is not UTF-8": (sdist(pax(record(b"path", b"\xff")), file()), "E-TAR-NAME"),
    "a pax header about nothing": (sdist(pax(record(b"path", b"a"))), "E-TAR-PAX"),
    "a GNU long name without its NUL": (sdist(file(b"L", b"abc", kind=b"L"), file()), "E-TAR-LONG-NAME"),
    "a GNU long name with text behind": (sdist(file(b"L", b"a\0b", kind=b"L"), file()), "E-TAR-LONG-NAME"),
    "a header of headers": (sdist(header(b"x", size=2 << 20, kind=b"x")), "E-TAR-LIMIT-HEADER"),
    "a wrong checksum": (sdist(header(checksum=b"000001\0 ")), "E-TAR-CHECKSUM"),
    "a checksum that is no number": (sdist(header(checksum=b"zzzzzz\0 ")), "E-TAR-NUMBER"),
    "no magic": (sdist(header(magic=bytes(8))), "E-TAR-MAGIC"),
    "a size that is no octal number": (sdist(header(size=b"9999")), "E-TAR-NUMBER"),
    "a negative size": (sdist(header(size=b"\xff" * 12)), "E-TAR-NUMBER"),
    "a size beyond everything": (sdist(header(size=b"\x80" + b"\x7f" * 11)), "E-TAR-LIMIT-SIZE"),
    "a name that is not UTF-8": (sdist(file(b"demo-1.0/\xff")), "E-TAR-NAME"),
    "a directory with content": (sdist(header(b"demo-1.0/d/", kind=b"5", size=512)), "E-TAR-SIZE"),
    "a file whose name ends in a slash": (sdist(header(b"demo-1.0/d/")), "E-PATH-EMPTY"),
    "a duplicate": (sdist(file(), file()), "E-PATH-DUPLICATE"),
    "no end": (sdist(end=b""), "E-TAR-TRUNCATED"),
    "half an end": (sdist(end=bytes(512)), "E-TAR-END"),
    "cut in a header": (sdist(end=b"x" * 100), "E-TAR-TRUNCATED"),
    "cut in a member": (sdist(header(size=9999), end=b""), "E-TAR-TRUNCATED"),
    "data after the end": (sdist(end=END + b"x" * 512), "E-TAR-TRAILING"),
    "two tars in a row": (sdist(END, file()), "E-TAR-TRAILING"),
    "two top directories": (sdist(file(b"other/x")), "E-SDIST-TOP"),
    "a file at the top": (sdist(file(b"x")), "E-SDIST-TOP"),
    "another name in PKG-INFO": (
        gzip.compress(file(b"demo-1.0/PKG-INFO", INFO.replace(b"demo", b"evil")) + END),
        "E-SDIST-NAME",
    ),
    "another version in PKG-INFO": (
        gzip.compress(file(b"demo-1.0/PKG-INFO", INFO.replace(b"1.0", b"2.0")) + END),
        "E-SDIST-NAME",
    ),
    "another top directory": (gzip.compress(file(b"evil-1.0/PKG-INFO", INFO) + END), "E-SDIST-NAME"),
    "no PKG-INFO": (gzip.compress(file(b"demo-1.0/setup.py") + END), "E-SDIST-PKG-INFO"),
    "PKG-INFO without a name": (
        gzip.compress(file(b"demo-1.0/PKG-INFO", b"Version: 1.0\n") + END),
        "E-SDIST-PKG-INFO",
    ),
    "a pyproject.toml that is none": (sdist(file(b"demo-1.0/pyproject.toml", b"= 1")), "E-SDIST-PYPROJECT"),
    "garbage behind the gzip": (sdist() + b"garbage", "E-GZIP-TRAILING"),
    "a gzip cut short": (sdist()[:-4], "E-GZIP-TRUNCATED"),
    "a gzip with a wrong CRC": (sdist()[:-8] + bytes(4) + sdist()[-4:], "E-GZIP-FORMAT"),
    "a zip by content": (zip_bytes({"demo-1.0/PKG-INFO": INFO}), "E-SDIST-FORMAT"),
    "neither": (b"hello", "E-SDIST-FORMAT"),
    "bzip2": (b"BZh91AY&SY", "E-SDIST-FORMAT"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_source_distributions_are_refused_with_their_code(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(ArchiveError) as caught:
        open_sdist(data)
    assert caught.value.code == code
    assert NAME in str(caught.value)
    assert caught.value.hint


GOOD: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "a file": (sdist(file(content=b"1")), {"x": b"1"}),
    "a long path by prefix": (
        sdist(file(b"f" * 90, b"1", prefix=b"demo-1.0/" + b"d" * 90)),
        {LONG[9:].decode(): b"1"},
    ),
    "a long path by pax": (sdist(pax(record(b"path", LONG)), file(content=b"1")), {LONG[9:].decode(): b"1"}),
    "a GNU long name": (
        sdist(file(b"././@LongLink", LONG + b"\0", kind=b"L"), file(LONG[:100], b"1", magic=b"ustar  \0")),
        {LONG[9:].decode(): b"1"},
    ),
    "harmless pax keys": (
        sdist(pax(record(b"mtime", b"1.5") + record(b"SCHILY.xattr.user.x", b"\xff")), file(content=b"1")),
        {"x": b"1"},
    ),
    "git's comment": (sdist(pax(record(b"comment", b"f00"), b"g"), file(content=b"1")), {"x": b"1"}),
    "the size once more in pax": (sdist(pax(record(b"size", b"1")), file(content=b"1")), {"x": b"1"}),
    "a size in base 256": (sdist(file(content=b"1", size=b"\x80" + bytes(10) + b"\x01")), {"x": b"1"}),
    "a link to a file": (sdist(file(content=b"1"), link(b"d/l", b"../x")), {"x": b"1", "d/l": b"1"}),
    "two links, before their file": (
        sdist(link(b"a", b"x"), link(b"b", b"./a"), file(content=b"1")),
        {"x": b"1", "a": b"1", "b": b"1"},
    ),
    "a link to a directory": (
        sdist(file(b"demo-1.0/d/x", b"1"), link(b"e", b"d")),
        {"d/x": b"1", "e/x": b"1"},
    ),
    "directories": (sdist(header(b"demo-1.0/", kind=b"5"), header(b"demo-1.0/d/", kind=b"5")), {}),
    "names with ./": (sdist(header(b"./", kind=b"5"), file(b"./demo-1.0/x", b"1")), {"x": b"1"}),
    "several gzip members": (gzip.compress(PKG_INFO[:700]) + gzip.compress(PKG_INFO[700:] + END), {}),
    "an old type flag": (sdist(file(content=b"1", kind=b"\0")), {"x": b"1"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_neighbours_are_accepted(name: str) -> None:
    data, expected = GOOD[name]
    assert contents(data) == {"PKG-INFO": INFO, **expected}
    with open_sdist(data) as found:
        for one in found.files:
            assert found.read(one) == {"PKG-INFO": INFO, **expected}[one.path]


def undated(sdist: Sdist) -> set[object]:
    """The files without their dates: a zip has none before 1980."""
    return {file._replace(mtime=0) for file in sdist.files}


def test_tar_and_zip_give_the_same(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "pyproject.toml": "[build-system]\nrequires=[]\n",
        "src/demo.py": "x = 1\n",
        "é": "e",
    }
    tar = make_sdist(tmp_path, files=files).read_bytes()
    members = {
        f"demo-1.0/{path}": text.encode() if isinstance(text, str) else text for path, text in files.items()
    }
    zipped = zip_bytes({"demo-1.0/PKG-INFO": INFO, **members})
    assert contents(tar) == contents(zipped, "demo-1.0.zip")
    with open_sdist(tar) as one, open_sdist(zipped, "demo-1.0.zip") as other:
        assert (one.name, one.version, one.pkg_info, one.pyproject, undated(one)) == (
            other.name, other.version, other.pkg_info, other.pyproject, undated(other),
        )  # fmt: skip


def test_old_spellings_are_noted() -> None:
    info = INFO.replace(b"demo", b"Zope.Thing")
    data = gzip.compress(file(b"zope.thing-1.0/PKG-INFO", info) + END)
    with open_sdist(data, "Zope-Thing-1.0.0.tar.gz") as found:
        assert len(found.notes) == 2
        assert (found.name, found.version) == ("Zope.Thing", "1.0")
    with open_sdist(sdist()) as found:
        assert found.notes == ()


def test_an_archive_of_a_source_tree_needs_no_name() -> None:
    data = gzip.compress(file(b"demo-deadbeef/pyproject.toml", b"[project]\nname='x'\n") + END)
    with open_sdist(data, "deadbeef.tar.gz", source_tree=True) as found:
        assert found.pyproject == {"project": {"name": "x"}}
        assert (found.name, found.pkg_info) == ("", None)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(members=1), "E-TAR-LIMIT-MEMBERS"),
        (Limits(member_size=50), "E-TAR-LIMIT-SIZE"),
        (Limits(total_size=2048), "E-GZIP-LIMIT-TOTAL"),
        (Limits(ratio=1, ratio_floor=100), "E-GZIP-LIMIT-RATIO"),
        (Limits(metadata_size=10), "E-SDIST-LIMIT-METADATA"),
    ],
)
def test_caps_are_held(limits: Limits, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        open_sdist(sdist(file(content=b"x" * 60), file(b"demo-1.0/y", bytes(4096))), limits=limits)
    assert caught.value.code == code


def test_a_bomb_costs_no_memory() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = engine.compress(PKG_INFO + header(size=300 << 20))
    for _ in range(300):
        bomb += engine.compress(bytes(1 << 20))
    bomb += engine.compress(END) + engine.flush()
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError) as caught:
            open_sdist(bomb)
        assert caught.value.code == "E-GZIP-LIMIT-RATIO"
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_layer_may_hold_what_a_source_distribution_may_not() -> None:
    data = (
        header(b"./", kind=b"5")
        + file(b"bin/a", b"1", mode=0o4755)
        + header(b"bin/b", kind=b"1", link=b"bin/a")
    )
    data += header(b"lib", kind=b"2", link=b"/usr/lib") + header(b"dev/null", kind=b"3") + END
    reader = TarReader(io.BytesIO(data), filename="layer", rules=PathRules.POSIX, kinds=ALL_KINDS)
    found = [(member.name, member.kind, member.executable, member.link) for member in reader]
    assert found == [
        ("bin/a", Kind.FILE, True, ""),
        ("bin/b", Kind.HARDLINK, False, "bin/a"),
        ("lib", Kind.SYMLINK, False, "/usr/lib"),
        ("dev/null", Kind.DEVICE, False, ""),
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=4000), st.integers(1, 5000)), max_size=4))
def test_gunzip_gives_what_went_in(parts: list[tuple[bytes, int]]) -> None:
    data = b"".join(gzip.compress(part) for part, _ in parts)
    source = Gunzip(io.BytesIO(data), "x.gz", Limits()) if parts else None
    found = b""
    while source and (piece := source.read(parts[0][1])):
        assert len(piece) <= parts[0][1]
        found += piece
    assert found == b"".join(part for part, _ in parts)


FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("form", FORMATS)
def test_what_tarfile_writes_is_read(form: int) -> None:
    out = io.BytesIO()
    files = {"demo-1.0/PKG-INFO": INFO, "demo-1.0/a" + "b/" * 60 + "c": b"1" * 5000, "demo-1.0/e": b""}
    if form != tarfile.USTAR_FORMAT:
        files["demo-1.0/" + "x" * 200 + "é"] = b"2"
    with tarfile.open(fileobj=out, mode="w:gz", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5
            archive.addfile(member, io.BytesIO(content))
    assert contents(out.getvalue()) == {name[9:]: content for name, content in files.items()}


PLAIN = gzip.decompress(sdist(pax(record(b"path", LONG)), file(content=b"1" * 600), link(b"l", b"PKG-INFO")))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(1, 255)), min_size=1, max_size=3))
def test_any_mutation_of_the_tar_gives_a_typed_answer(flips: list[tuple[int, int]]) -> None:
    data = bytearray(PLAIN)
    for place, mask in flips:
        data[place] ^= mask
    try:
        contents(gzip.compress(bytes(data), 1))
    except ArchiveError:
        return


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 400), st.integers(1, 255), st.integers(0, 400))
def test_any_mutation_of_the_gzip_is_refused_or_changes_nothing(place: int, mask: int, cut: int) -> None:
    good = sdist(file(content=b"1" * 600))
    data = bytearray(good)
    data[place % len(data)] ^= mask
    for bad in (bytes(data), good[: cut % len(good)], good[:cut] + good[cut // 2 :]):
        try:
            assert contents(bad) == contents(good)
        except ArchiveError:
            continue


def test_links_that_multiply_are_refused_in_bounded_time() -> None:
    files = b"".join(file(b"demo-1.0/d/%d" % number) for number in range(500))
    links = b"".join(link(b"l%d" % number, b"d") for number in range(500))
    with pytest.raises(ArchiveError) as caught:
        open_sdist(sdist(files, links), limits=Limits(members=10_000))
    assert caught.value.code == "E-TAR-LINK"
    many = b"".join(link(b"l%d" % number, b"PKG-INFO") for number in range(5000))
    with pytest.raises(ArchiveError) as caught:
        open_sdist(sdist(many))
    assert caught.value.code == "E-TAR-LIMIT-LINKS"


def test_links_count_as_the_files_that_they_become() -> None:
    """86 KB can hold 4096 links to a file of 57 MB: 234 GB on the disk."""
    data = sdist(file(content=b"1" * 5000), *(link(b"l%d" % number, b"x") for number in range(10)))
    held = 5000 * 11 + len(INFO)
    for limits, says in (
        (Limits(total_size=held - 1), f"more than {held - 1} bytes"),
        (Limits(ratio_floor=20_000, ratio=50), "more than 50 times its size"),
    ):
        with pytest.raises(ArchiveError) as caught:
            open_sdist(data, limits=limits)
        assert caught.value.code == "E-TAR-LIMIT-LINKS"
        assert says in caught.value.message
    for limits in (Limits(total_size=held + 20_000), Limits(ratio_floor=held)):
        with open_sdist(data, limits=limits) as found:
            assert len(found.files) == 12


def test_a_setup_script_made_to_break_parsers_is_judged_by_its_words() -> None:
    deep = "x = " + "-" * 50_000 + "1\n"
    wide = "if " + "+".join(["a"] * 5000) + ":\n    pass\n"
    for text in (deep, wide, "(" * 5000, "\0"):
        with open_sdist(
            sdist(file(b"demo-1.0/setup.py", text.encode() + b"\nsetup(ext_modules=x)"))
        ) as found:
            assert found.native_sources == ("setup.py: ext_modules",)
        with open_sdist(sdist(file(b"demo-1.0/setup.py", text.encode()))) as found:
            assert found.native_sources == ()


def test_an_mmap_can_be_closed_after_use_and_after_a_refusal(tmp_path: Path) -> None:
    zipped = zip_bytes({"demo-1.0/PKG-INFO": INFO})
    nameless = zip_bytes({"demo-1.0/setup.py": b""})
    for data, name, good in ((sdist(), NAME, True), (zipped, "demo-1.0.zip", True), (sdist(end=b""), NAME, False),
                             (nameless, "demo-1.0.zip", False)):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(data)
        with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            if good:
                with Sdist.open(buffer, name) as found:
                    assert found.read(found.files[0]) == INFO
            else:
                with pytest.raises(ArchiveError):
                    Sdist.open(buffer, name)


def test_a_source_tree_may_hold_joined_emoji() -> None:
    name = "demo-1.0/\U0001f635\u200d\U0001f4ab.bin"
    found = contents(sdist(pax(record(b"path", name.encode())), file(content=b"dizzy")))
    assert found[name.removeprefix("demo-1.0/")] == b"dizzy"


@pytest.mark.parametrize("name", ["..\u200d/x", "\u200d/x", "a\u202eb"])
def test_joiners_are_no_way_around_the_rules(name: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        open_sdist(sdist(pax(record(b"path", f"demo-1.0/{name}".encode())), file()))
    assert caught.value.code.startswith("E-PATH-")
