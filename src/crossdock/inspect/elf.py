"""Reads the facts of an ELF file: System V gABI chapters 4 and 5, and the GNU symbol versioning extension."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from crossdock.inspect.facts import Binary, Format, Image, Kind, VersionNeed, split_version
from crossdock.inspect.libc import libc_of
from crossdock.inspect.reader import TELLING_SYMBOLS, Reader, exported_modules, text_at

if TYPE_CHECKING:
    from crossdock.inspect.reader import Buffer

MAGIC = b"\x7fELF"

_MACHINES = {
    (3, 32): "i686", (62, 64): "x86_64", (62, 32): "x32", (183, 64): "aarch64", (243, 64): "riscv64",
    (243, 32): "riscv32", (258, 64): "loongarch64", (22, 64): "s390x", (8, 32): "mips", (8, 64): "mips64",
    (20, 32): "ppc", (247, 64): "bpf", (190, 64): "cuda", (224, 64): "amdgpu", (83, 32): "avr",
    (94, 32): "xtensa", (2, 32): "sparc", (43, 64): "sparc64",
}  # fmt: skip
_ARM, _PPC64, _S390 = 40, 21, 22
_EF_ARM_ABI_FLOAT_SOFT = 0x200

_KINDS = {1: Kind.OBJECT, 2: Kind.EXECUTABLE, 3: Kind.SHARED}
_OS_ABIS = {2: "netbsd", 6: "solaris", 9: "freebsd", 12: "openbsd"}

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME = 1, 5, 6, 10, 14
_DT_HASH, _DT_RPATH, _DT_RUNPATH, _DT_GNU_HASH = 4, 15, 29, 0x6FFFFEF5
_DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM, _DT_FLAGS_1 = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFB
_DT_VERDEF, _DT_VERDEFNUM = 0x6FFFFFFC, 0x6FFFFFFD
_DF_1_PIE = 0x08000000
_SHT_ARM_ATTRIBUTES = 0x70000003
_VER_FLG_WEAK = 2
#: Real files stay far below these; above them a table is hostile, and reading it would only cost time.
_MOST_SEGMENTS, _MOST_DYNAMIC, _MOST_VERSIONS, _MOST_SECTIONS = 1024, 65536, 4096, 65536


class _Segment(NamedTuple):
    type: int
    offset: int
    address: int
    size: int
    align: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """The record layouts of one class and byte order."""

    bits: int
    order: str

    def record(self, narrow: str, wide: str) -> struct.Struct:
        return struct.Struct(self.order + (wide if self.bits == 64 else narrow))  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class _Dynamic:
    """The dynamic section: values by tag, in order, and its string table."""

    values: dict[int, list[int]]
    strings: bytes

    def first(self, tag: int) -> int | None:
        found = self.values.get(tag)
        return found[0] if found else None

    def texts(self, tag: int) -> list[str]:
        return [text for at in self.values.get(tag, ()) if (text := text_at(self.strings, at))]


def read_elf(data: Buffer, path: str) -> Binary:
    """Read one ELF file; raise `InspectError` where it does not follow its format."""
    return _ElfReader(Reader(data, path)).binary()


class _ElfReader:
    """One file being read: the header's fields and the segments that map addresses to offsets."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        ident = reader.bytes(0, 16)
        if ident[4] not in {1, 2} or ident[5] not in {1, 2}:
            raise reader.error(f"ELF class {ident[4]} or byte order {ident[5]} unknown", "E-BINARY-ELF")
        self.os_abi = ident[7]
        self.layout = _Layout(32 * ident[4], "<" if ident[5] == 1 else ">")
        header = reader.unpack(self.layout.record("HHIIIIIHHHHHH", "HHIQQQIHHHHHH"), 16)
        self.type, self.machine_number, self.flags = header[0], header[1], header[6]
        self.sections_at, self.section_count = header[5], header[11]
        self.segments = self._segments(header[4], header[8], header[9])

    def _segments(self, offset: int, entry_size: int, count: int) -> list[_Segment]:
        layout = self.layout.record("IIIIIIII", "IIQQQQQQ")
        if count and (entry_size != layout.size or count > _MOST_SEGMENTS):
            raise self.reader.error(f"{count} program headers of {entry_size} bytes", "E-BINARY-ELF")
        if self.layout.bits == 64:  # noqa: PLR2004
            return [_Segment(r[0], r[2], r[3], r[5], r[7]) for r in self.reader.table(layout, offset, count)]
        return [_Segment(r[0], r[1], r[2], r[4], r[7]) for r in self.reader.table(layout, offset, count)]

    def binary(self) -> Binary:
        kind = _KINDS.get(self.type, Kind.OTHER)
        dynamic = self._dynamic()
        if dynamic is None:
            image = Image(
                machine=self._machine(),
                bits=self.layout.bits,
                big_endian=self.layout.order == ">",
                interpreter=self._interpreter(),
            )
            return Binary(format=Format.ELF, kind=kind, images=(self._placed(image),))
        interpreter = self._interpreter()
        modules = exported_modules(dynamic.strings, b"\0PyInit_")
        soname = next(iter(dynamic.texts(_DT_SONAME)), "")
        pie = bool((dynamic.first(_DT_FLAGS_1) or 0) & _DF_1_PIE)
        if kind is Kind.SHARED and (pie or (interpreter and not soname and not modules)):
            kind = Kind.EXECUTABLE
        return Binary(
            format=Format.ELF,
            kind=kind,
            images=(self._placed(self._image(dynamic, interpreter, soname, modules)),),
        )

    def _image(self, dynamic: _Dynamic, interpreter: str, soname: str, modules: tuple[str, ...]) -> Image:
        needed = tuple(dynamic.texts(_DT_NEEDED))
        indexed = _newest(self._version_needs(dynamic))
        symbols = _Symbols(self, dynamic)
        versions = symbols.with_examples(indexed)
        libc, evidence = libc_of(needed, interpreter, versions)
        rpath = dynamic.texts(_DT_RUNPATH) or dynamic.texts(_DT_RPATH)
        uses_python = b"\0Py" in dynamic.strings or b"\0_Py" in dynamic.strings
        return Image(
            machine=self._machine(),
            bits=self.layout.bits,
            big_endian=self.layout.order == ">",
            needed=needed,
            soname=soname,
            rpath=tuple(part for text in rpath for part in text.split(":") if part),
            versions=versions,
            defines=self._version_definitions(dynamic),
            libc=libc,
            libc_evidence=evidence,
            interpreter=interpreter,
            uses_python=uses_python,
            python_modules=modules,
            python_symbols=symbols.telling() if uses_python else (),
            segments_aligned=self._aligned(),
        )

    def _placed(self, image: Image) -> Image:
        """Add the operating system where the file names one."""
        level = self._android_level()
        if level is not None or image.libc == "bionic":
            return replace(image, platform="android", libc="bionic", min_os=(level, 0) if level else None)
        system = _OS_ABIS.get(self.os_abi, "")
        return replace(image, platform=system) if system else image

    def _machine(self) -> str:
        number, bits = self.machine_number, self.layout.bits
        if number == _ARM and bits == 32:  # noqa: PLR2004
            return self._arm()
        if number == _PPC64:
            return "ppc64le" if self.layout.order == "<" else "ppc64"
        return _MACHINES.get((number, bits), f"em{number}")

    def _arm(self) -> str:
        """Tell soft-float and the CPU level apart (ARM IHI 0045, Tag_CPU_arch 6..9 and 11: v6)."""
        if self.layout.order == ">":
            return "armeb"
        if self.flags & _EF_ARM_ABI_FLOAT_SOFT:
            return "armel"
        return "armv6l" if self._arm_level() in {6, 7, 8, 9, 11} else "armv7l"

    def _arm_level(self) -> int | None:
        layout = struct.Struct(self.layout.order + "IIIIIIIIII")
        if not self.sections_at or self.section_count > _MOST_SECTIONS:
            return None
        for record in self.reader.table(layout, self.sections_at, self.section_count):
            if record[1] == _SHT_ARM_ATTRIBUTES:
                return _cpu_arch(self.reader.bytes(record[4], record[5]))
        return None

    def _interpreter(self) -> str:
        for segment in self.segments:
            if segment.type == _PT_INTERP:
                return text_at(self.reader.bytes(segment.offset, min(segment.size, 4096)), 0)
        return ""

    def _android_level(self) -> int | None:
        """Return the API level of the note that the NDK writes (`.note.android.ident`)."""
        for segment in self.segments:
            if segment.type == _PT_NOTE and segment.size < 1 << 16:
                note = self.reader.bytes(segment.offset, segment.size)
                at = note.find(b"Android\0")
                if at >= 0 and at + 12 <= len(note):
                    return int.from_bytes(note[at + 8 : at + 12], "little") & 0xFFFF
        return None

    def _aligned(self) -> bool:
        """Whether each loadable segment can be mapped: offset and address agree modulo the alignment."""
        return all(
            not (segment.address - segment.offset) % segment.align
            for segment in self.segments
            if segment.type == _PT_LOAD and segment.align > 1 and segment.size
        )

    def offset_of(self, address: int) -> int:
        """Map an address to a file offset through the loadable segments."""
        for segment in self.segments:
            if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise self.reader.error(f"address {address:#x} lies in no segment", "E-BINARY-ELF")

    def _dynamic(self) -> _Dynamic | None:
        section = next((item for item in self.segments if item.type == _PT_DYNAMIC), None)
        if section is None or section.size == 0:
            return None
        layout = self.layout.record("II", "QQ")
        values: dict[int, list[int]] = {}
        count = min(section.size // layout.size, _MOST_DYNAMIC)
        for tag, value in self.reader.table(layout, section.offset, count):
            if tag == 0:
                break
            values.setdefault(tag, []).append(value)
        start, size = values.get(_DT_STRTAB, [0])[0], values.get(_DT_STRSZ, [0])[0]
        if not start:
            return _Dynamic(values, b"")
        return _Dynamic(values, self.reader.bytes(self.offset_of(start), size))

    def _version_needs(self, dynamic: _Dynamic) -> dict[int, VersionNeed]:
        """Read DT_VERNEED: the version needed, by the index that the symbols refer to it with."""
        start, count = dynamic.first(_DT_VERNEED), dynamic.first(_DT_VERNEEDNUM) or 0
        needs: dict[int, VersionNeed] = {}
        if not start:
            return needs
        entry = struct.Struct(self.layout.order + "HHIII")
        at = self.offset_of(start)
        for _ in range(min(count, _MOST_VERSIONS)):
            _, size, file, first, following = self.reader.unpack(entry, at)
            self._auxiliaries(needs, at + first, size, text_at(dynamic.strings, file), dynamic.strings)
            if not following or len(needs) >= _MOST_VERSIONS:
                break
            at += following
        return needs

    def _version_definitions(self, dynamic: _Dynamic) -> tuple[str, ...]:
        """Read DT_VERDEF: the first auxiliary of each definition is its name, the others are its parents."""
        start, count = dynamic.first(_DT_VERDEF), dynamic.first(_DT_VERDEFNUM) or 0
        if not start:
            return ()
        entry = struct.Struct(self.layout.order + "HHHHIII")
        name = struct.Struct(self.layout.order + "I")
        at = self.offset_of(start)
        found = []
        for _ in range(min(count, _MOST_VERSIONS)):
            _, _, _, _, _, first, following = self.reader.unpack(entry, at)
            found.append(text_at(dynamic.strings, self.reader.unpack(name, at + first)[0]))
            if not following:
                break
            at += following
        return tuple(found)

    def _auxiliaries(
        self, needs: dict[int, VersionNeed], at: int, count: int, library: str, strings: bytes
    ) -> None:
        layout = struct.Struct(self.layout.order + "IHHII")
        for _ in range(count):
            _, flags, index, name, following = self.reader.unpack(layout, at)
            # The loader only warns about a weak version that is missing (elf/dl-version.c in glibc).
            if not flags & _VER_FLG_WEAK:
                needs[index & 0x7FFF] = VersionNeed(library=library, version=text_at(strings, name))
            if not following or len(needs) >= _MOST_VERSIONS:
                return
            at += following


class _Symbols:
    """The dynamic symbol table, as far as it must be read."""

    def __init__(self, elf: _ElfReader, dynamic: _Dynamic) -> None:
        self.elf = elf
        self.dynamic = dynamic
        self.record = elf.layout.record("IIIBBH", "IBBHQQ")
        self.section_field = 3 if elf.layout.bits == 64 else 5  # noqa: PLR2004
        start = dynamic.first(_DT_SYMTAB)
        self.start = elf.offset_of(start) if start else 0

    def name(self, index: int) -> str:
        record = self.elf.reader.unpack(self.record, self.start + index * self.record.size)
        return text_at(self.dynamic.strings, record[0])

    def with_examples(self, needs: dict[int, VersionNeed]) -> tuple[VersionNeed, ...]:
        """Give each needed version a symbol that carries it, found by a byte search in DT_VERSYM."""
        where = self.dynamic.first(_DT_VERSYM)
        count = self._count()
        if not needs or not where or not count or not self.start:
            return tuple(needs.values())
        reader = self.elf.reader
        order: Literal["little", "big"] = "little" if self.elf.layout.order == "<" else "big"
        at = self.elf.offset_of(where)
        table = reader.bytes(at, max(0, min(2 * count, reader.size - at)))
        result = []
        for index, need in needs.items():
            found = _aligned_find(table, index.to_bytes(2, order))
            symbol = self.name(found) if found is not None else ""
            result.append(VersionNeed(library=need.library, version=need.version, symbol=symbol))
        return tuple(sorted(result, key=lambda item: (item.library, item.version)))

    def telling(self) -> tuple[str, ...]:
        """Return the imported symbols that only a debug or free-threaded interpreter exports."""
        strings = self.dynamic.strings
        present = {name for name in TELLING_SYMBOLS if b"\0" + name.encode() + b"\0" in strings}
        if not present or not self.start:
            return ()
        # Undefined symbols come before the hashed ones; DT_HASH has no such order, so all are looked at.
        offsets = {strings.find(b"\0" + name.encode() + b"\0") + 1: name for name in present}
        count = min(self._count(), (self.elf.reader.size - self.start) // self.record.size)
        field = self.section_field
        return tuple(
            sorted(
                offsets[record[0]]
                for record in self.elf.reader.table(self.record, self.start, max(0, count))
                if record[0] in offsets and record[field] == 0
            )
        )

    def _count(self) -> int:
        """How many symbols are worth reading: those before DT_GNU_HASH's buckets, or all of DT_HASH's."""
        old = self.dynamic.first(_DT_HASH)
        gnu = self.dynamic.first(_DT_GNU_HASH)
        words = struct.Struct(self.elf.layout.order + "II")
        if gnu:
            # Bucket count, index of the first hashed symbol: what is imported stands before it.
            first = self.elf.reader.unpack(words, self.elf.offset_of(gnu))[1]
            if first > 1:
                return first
        elif old and self.elf.machine_number != _S390:
            # s390x has 64-bit words in DT_HASH (its ABI supplement).
            return self.elf.reader.unpack(words, self.elf.offset_of(old))[1]
        return self._room()

    def _room(self) -> int:
        """How many symbols fit before the next table: for files that export nothing, whose hash is empty."""
        start = self.dynamic.first(_DT_SYMTAB) or 0
        tables = (_DT_STRTAB, _DT_VERSYM, _DT_VERNEED, _DT_HASH, _DT_GNU_HASH)
        following = [at for tag in tables if (at := self.dynamic.first(tag) or 0) > start]
        return (min(following) - start) // self.record.size if following else 0


def _newest(needs: dict[int, VersionNeed]) -> dict[int, VersionNeed]:
    """Keep the newest version of each library and prefix: a library that has it has the older ones too."""
    best: dict[tuple[str, str], tuple[tuple[int, ...], int]] = {}
    for index, need in needs.items():
        prefix, number = split_version(need.version)
        key = (need.library, prefix)
        if key not in best or number > best[key][0]:
            best[key] = (number, index)
    return {index: needs[index] for _, index in best.values()}


def _aligned_find(table: bytes, pattern: bytes) -> int | None:
    at = table.find(pattern)
    while at >= 0:
        if at % 2 == 0:
            return at // 2
        at = table.find(pattern, at + 1)
    return None


def _cpu_arch(section: bytes) -> int | None:
    """Return Tag_CPU_arch of an ARM attributes section (ARM IHI 0045, 2.2.3), None where it is not plain."""
    at = section.find(b"aeabi\0")
    if not section.startswith(b"A") or at < 0:
        return None
    at += len(b"aeabi\0") + 5  # Tag_File and its size
    while at + 1 < len(section):
        tag = section[at]
        if tag == 6:  # noqa: PLR2004  Tag_CPU_arch
            return section[at + 1]
        if tag in {4, 5}:  # Tag_CPU_raw_name, Tag_CPU_name: strings
            end = section.find(b"\0", at)
            if end < 0:
                return None
            at = end + 1
        else:
            return None
    return None
