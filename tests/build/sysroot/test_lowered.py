"""Shared libraries that ask for older versions of what did not change."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection
from tests.build.repair.elves import elf

from crossdock.build.sysroot.lowered import lowered
from crossdock.inspect.binary import read_binary

if TYPE_CHECKING:
    from tests.build.repair.elves import Versions

OLD: dict[str, tuple[str, ...]] = {"GLIBC_2.17": ("free",)}


def versions_of(data: bytes) -> dict[str, str]:
    """What pyelftools reads: the version of each symbol."""
    file = ELFFile(io.BytesIO(data))
    need, symbols, indexes = (
        file.get_section_by_name(name) for name in (".gnu.version_r", ".dynsym", ".gnu.version")
    )
    assert isinstance(need, GNUVerNeedSection)
    assert isinstance(symbols, SymbolTableSection)
    assert isinstance(indexes, GNUVerSymSection)
    assert isinstance(file.get_section_by_name(".dynamic"), DynamicSection)
    names = {one["vna_other"]: one.name for _file, found in need.iter_versions() for one in found}
    return {
        symbol.name: names[indexes.get_symbol(number)["ndx"]]
        for number, symbol in enumerate(symbols.iter_symbols())
        if indexes.get_symbol(number)["ndx"] in names
    }


@pytest.mark.parametrize("cpu", ["aarch64", "ppc64le"])
def test_what_did_not_change_is_asked_for_by_its_old_version(cpu: str) -> None:
    library = elf(
        cpu,
        soname="libx.so.1",
        versions={
            "libm.so.6": {"GLIBC_2.29": ("pow", "log")},
            "libc.so.6": {**OLD, "GLIBC_2.27": ("glob",), "GLIBC_2.34": ("stat",)},
        },
    )
    changed = lowered(library, {"aarch64": "arm64", "ppc64le": "ppc64el"}[cpu])
    assert changed is not None
    assert len(changed) == len(library)
    old = "GLIBC_2.17"
    assert versions_of(changed) == {"pow": old, "log": old, "free": old, "glob": old, "stat": "GLIBC_2.34"}


def test_what_has_another_name_is_asked_for_by_that() -> None:
    library = elf(
        versions={
            "libc.so.6": {**OLD, "GLIBC_2.25": ("__explicit_bzero_chk",), "GLIBC_2.28": ("fcntl64",)},
        }
    )
    changed = lowered(library, "arm64")
    assert changed is not None
    assert versions_of(changed) == {"bzero": "GLIBC_2.17", "fcntl": "GLIBC_2.17", "free": "GLIBC_2.17"}
    binary = read_binary(changed, "x")
    assert binary is not None
    assert {one.version for one in binary.images[0].versions} == {"GLIBC_2.17"}


@pytest.mark.parametrize(
    "versions",
    [
        # Another function needs the newer version, and one that is younger has no older one.
        {"libc.so.6": {**OLD, "GLIBC_2.25": ("__explicit_bzero_chk", "getrandom")}},
        {"libc.so.6": {**OLD, "GLIBC_2.30": ("gettid",)}},
        {"libc.so.6": OLD},
        {"libm.so.6": {"GLIBC_2.29": ("pow",)}},
    ],
)
def test_what_cannot_be_lowered_whole_stays_as_it_is(versions: Versions) -> None:
    assert lowered(elf(versions=versions), "arm64") is None


def test_nothing_else_is_touched() -> None:
    library = elf(versions={"libm.so.6": {"GLIBC_2.29": ("pow",)}, "libc.so.6": OLD})
    assert lowered(library, "i386") is None
    assert lowered(b"INPUT(libx.so)", "arm64") is None
    for size in range(0, len(library), 7):
        lowered(library[:size], "arm64")
    narrow = elf("armv7l", versions={"libm.so.6": {"GLIBC_2.29": ("pow",)}, "libc.so.6": OLD})
    assert lowered(narrow, "armhf") is None
