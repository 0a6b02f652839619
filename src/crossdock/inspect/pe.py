"""Reads the facts of a PE file: Microsoft's "PE Format" specification."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from crossdock.inspect.facts import Binary, Format, Image, Kind
from crossdock.inspect.reader import Reader, exported_modules

if TYPE_CHECKING:
    from crossdock.inspect.reader import Buffer

_MACHINES = {
    0x14C: "i686", 0x8664: "x86_64", 0xAA64: "aarch64", 0x1C4: "armnt", 0x1C0: "arm", 0xA641: "arm64ec",
    0xA64E: "arm64x", 0x200: "ia64", 0xEBC: "efi-bytecode", 0x5032: "riscv32", 0x5064: "riscv64",
}  # fmt: skip
_WIDE_OPTIONAL_HEADER = 0x20B
_IS_DLL = 0x2000
_EFI_SUBSYSTEMS = frozenset({10, 11, 12, 13})
#: Indexes into the data directories.
_EXPORTS, _IMPORTS, _DELAY_IMPORTS, _MANAGED = 0, 1, 13, 14
#: Real files stay far below these.
_MOST_SECTIONS, _MOST_DLLS, _LONGEST_EXPORTS = 96, 4096, 1 << 24
_HEAD = struct.Struct("<HHIIIHH")
_IMPORT = struct.Struct("<IIIII")
_DELAY_IMPORT = struct.Struct("<IIIIIIII")


class _Section(NamedTuple):
    address: int
    virtual_size: int
    offset: int
    size: int


def read_pe(data: Buffer, path: str) -> Binary | None:
    """Read one PE file; None for a DOS program; `InspectError` where it does not follow its format."""
    reader = Reader(data, path)
    if reader.size < 64:  # noqa: PLR2004  the DOS header
        return None
    (at,) = reader.unpack(struct.Struct("<I"), 60)
    if at + 4 > reader.size or reader.bytes(at, 4) != b"PE\0\0":
        return None
    return _PeReader(reader, at + 4).binary()


class _PeReader:
    """One file being read: its header and the sections that map addresses to offsets."""

    def __init__(self, reader: Reader, at: int) -> None:
        self.reader = reader
        header = reader.unpack(_HEAD, at)
        self.machine, count, optional_size, self.characteristics = header[0], header[1], header[5], header[6]
        optional = at + _HEAD.size
        if count > _MOST_SECTIONS:
            raise reader.error(f"{count} sections", "E-BINARY-PE")
        table = struct.Struct("<8sIIIIIIHHI")
        self.sections = []
        for index in range(count):
            record = reader.unpack(table, optional + optional_size + index * table.size)
            self.sections.append(_Section(record[2], record[1], record[4], record[3]))
        (magic,) = reader.unpack(struct.Struct("<H"), optional)
        self.wide = magic == _WIDE_OPTIONAL_HEADER
        (self.subsystem,) = reader.unpack(struct.Struct("<H"), optional + 68)
        self.image_base = reader.unpack(
            struct.Struct("<Q" if self.wide else "<I"), optional + (24 if self.wide else 28)
        )[0]
        directories = optional + (112 if self.wide else 96)
        (given,) = reader.unpack(struct.Struct("<I"), directories - 4)
        room = max(0, (optional + optional_size - directories) // 8)
        self.directories = list(reader.table(struct.Struct("<II"), directories, min(given, room, 16)))

    def binary(self) -> Binary:
        needed = self._dlls(_IMPORTS, _IMPORT, 3)
        image = Image(
            # An IL-only assembly says i386 and runs on any CPU.
            machine="dotnet"
            if self._directory(_MANAGED)[0]
            else _MACHINES.get(self.machine, f"pe{self.machine:#x}"),
            bits=64 if self.wide else 32,
            needed=needed,
            optional=self._dlls(_DELAY_IMPORTS, _DELAY_IMPORT, 1),
            platform="efi" if self.subsystem in _EFI_SUBSYSTEMS else "",
            uses_python=any(is_python_dll(name) for name in needed),
            python_modules=self._modules(),
        )
        kind = Kind.SHARED if self.characteristics & _IS_DLL else Kind.EXECUTABLE
        return Binary(format=Format.PE, kind=kind, images=(image,))

    def _directory(self, index: int) -> tuple[int, int]:
        if index >= len(self.directories):
            return 0, 0
        address, size = self.directories[index]
        return address, size

    def offset_of(self, address: int) -> int | None:
        """Map a relative virtual address to a file offset; None where no section holds it."""
        for section in self.sections:
            if section.address <= address < section.address + max(section.virtual_size, section.size):
                inside = address - section.address
                return section.offset + inside if inside < section.size else None
        return None

    def _dlls(self, directory: int, record: struct.Struct, name_field: int) -> tuple[str, ...]:
        """Read a table of imports that ends with a zero record."""
        address, _ = self._directory(directory)
        at = self.offset_of(address) if address else None
        names: list[str] = []
        while at is not None and len(names) < _MOST_DLLS:
            values = self.reader.unpack(record, at)
            name = values[name_field]
            if not name:
                break
            if record is _DELAY_IMPORT and not values[0] & 1:
                name -= self.image_base  # before Visual C++ 7 these were addresses, not relative ones
            where = self.offset_of(name)
            if where is None:
                raise self.reader.error(f"import name at {name:#x} lies in no section", "E-BINARY-PE")
            names.append(self.reader.string(where, 512))
            at += record.size
        return tuple(names)

    def _modules(self) -> tuple[str, ...]:
        """Find `PyInit_` in the export directory: the linker lays the names out inside it."""
        address, size = self._directory(_EXPORTS)
        at = self.offset_of(address) if address else None
        if at is None:
            return ()
        size = min(size, self.reader.size - at, _LONGEST_EXPORTS)
        return exported_modules(self.reader.bytes(at, size), b"\0PyInit_")


def is_python_dll(name: str) -> bool:
    """Whether a DLL is CPython itself: `python3.dll`, `python312.dll`, `python313t.dll`, `python3t.dll`."""
    lower = name.lower()
    return lower.startswith("python") and lower.endswith(".dll") and lower[6:-4].rstrip("td_").isdigit()
