"""Static libraries that become part of modules."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from tests.build.repair.elves import elf
from tests.support.debian import ar

from crossdock.build.model import Sysroot, SystemPackage
from crossdock.build.sysroot import static_links, static_packages
from crossdock.build.sysroot.archives import fit
from crossdock.build.sysroot.static import is_static, newest_wanted, static_parts

if TYPE_CHECKING:
    from pathlib import Path

TRIPLET = "aarch64-linux-gnu"
FOLDER = f"usr/lib/{TRIPLET}"
LOCAL, GLOBAL, WEAK, UNIQUE = 0, 1, 2, 10


def relocatable(*symbols: tuple[str, int, int], order: str = "<") -> bytes:
    """An object of 64 bits with symbols: name, binding, section (0: undefined); local ones come first."""
    names = b"\0"
    table = bytes(24)
    for name, binding, section in symbols:
        table += struct.pack(f"{order}IBBHQQ", len(names), binding << 4, 0, section, 0, 0)
        names += name.encode() + b"\0"
    header = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    at = 64 + len(table) + len(names)
    header += struct.pack(f"{order}HHIQQQIHHHHHH", 1, 183, 1, 0, 0, at, 0, 64, 0, 0, 64, 3, 0)
    first = 1 + sum(binding == LOCAL for _name, binding, _section in symbols)
    sections = bytes(64)
    sections += struct.pack(f"{order}IIQQQQIIQQ", 0, 2, 0, 0, 64, len(table), 2, first, 8, 24)
    sections += struct.pack(f"{order}IIQQQQIIQQ", 0, 3, 0, 0, 64 + len(table), len(names), 0, 0, 1, 0)
    return header + table + names + sections


def visibilities(data: bytes | bytearray, count: int) -> list[tuple[int, int]]:
    """Binding and visibility of the symbols of an archive's first object."""
    start = 8 + 60 + 64 + 24
    return [(data[start + 24 * n + 4] >> 4, data[start + 24 * n + 5]) for n in range(count)]


def test_names_are_hidden_and_what_is_needed_is_known() -> None:
    archive = ar(
        [
            (
                "a.o/",
                relocatable(
                    ("here", LOCAL, 1),
                    ("go", GLOBAL, 1),
                    ("maybe", WEAK, 1),
                    ("only", UNIQUE, 1),
                    ("other", GLOBAL, 0),
                    ("optional", WEAK, 0),
                ),
            ),
            (
                "b.o/",
                relocatable(("other", GLOBAL, 1), ("fcntl64", GLOBAL, 0), ("__isoc23_strtol", GLOBAL, 0)),
            ),
        ]
    )
    fitted = fit(archive)
    assert fitted is not None
    assert len(fitted.data) == len(archive)
    assert visibilities(fitted.data, 6) == [
        (LOCAL, 0),
        (GLOBAL, 2),
        (WEAK, 2),
        (WEAK, 2),
        (GLOBAL, 0),
        (WEAK, 0),
    ]
    assert fitted.needs == {"fcntl", "strtol"}
    assert b"fcntl\0\0\0" in fitted.data


def test_big_endian_objects_are_read_too() -> None:
    fitted = fit(ar([("a.o/", relocatable(("go", GLOBAL, 1), ("getrandom", GLOBAL, 0), order=">"))]))
    assert fitted is not None
    assert visibilities(fitted.data, 1) == [(GLOBAL, 2)]
    assert newest_wanted(fitted.needs) == "2.25"


def test_what_is_no_archive_or_broken_is_left_alone() -> None:
    whole = ar([("a.o/", relocatable(("go", GLOBAL, 1), ("x", GLOBAL, 0)))])
    assert fit(b"INPUT(libx.so)") is None
    for size in range(8, len(whole), 5):
        fit(whole[:size])  # does not raise


def test_only_libraries_that_were_tried_are_static() -> None:
    assert is_static(f"{FOLDER}/libz.a", "arm64", TRIPLET)
    assert not is_static(f"{FOLDER}/libz.a", "amd64", TRIPLET)
    assert not is_static(f"{FOLDER}/libgnutls.a", "arm64", TRIPLET)
    assert not is_static(f"{FOLDER}/libz.so", "arm64", TRIPLET)


@pytest.mark.parametrize("name", ["acl", "gmp", "lzo2", "mp3lame"])
def test_what_is_under_the_lgpl_stays_a_library_that_can_be_replaced(name: str) -> None:
    assert not is_static(f"{FOLDER}/lib{name}.a", "arm64", TRIPLET)


def lay_out(root: Path, *libraries: tuple[str, tuple[str, ...], bool]) -> dict[str, str]:
    """Libraries by name, what they need, and whether there is a static one; return the static ones."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    fitted = {}
    for name, needed, static in libraries:
        (folder / f"lib{name}.so.1").write_bytes(elf(soname=f"lib{name}.so.1", needed=needed))
        (folder / f"lib{name}.so").symlink_to(f"lib{name}.so.1")
        if static:
            (folder / f"lib{name}.a").write_bytes(b"!<arch>\n")
            fitted[f"{FOLDER}/lib{name}.a"] = ""
    return fitted


def test_a_library_comes_with_all_that_it_needs(tmp_path: Path) -> None:
    fitted = lay_out(
        tmp_path,
        ("tiff", ("libjpeg.so.1", "libz.so.1", "libm.so.6", "libc.so.6"), True),
        ("jpeg", ("libc.so.6",), True),
        ("z", ("libc.so.6",), True),
        ("tiffxx", ("libtiff.so.1", "libstdc++.so.6", "libc.so.6"), False),
    )
    fitted[f"{FOLDER}/libjpeg.a"] = "2.25"
    found = static_parts(tmp_path, TRIPLET, fitted)
    assert found["tiff"] == {
        "parts": [f"{FOLDER}/libtiff.a", f"{FOLDER}/libjpeg.a", f"{FOLDER}/libz.a"],
        "system": ["m"],
        "glibc": "2.25",
    }
    assert found["z"] == {"parts": [f"{FOLDER}/libz.a"], "system": [], "glibc": ""}


def test_no_process_gets_a_library_twice(tmp_path: Path) -> None:
    fitted = lay_out(
        tmp_path,
        ("xslt", ("libxml2.so.1", "libc.so.6"), False),
        ("xml2", ("libz.so.1", "libc.so.6"), True),
        ("z", ("libc.so.6",), True),
        ("ffi", ("libc.so.6",), True),
    )
    assert set(static_parts(tmp_path, TRIPLET, fitted)) == {"ffi"}


@pytest.fixture
def sysroot(tmp_path: Path) -> Sysroot:
    package = SystemPackage(name="libz-dev", version="1", architecture="arm64", source="zlib")
    return Sysroot(
        directory=tmp_path,
        triplet=TRIPLET,
        detail="",
        digest="",
        owners={f"{FOLDER}/libz.a": package},
        static={
            "z": {"parts": [f"{FOLDER}/libz.a"], "system": ["m"], "glibc": ""},
            "expat": {"parts": [f"{FOLDER}/libexpat.a"], "system": [], "glibc": "2.25"},
        },
    )


def test_what_links_a_library_statically(sysroot: Sysroot) -> None:
    links = static_links(sysroot, (2, 17), place="/sysroot")
    assert links["z"] == [f"/sysroot/{FOLDER}/libz.a", "-lm"]
    assert "pq" not in links
    assert [one.source for one in static_packages(sysroot, ["z", "pq"])] == ["zlib"]


def test_a_library_that_asks_for_a_newer_glibc_is_left_to_be_told_by_its_floor(sysroot: Sysroot) -> None:
    assert set(static_links(sysroot, (2, 17), place="")) == {"z"}
    assert set(static_links(sysroot, (2, 28), place="")) == {"z", "expat"}
    assert set(static_links(sysroot, None, place="")) == {"z", "expat"}
