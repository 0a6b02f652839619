"""Modules that no interpreter could load, since what they ask for was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.build.repair.elves import elf
from tests.build.repair.made import SUFFIX, repaired

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
