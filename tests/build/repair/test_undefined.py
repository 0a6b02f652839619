"""Modules that no interpreter could load, since what they ask for was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.build.repair.elves import elf
from tests.build.repair.made import SUFFIX, repaired

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

C = b"\x02dlopen\0\x80memcpy\0\x80"
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


def test_musl_s_symbols_have_no_versions_and_nothing_is_said(tmp_path: Path) -> None:
    name = "demo/m.cpython-311-aarch64-linux-musl.so"
    content = elf(exports=INIT, imports=("memcpy",), needed=("libc.so",))
    repaired(tmp_path, {name: content}, "musllinux_1_2_aarch64", tag="cp311-cp311-linux_aarch64", c_symbols=C)
