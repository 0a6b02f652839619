"""Modules that no interpreter could load, since what they ask for was left out."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile
from tests.build.repair.elves import elf
from tests.build.repair.made import SUFFIX, repaired
from tests.inspect.builders import macho

from crossdock.build.repair.looked_up import symbols_looked_up
from crossdock.build.repair.undefined import Symbols, symbols_of
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

#: Some of glibc's symbols with their first version on arm64.
C: dict[str, tuple[int, int] | None] = {
    "dlopen": (2, 17),
    "gettid": (2, 30),
    "memcpy": (2, 17),
    "getrandom": (2, 25),
}
INIT = ("PyInit_m",)


def module(**more: Any) -> bytes:
    return elf(**{"exports": INIT, **more})


def files(content: bytes, **others: bytes) -> dict[str, bytes | str]:
    return {f"demo/m{SUFFIX}": content, **{f"demo/{name}.so.1": one for name, one in others.items()}}


@pytest.mark.parametrize("cpu", ["aarch64", "armv7l", "s390x", "i686"])
def test_symbols_are_those_that_pyelftools_lists(cpu: str) -> None:
    content = elf(
        cpu,
        imports=("a", "PyLong_FromLong"),
        exports=("b", "c"),
        versions={"libc.so.6": {"GLIBC_2.17": ("d",)}},
    )
    reader = ELFFile(BytesIO(content))
    table: Any = reader.get_section_by_name(".dynsym")
    versions: Any = reader.get_section_by_name(".gnu.version")
    asked, defined = set(), set()
    for number, symbol in enumerate(table.iter_symbols()):
        if symbol.name and symbol["st_shndx"] != "SHN_UNDEF":
            defined.add(symbol.name)
        elif symbol.name and versions.get_symbol(number)["ndx"] in {"VER_NDX_LOCAL", "VER_NDX_GLOBAL"}:
            asked.add(symbol.name)
    assert (asked, defined) == ({"a", "PyLong_FromLong"}, {"b", "c"})
    assert symbols_of(content, "x") == Symbols(frozenset(asked), frozenset(defined))


def test_a_symbol_that_nothing_defines_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, files(module(imports=("PyModule_Create2", "scanner_create"))), c_symbols=C)
    assert caught.value.code == "E-BUILD-UNDEFINED"
    assert any("`scanner_create`" in place and f"demo/m{SUFFIX}" in place for place in caught.value.places)
    assert not any("PyModule_Create2" in place for place in caught.value.places)


@pytest.mark.parametrize("name", ["PyModule_Create2", "_PyObject_GC_New", "_Py_Dealloc", "dlopen", "memcpy"])
def test_what_the_interpreter_and_its_c_library_have_is_none(tmp_path: Path, name: str) -> None:
    repaired(tmp_path, files(module(imports=(name,))), c_symbols=C)


def test_a_symbol_with_a_version_is_the_audit_s(tmp_path: Path) -> None:
    versions = {"libc.so.6": {"GLIBC_2.17": ("secure_getenv",)}}
    repaired(tmp_path, files(module(versions=versions)), c_symbols=C)


def test_what_another_file_of_the_wheel_defines_is_none(tmp_path: Path) -> None:
    content = files(module(imports=("scanner_create",)), libs=elf(exports=("scanner_create",)))
    repaired(tmp_path, content, c_symbols=C)


def test_a_library_from_outside_without_versions_may_define_it(tmp_path: Path) -> None:
    # libX11 is of the platforms' own libraries (PEP 600), and its symbols have no versions.
    repaired(tmp_path, files(module(imports=("XOpenDisplay",), needed=("libX11.so.6",))), c_symbols=C)


def test_a_symbol_of_a_newer_glibc_raises_the_floor_though_it_has_no_version(tmp_path: Path) -> None:
    done = repaired(
        tmp_path,
        files(module(imports=("gettid", "getrandom", "memcpy"))),
        "manylinux_2_34_aarch64",
        c_symbols=C,
    )
    assert done.report.tags == ("cp311-cp311-manylinux_2_30_aarch64",)
    assert done.report.floor is not None
    assert (done.report.floor.version, done.report.floor.symbol) == ((2, 30), "gettid")


def test_a_floor_above_the_target_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        repaired(tmp_path, files(module(imports=("gettid",))), "manylinux_2_28_aarch64", c_symbols=C)
    assert caught.value.code == "E-BUILD-FLOOR"


def test_a_symbol_of_that_name_in_the_wheel_itself_raises_no_floor(tmp_path: Path) -> None:
    content = files(module(imports=("gettid",)), libs=elf(exports=("gettid",)))
    done = repaired(tmp_path, content, c_symbols=C)
    assert done.report.tags == ("cp311-cp311-manylinux_2_17_aarch64",)


_MUSL = "demo/m.cpython-311-aarch64-linux-musl.so"


def of_musl(tmp_path: Path, *imports: str) -> None:
    content = elf(exports=INIT, imports=imports, needed=("libc.so",))
    repaired(
        tmp_path,
        {_MUSL: content},
        "musllinux_1_2_aarch64",
        tag="cp311-cp311-linux_aarch64",
        c_symbols=dict.fromkeys(["memcpy", "malloc"]),
    )


def test_musl_s_own_symbols_are_none(tmp_path: Path) -> None:
    of_musl(tmp_path, "memcpy", "PyModule_Create2")


@pytest.mark.parametrize("name", ["backtrace", "nowhere_defined"])
def test_what_musl_has_not_is_an_error_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(BuildError) as caught:
        of_musl(tmp_path, "memcpy", name)
    assert caught.value.code == "E-BUILD-UNDEFINED"
    assert any(f"`{name}`" in place for place in caught.value.places)


_UNDEFINED, _DEFINED = 0x01, 0x0F
_LOOKED_UP, _BY_ZIG, _OF_THE_FIRST_LIBRARY, _WEAKLY = 0xFE00, 0x0000, 0x0100, 0xFE40


def of_mac(
    tmp_path: Path, *symbols: tuple[str, int, int], needed: tuple[str, ...] = ("/usr/lib/libSystem.B.dylib",)
) -> None:
    """Repair a module for macOS with symbols: C's name, kind and flags of <mach-o/nlist.h>."""
    names = b"\0_PyInit_m\0"
    table = b""
    for name, kind, flags in symbols:
        table += struct.pack("<IBBHQ", len(names), kind, 0, flags, 0)
        names += f"_{name}\0".encode()
    content = bytearray(macho(needed=needed, names=names) + table)
    # LC_SYMTAB is the last command, right before the names; its second pair of words says where the symbols are.
    struct.pack_into("<II", content, content.index(names) - 16, len(content) - len(table), len(symbols))
    struct.pack_into("<I", content, 24, 0x80)  # MH_TWOLEVEL
    repaired(
        tmp_path,
        {"demo/m.cpython-311-darwin.so": bytes(content)},
        "macosx_13_0_arm64",
        tag="cp311-cp311-macosx_11_0_arm64",
    )


@pytest.mark.parametrize("how", [_LOOKED_UP, _BY_ZIG])
def test_what_a_link_for_macos_found_nowhere_is_an_error(tmp_path: Path, how: int) -> None:
    with pytest.raises(BuildError) as caught:
        of_mac(
            tmp_path,
            ("nowhere_defined", _UNDEFINED, how),
            ("PyModule_Create2", _UNDEFINED, _LOOKED_UP),
        )
    assert caught.value.code == "E-BUILD-UNDEFINED"
    assert caught.value.places == ("demo/m.cpython-311-darwin.so asks for `nowhere_defined`",)


@pytest.mark.parametrize(
    "symbols",
    [
        [("_Py_Dealloc", _UNDEFINED, _LOOKED_UP), ("memcpy", _UNDEFINED, _OF_THE_FIRST_LIBRARY)],
        [("maybe", _UNDEFINED, _WEAKLY)],
        [("here", _UNDEFINED, _LOOKED_UP), ("here", _DEFINED, 0)],
    ],
)
def test_what_macos_the_interpreter_or_the_wheel_has_is_none(
    tmp_path: Path, symbols: list[tuple[str, int, int]]
) -> None:
    of_mac(tmp_path, *symbols)


def test_a_framework_may_bring_what_a_link_for_macos_left_open(tmp_path: Path) -> None:
    framework = "/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation"
    of_mac(tmp_path, ("objc_msgSend", _UNDEFINED, _LOOKED_UP), needed=(framework,))


def test_broken_mach_o_files_ask_for_nothing() -> None:
    whole = macho(names=b"\0_x\0")
    for size in range(0, len(whole), 3):
        assert symbols_looked_up(whole[:size]) == (frozenset(), frozenset())
