"""The readers against independent ones on real files, and against files that lie."""

from __future__ import annotations

import functools
import json
import mmap
import shutil
import struct
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import lief
import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inspect.builders import macho, pe, universal

from crossdock.errors import InspectError
from crossdock.inspect.binary import examine, is_binary, read_binary
from crossdock.inspect.facts import Binary, Format, Image, Kind, VersionNeed, split_version

lief.logging.disable()


def real_elfs() -> list[Path]:
    """Shared objects of this interpreter and of the system: a few hundred of all makers."""
    roots = [Path(sysconfig.get_path("platlib")), Path("/usr/lib"), Path("/lib")]
    found: dict[str, Path] = {}
    for root in roots:
        for path in sorted(root.rglob("*.so*"))[:1500]:
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 8_000_000:
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        found.setdefault(path.name, path)
    return list(found.values())[::3][:200]


@functools.cache
def sample() -> bytes:
    """The smallest real extension module at hand, for mutations."""
    paths = [path for path in real_elfs() if "cpython" in path.name or "abi3" in path.name] or real_elfs()
    if not paths:
        pytest.skip("NO ELF FILE on this machine to mutate")
    return min(paths, key=lambda path: path.stat().st_size).read_bytes()


def oracle_versions(elf: ELFFile) -> dict[tuple[str, str], str]:
    """Newest needed version by library and prefix, weak ones left out, by pyelftools."""
    best: dict[tuple[str, str], str] = {}
    for section in elf.iter_sections():
        if not isinstance(section, GNUVerNeedSection):
            continue
        for need, auxiliaries in section.iter_versions():
            for one in auxiliaries:
                if one.entry["vna_flags"] & 2:
                    continue
                prefix, number = split_version(one.name)
                key = (str(need.name), prefix)
                if key not in best or number > split_version(best[key])[1]:
                    best[key] = one.name
    return best


def test_elf_agrees_with_pyelftools_and_lief() -> None:
    paths = real_elfs()
    if not paths:
        pytest.skip("NO ELF FILE on this machine to compare with")
    for path in paths:
        binary = read_binary(path.read_bytes(), str(path))
        assert binary is not None
        (image,) = binary.images
        with path.open("rb") as file:
            elf = ELFFile(file)
            assert image.bits == elf.elfclass
            dynamic = next((one for one in elf.iter_sections() if isinstance(one, DynamicSection)), None)
            tags: list[Any] = list(dynamic.iter_tags()) if dynamic else []
            assert image.needed == tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"), path
            found = {(need.library, split_version(need.version)[0]): need.version for need in image.versions}
            assert found == oracle_versions(elf), path
        other = lief.ELF.parse(str(path))
        assert other is not None
        names = [one.name for one in other.dynamic_entries if isinstance(one, lief.ELF.DynamicSharedObject)]
        assert image.soname == (str(names[0]) if names else "")
        inits = {str(one.name)[7:] for one in other.exported_symbols if str(one.name).startswith("PyInit_")}
        assert inits <= set(image.python_modules), path


def test_the_example_symbol_of_a_version_carries_that_version() -> None:
    paths = real_elfs()
    if not paths:
        pytest.skip("NO ELF FILE on this machine to compare with")
    checked = 0
    for path in paths[:60]:
        binary = read_binary(path.read_bytes(), str(path))
        other = lief.ELF.parse(str(path))
        assert binary is not None
        assert other is not None
        carried: dict[str, set[str]] = {}
        for symbol in other.dynamic_symbols:
            version = symbol.symbol_version
            if version is not None and version.symbol_version_auxiliary is not None:
                carried.setdefault(str(version.symbol_version_auxiliary.name), set()).add(str(symbol.name))
        for need in binary.images[0].versions:
            if need.symbol:
                assert need.symbol in carried[need.version], (path, need)
                checked += 1
    assert checked > 20


def test_pe_agrees_with_lief_on_the_launchers_that_distlib_ships() -> None:
    import distlib  # type: ignore[import-untyped]

    paths = sorted(Path(distlib.__file__).parent.glob("*.exe"))
    assert paths
    machines = {"I386": "i686", "AMD64": "x86_64", "ARM64": "aarch64"}
    for path in paths:
        binary = read_binary(path.read_bytes(), str(path))
        other = lief.PE.parse(str(path))
        assert binary is not None
        assert isinstance(other, lief.PE.Binary)
        assert binary.kind is Kind.EXECUTABLE
        assert binary.machines == (machines[other.header.machine.name],)
        assert list(binary.images[0].needed) == [str(one.name) for one in other.imports]


def test_macho_says_what_lief_says() -> None:
    data = macho(
        needed=("@rpath/libx.dylib", "/usr/lib/libSystem.B.dylib"),
        weak=("/usr/lib/libz.1.dylib",),
        rpath=("@loader_path/../.dylibs",),
        min_os=(12, 3),
        names=b"\0_PyInit_fast\0_PyList_New\0",
    )
    binary = read_binary(data, "fast.so")
    assert binary is not None
    (image,) = binary.images
    assert image == Image(
        machine="aarch64",
        needed=("@rpath/libx.dylib", "/usr/lib/libSystem.B.dylib"),
        optional=("/usr/lib/libz.1.dylib",),
        rpath=("@loader_path/../.dylibs",),
        platform="macos",
        min_os=(12, 3),
        signed=True,
        uses_python=True,
        python_modules=("fast",),
    )
    parsed = lief.MachO.parse(list(data))
    assert parsed is not None
    other = parsed.at(0)
    assert other is not None
    assert [str(one.name) for one in other.libraries] == [*image.needed, *image.optional]
    assert other.build_version is not None
    assert other.build_version.minos[:2] == [12, 3]


def test_a_universal_file_has_an_image_for_each_machine() -> None:
    data = universal(("x86_64", macho("x86_64", min_os=(10, 9), signed=False)), ("aarch64", macho("aarch64")))
    binary = read_binary(data, "x.so")
    assert binary is not None
    assert binary.machines == ("x86_64", "aarch64")
    assert [image.min_os for image in binary.images] == [(10, 9), (11, 0)]
    assert [image.signed for image in binary.images] == [False, True]


def test_pe_imports_and_exported_module() -> None:
    data = pe(0xAA64, dlls=("python312.dll", "KERNEL32.dll"), exports=("PyInit_fast",))
    binary = read_binary(data, "fast.pyd")
    assert binary is not None
    assert binary.kind is Kind.SHARED
    (image,) = binary.images
    assert (image.machine, image.needed) == ("aarch64", ("python312.dll", "KERNEL32.dll"))
    assert image.python_modules == ("fast",)
    assert image.uses_python


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\x7fELF\x02\x01\x01\0", True),
        (b"MZ\x90\0\x03\0\0\0", True),
        (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", True),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", True),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", False),  # a Java class, version 52
        (b"!<arch>\n", True),
        (b"\0asm\x01\0\0\0", True),
        (b"#!/bin/sh", False),
        (b"PK\x03\x04", False),
        (b"", False),
    ],
)
def test_binaries_are_told_by_their_first_bytes(head: bytes, what: bool) -> None:
    assert is_binary(head) is what


def test_a_dos_program_is_no_binary_of_ours() -> None:
    assert read_binary(b"MZ" + b"\0" * 200, "old.com") is None


def test_static_libraries_objects_and_webassembly_are_known() -> None:
    archive = read_binary(b"!<arch>\n" + b"\0" * 100, "libx.a")
    assert archive == Binary(format=Format.AR, kind=Kind.ARCHIVE)
    wasm = read_binary(b"\0asm\x01\0\0\0", "x.so")
    assert wasm is not None
    assert wasm.machines == ("wasm32",)


def elf_header(machine: int, flags: int = 0, *, kind: int = 3, bits: int = 32, order: str = "<") -> bytes:
    ident = b"\x7fELF" + bytes([1 if bits == 32 else 2, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    layout = order + ("HHIIIIIHHHHHH" if bits == 32 else "HHIQQQIHHHHHH")
    return ident + struct.pack(layout, kind, machine, 1, 0, 0, 0, flags, 52, 32, 0, 40, 0, 0)


@pytest.mark.parametrize(
    ("header", "machine"),
    [
        (elf_header(40, 0x05000400), "armv7l"),
        (elf_header(40, 0x05000200), "armel"),
        (elf_header(40, order=">"), "armeb"),
        (elf_header(3), "i686"),
        (elf_header(62), "x32"),
        (elf_header(62, bits=64), "x86_64"),
        (elf_header(21, bits=64), "ppc64le"),
        (elf_header(21, bits=64, order=">"), "ppc64"),
        (elf_header(22, bits=64, order=">"), "s390x"),
        (elf_header(243, bits=64), "riscv64"),
        (elf_header(258, bits=64), "loongarch64"),
        (elf_header(247, bits=64, kind=1), "bpf"),
        (elf_header(4711, bits=64), "em4711"),
    ],
)
def test_machines(header: bytes, machine: str) -> None:
    binary = read_binary(header, "x")
    assert binary is not None
    assert binary.machines == (machine,)


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF",
        b"\x7fELF\x09\x01".ljust(64, b"\0"),
        elf_header(62, bits=64)[:40],
        macho()[:40],
        macho()[:16] + struct.pack("<I", 0xFFFFFFFF) + macho()[20:],
        universal(("x86_64", macho("x86_64")))[:30],
        b"\xca\xfe\xba\xbe\0\0\0\x01" + b"\xff" * 20,
        pe(dlls=("a.dll",))[:90],
        b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0" + b"\xff" * 300,
    ],
)
def test_files_that_lie_are_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(InspectError) as caught:
        read_binary(data, "pkg/x.so")
    assert caught.value.code.startswith("E-BINARY-")
    assert caught.value.places == ("pkg/x.so",)
    examined = examine(data, "pkg/x.so")
    assert examined is not None
    assert examined.broken
    assert not examined.images


def mutate(data: bytes, edits: list[tuple[float, bytes]], keep: float) -> bytes:
    changed = bytearray(data)
    for where, value in edits:
        at = int(where * (len(data) - len(value)))
        changed[at : at + len(value)] = value
    return bytes(changed[: int(len(changed) * keep)])


positions = st.one_of(st.floats(0, 1), st.floats(0, 0.05), st.floats(0, 0.005))
edits = st.lists(st.tuples(positions, st.binary(min_size=1, max_size=8)), min_size=1, max_size=8)


@settings(max_examples=400, deadline=None)
@given(edits=edits, keep=st.one_of(st.just(1.0), st.floats(0.0, 1.0)), which=st.integers(0, 3))
def test_whatever_the_bytes_are_the_answer_is_facts_or_an_error(
    edits: list[tuple[float, bytes]], keep: float, which: int
) -> None:
    whole = [
        sample(),
        macho(needed=("@rpath/a",), rpath=("@loader_path",), names=b"\0_PyInit_x\0"),
        universal(("x86_64", macho("x86_64")), ("aarch64", macho())),
        pe(dlls=("python3.dll", "b.dll"), exports=("PyInit_x",)),
    ][which]
    data = mutate(whole, edits, keep)
    started = time.perf_counter()
    try:
        found = read_binary(data, "x")
    except InspectError:
        found = examine(data, "x")
    assert time.perf_counter() - started < 60  # a hang, not a speed
    if found is not None:
        assert Binary.from_json(json.loads(json.dumps(found.to_json()))) == found


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"]), st.binary(max_size=600)
)
def test_noise_behind_a_magic_number(magic: bytes, noise: bytes) -> None:
    examine(magic + noise, "x")


def test_a_mapping_can_be_closed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(sample())
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        binary = read_binary(mapping, str(path))
        mapping.close()  # BufferError if anything were still held
    assert binary == read_binary(memoryview(sample()), str(path))


def test_facts_that_are_not_facts_are_refused() -> None:
    for value in (None, {}, {"format": "elf"}, {"format": "elf", "kind": "shared", "images": [{"no": 1}]}):
        with pytest.raises(InspectError, match="not the facts"):
            Binary.from_json(value)


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("GLIBC_2.28", ("GLIBC", (2, 28))),
        ("GLIBCXX_3.4.30", ("GLIBCXX", (3, 4, 30))),
        ("GLIBC_ABI_DT_RELR", ("GLIBC_ABI_DT_RELR", ())),
        ("GLIBCXX_LDBL_3.4.29", ("GLIBCXX_LDBL", (3, 4, 29))),
        ("CXXABI_FLOAT128", ("CXXABI_FLOAT128", ())),
        ("2.5", ("2.5", ())),
        ("X_1..2", ("X_1..2", ())),
        ("", ("", ())),
    ],
)
def test_versions_are_cut_at_their_number(version: str, parts: tuple[str, tuple[int, ...]]) -> None:
    assert split_version(version) == parts


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None or not sys.platform.startswith("linux"):
        pytest.skip("NO C COMPILER FOR LINUX here: what a linker writes is not checked")
    return found


def test_what_a_linker_writes_is_read(compiler: str, tmp_path: Path) -> None:
    source = tmp_path / "x.c"
    source.write_text(
        "extern int _Py_DecRefShared(void); extern int _Py_RefTotal; extern int PyList_New(void);\n"
        "#include <math.h>\n"
        "int PyInit_x(void) { return _Py_DecRefShared() + _Py_RefTotal + PyList_New() + (int)exp(_Py_RefTotal); }\n"
    )
    for style in ("gnu", "sysv"):
        out = tmp_path / f"{style}.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", f"-Wl,--hash-style={style}", "-Wl,-rpath,$ORIGIN/../libs:/opt/here",
             "-Wl,--enable-new-dtags", "-Wl,-soname,libx.so.1", str(source), "-o", str(out), "-lm"],
            check=True,
        )  # fmt: skip
        binary = read_binary(out.read_bytes(), "x.so")
        assert binary is not None
        (image,) = binary.images
        assert image.python_modules == ("x",)
        assert image.python_symbols == ("_Py_DecRefShared", "_Py_RefTotal")
        assert image.rpath == ("$ORIGIN/../libs", "/opt/here")
        assert image.soname == "libx.so.1"
        assert image.libc == "glibc"
        assert VersionNeed(library="libm.so.6", version="GLIBC_2.29", symbol="exp") in image.versions
        assert binary.kind is Kind.SHARED


def test_a_program_is_told_from_a_library(compiler: str, tmp_path: Path) -> None:
    source, out = tmp_path / "m.c", tmp_path / "m"
    source.write_text("int main(void) { return 0; }\n")
    for flags in (["-pie", "-fPIE"], ["-no-pie"], ["-static"]):
        subprocess.run([compiler, *flags, str(source), "-o", str(out)], check=True)
        binary = read_binary(out.read_bytes(), "m")
        assert binary is not None
        assert binary.kind is Kind.EXECUTABLE, flags
        assert (binary.images[0].libc == "glibc") is (flags != ["-static"])
    subprocess.run([compiler, "-c", str(source), "-o", str(out)], check=True)
    binary = read_binary(out.read_bytes(), "m.o")
    assert binary is not None
    assert binary.kind is Kind.OBJECT
