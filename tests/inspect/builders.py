"""Builders of tiny Mach-O and PE files, byte by byte, and of facts: no compiler is needed."""

from __future__ import annotations

import struct
from typing import Any

from crossdock.inspect.facts import Binary, Format, Image, Kind, VersionNeed
from crossdock.inspect.finding import AuditFile
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

CPU = {"x86_64": 0x01000007, "aarch64": 0x0100000C}


def padded(data: bytes, to: int = 8) -> bytes:
    return data + b"\0" * (-len(data) % to)


def path_command(command: int, text: str, fixed: int) -> bytes:
    """A load command with a string behind `fixed` bytes of fields (LC_LOAD_DYLIB: 24, LC_RPATH: 12)."""
    body = padded(text.encode() + b"\0")
    fields = struct.pack("<III", command, fixed + len(body), fixed)
    return fields.ljust(fixed, b"\0") + body


def macho(
    cpu: str = "aarch64",
    *,
    needed: tuple[str, ...] = (),
    weak: tuple[str, ...] = (),
    rpath: tuple[str, ...] = (),
    min_os: tuple[int, int] = (11, 0),
    platform: int = 1,
    signed: bool = True,
    names: bytes = b"",
    filetype: int = 8,
) -> bytes:
    """A thin 64-bit Mach-O file with just its load commands and a string table."""
    commands = [path_command(0xC, name, 24) for name in needed]
    commands += [path_command(0x80000018, name, 24) for name in weak]
    commands += [path_command(0x8000001C, entry, 12) for entry in rpath]
    commands.append(struct.pack("<IIIIII", 0x32, 24, platform, min_os[0] << 16 | min_os[1] << 8, 0, 0))
    if signed:
        commands.append(struct.pack("<IIII", 0x1D, 16, 0, 0))
    size = sum(map(len, commands)) + 24
    commands.append(struct.pack("<IIIIII", 0x2, 24, 0, 0, 32 + size, len(names)))
    header = struct.pack("<IiiIIIII", 0xFEEDFACF, CPU[cpu], 0, filetype, len(commands), size, 0, 0)
    return header + b"".join(commands) + names


def universal(*parts: tuple[str, bytes]) -> bytes:
    """A universal file of thin ones."""
    at = 8 + 20 * len(parts)
    head, body = struct.pack(">II", 0xCAFEBABE, len(parts)), b""
    for cpu, data in parts:
        head += struct.pack(">IIIII", CPU[cpu], 0, at + len(body), len(data), 0)
        body += data
    return head + body


def pe(
    machine: int = 0x8664, *, dlls: tuple[str, ...] = (), exports: tuple[str, ...] = (), dll: bool = True
) -> bytes:
    """A PE32+ file with one section that holds the import and export tables."""
    base, raw = 0x1000, 0x200
    imports = 20 * (len(dlls) + 1)
    strings, table = b"", b""
    for name in dlls:
        table += struct.pack("<IIIII", 0, 0, 0, base + imports + len(strings), 0)
        strings += name.encode() + b"\0"
    table += b"\0" * 20
    exported = b"\0" + b"".join(name.encode() + b"\0" for name in exports)
    section = table + strings
    export_at = base + len(section)
    section = (section + b"\0" * 40 + exported).ljust(0x200, b"\0")
    directories = [(0, 0)] * 16
    directories[0] = (export_at, 40 + len(exported)) if exports else (0, 0)
    directories[1] = (base, imports) if dlls else (0, 0)
    optional = struct.pack("<H", 0x20B).ljust(68, b"\0") + struct.pack("<H", 3)
    optional = optional.ljust(108, b"\0") + struct.pack("<I", 16)
    optional += b"".join(struct.pack("<II", *one) for one in directories)
    coff = struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x2022 if dll else 0x22)
    header = struct.pack(
        "<8sIIIIIIHHI", b".rdata\0\0", len(section), base, len(section), raw, 0, 0, 0, 0, 0x40000040
    )
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    return (dos + b"PE\0\0" + coff + optional + header).ljust(raw, b"\0") + section


def linux(
    arch: Arch = Arch.X86_64, libc: str = "glibc2.17", python: Python | None = None, **fields: Any
) -> Target:
    kind, version = libc[: 5 if libc.startswith("glibc") else 4], libc.lstrip("glibcmus")
    major, minor = version.split(".")
    return Target(
        os=Os.LINUX,
        arch=arch,
        python=python or Python(minor=12),
        libc=Libc(LibcKind(kind), int(major), int(minor)),
        **fields,
    )


def macos(
    arch: Arch = Arch.AARCH64, version: tuple[int, int] = (11, 0), python: Python | None = None
) -> Target:
    return Target(os=Os.MACOS, arch=arch, python=python or Python(minor=12), os_version=version)


def windows(arch: Arch = Arch.X86_64, python: Python | None = None) -> Target:
    return Target(os=Os.WINDOWS, arch=arch, python=python or Python(minor=12))


def elf_facts(
    machine: str = "x86_64",
    *,
    versions: tuple[tuple[str, str, str], ...] = (),
    kind: Kind = Kind.SHARED,
    **fields: Any,
) -> Binary:
    """The facts of an ELF file; without others it needs nothing and fits anywhere of its machine."""
    needs = tuple(VersionNeed(library=one, version=two, symbol=three) for one, two, three in versions)
    if needs and "libc" not in fields:
        fields |= {"libc": "glibc", "libc_evidence": f"needs {needs[0].version} of {needs[0].library}"}
    return Binary(format=Format.ELF, kind=kind, images=(Image(machine=machine, versions=needs, **fields),))


def facts(kind_of_file: Format, machine: str, kind: Kind = Kind.SHARED, **fields: Any) -> Binary:
    return Binary(format=kind_of_file, kind=kind, images=(Image(machine=machine, **fields),))


def module(path: str, binary: Binary | None = None, **fields: Any) -> AuditFile:
    """An extension module of package `pkg` that exports its PyInit function."""
    name = path.rpartition("/")[2].partition(".")[0]
    binary = binary or elf_facts()
    images = tuple(
        Image(
            **{
                **{key: getattr(image, key) for key in Image.__slots__},
                "python_modules": (name,),
                "uses_python": True,
            }
        )
        for image in binary.images
    )
    binary = Binary(format=binary.format, kind=binary.kind, images=images)
    return file(path, binary, **fields)


def file(
    path: str, binary: Binary, *, package: str = "pkg", tags: tuple[str, ...] = ("cp312-cp312-x",)
) -> AuditFile:
    return AuditFile(path=path, binary=binary, package=package, tags=tags)
