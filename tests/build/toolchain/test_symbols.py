"""The symbols of C libraries, in the form that zig keeps them in."""

from __future__ import annotations

import pytest

from crossdock.build.toolchain.symbols import glibc_symbols, musl_symbols

LAST = 0x80


def abilists(functions: bytes, rows: int, objects: bytes = b"", object_rows: int = 0) -> bytes:
    """Two libraries, versions 2.17, 2.25 and 2.30, and two targets."""
    head = (
        b"\2c\0dl\0\3" + bytes([2, 17, 0, 2, 25, 0, 2, 30, 0]) + b"\2arm-linux-gnueabihf\0aarch64-linux-gnu\0"
    )
    return head + bytes([rows, 0]) + functions + bytes([object_rows, 0]) + objects + b"\0\0"


def row(targets: int, version: int, *, library: int = 0, last: bool = True, size: bytes = b"") -> bytes:
    return bytes([targets]) + size + bytes([library | LAST * last, version | LAST])


def test_each_symbol_has_the_first_version_of_its_own_target() -> None:
    functions = (
        b"gettid\0"
        + row(0b11, 2)
        + b"dlopen\0"
        + row(0b01, 1, library=1, last=False)
        + row(0b10, 0, library=1)
    )
    data = abilists(functions, 3)
    assert glibc_symbols(data, "aarch64-linux-gnu") == {"gettid": (2, 30), "dlopen": (2, 17)}
    assert glibc_symbols(data, "arm-linux-gnueabihf") == {"gettid": (2, 30), "dlopen": (2, 25)}


def test_of_several_versions_the_first_counts() -> None:
    functions = b"memcpy\0" + bytes([0b11, LAST, 0, 2 | LAST])
    assert glibc_symbols(abilists(functions, 1), "aarch64-linux-gnu") == {"memcpy": (2, 17)}


def test_objects_have_sizes_and_targets_more_than_a_byte() -> None:
    objects = b"environ\0" + row(0b10, 1, size=b"\x88\x01")
    assert glibc_symbols(abilists(b"", 0, objects, 1), "aarch64-linux-gnu") == {"environ": (2, 25)}


def test_a_target_that_is_not_there_has_none() -> None:
    assert glibc_symbols(abilists(b"x\0" + row(0b11, 0), 1), "s390x-linux-gnu") == {}


def test_what_is_cut_short_is_an_error() -> None:
    with pytest.raises((ValueError, IndexError)):
        glibc_symbols(abilists(b"gettid\0" + row(0b11, 2), 9), "aarch64-linux-gnu")


def test_musl_s_names_are_read_whatever_they_are_bound_by() -> None:
    text = ".globl memcpy\n.type memcpy, %function;\n.weak environ\nWEAK64 fseeko\n.text\nlocal:\n"
    assert musl_symbols(text) == {"memcpy", "environ", "fseeko"}
