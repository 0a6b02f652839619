"""Shared libraries made byte by byte, for any CPU: sections, symbols and versions as a linker lays them out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

#: e_machine, bits, byte order, e_flags
_CPUS = {
    "x86_64": (62, 64, "<", 0),
    "aarch64": (183, 64, "<", 0),
    "armv7l": (40, 32, "<", 0x05000400),
    "i686": (3, 32, "<", 0),
    "ppc64le": (21, 64, "<", 2),
    "s390x": (22, 64, ">", 0),
    "riscv64": (243, 64, "<", 5),
}
_ALIGN = 0x1000

#: Symbols by version by library.
Versions = dict[str, dict[str, tuple[str, ...]]]


@dataclass
class _Strings:
    data: bytearray = field(default_factory=lambda: bytearray(1))

    def at(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def elf(  # noqa: C901, PLR0915 - a file from its first byte to its last
    cpu: str = "aarch64",
    *,
    needed: tuple[str, ...] = (),
    versions: Versions | None = None,
    imports: tuple[str, ...] = (),
    exports: tuple[str, ...] = (),
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    defines: tuple[str, ...] = (),
    extra: bytes = b"",
) -> bytes:
    """Return a shared library.

    `versions` are symbols by version by library, `defines` versions of its own; `extra` lies in the file unseen.
    """
    machine, bits, order, flags = _CPUS[cpu]
    wide = bits == 64
    word, size = ("Q", 8) if wide else ("I", 4)
    versions = versions or {}
    needed = tuple(dict.fromkeys([*needed, *versions]))
    strings = _Strings()
    dynamic = [(1, strings.at(name)) for name in needed]
    dynamic += [(tag, strings.at(text)) for tag, text in ((14, soname), (29, runpath), (15, rpath)) if text]
    symbols, indices = [(0, 0, 0, 0)], [0]
    for name in imports:
        symbols.append((strings.at(name), 0x12, 0, 0))
        indices.append(1)
    verneed, index = b"", 2
    for number, (library, found) in enumerate(versions.items()):
        rows = b""
        for last, (version, names) in enumerate(found.items(), 1):
            following = 0 if last == len(found) else 16
            rows += struct.pack(f"{order}IHHII", _hash(version), 0, index, strings.at(version), following)
            for name in names or (f"f{index}",):
                symbols.append((strings.at(name), 0x12, 0, 0))
                indices.append(index)
            index += 1
        following = 0 if number == len(versions) - 1 else 16 + len(rows)
        at = dynamic[needed.index(library)][1]
        verneed += struct.pack(f"{order}HHIII", 1, len(found), at, 16, following) + rows
    for name in exports:
        symbols.append((strings.at(name), 0x12, 1, 0x40))
        indices.append(1)
    verdef = b""
    for number, version in enumerate(defines, 1):
        following = 0 if number == len(defines) else 28
        verdef += struct.pack(f"{order}4H3I", 1, 0, number + 1, 1, _hash(version), 20, following)
        verdef += struct.pack(f"{order}II", strings.at(version), 0)
    layout = f"{order}IBBHQQ" if wide else f"{order}IIIBBH"
    table = b"".join(
        struct.pack(layout, name, info, 0, section, value, 0)
        if wide
        else struct.pack(layout, name, value, 0, info, 0, section)
        for name, info, section, value in symbols
    )
    parts: dict[bytes, tuple[bytes, int]] = {
        b".dynsym": (table, 11),
        b".dynstr": (bytes(strings.data), 3),
        b".hash": (
            struct.pack(f"{order}{2 + 1 + len(symbols)}I", 1, len(symbols), *[0] * (1 + len(symbols))),
            5,
        ),
        b".gnu.version": (struct.pack(f"{order}{len(indices)}H", *indices), 0x6FFFFFFF),
    }
    if verneed:
        parts[b".gnu.version_r"] = (verneed, 0x6FFFFFFE)
    if verdef:
        parts[b".gnu.version_d"] = (verdef, 0x6FFFFFFD)
    parts[b".text"] = (extra or b"\0", 1)
    head, phdr, shdr = (64, 56, 64) if wide else (52, 32, 40)
    at, body = head + 2 * phdr, b""
    places: dict[bytes, int] = {}
    for title, (data, _) in parts.items():
        pad = -at % 8
        places[title] = at + pad
        body += b"\0" * pad + data
        at += pad + len(data)
    dynamic += [
        (5, places[b".dynstr"]),
        (10, len(strings.data)),
        (6, places[b".dynsym"]),
        (11, len(table) // len(symbols)),
    ]
    dynamic += [(4, places[b".hash"]), (0x6FFFFFF0, places[b".gnu.version"])]
    if verneed:
        dynamic += [(0x6FFFFFFE, places[b".gnu.version_r"]), (0x6FFFFFFF, len(versions))]
    if verdef:
        dynamic += [(0x6FFFFFFC, places[b".gnu.version_d"]), (0x6FFFFFFD, len(defines))]
    pad = -at % 8
    table = b"".join(struct.pack(f"{order}2{word}", *row) for row in [*dynamic, (0, 0)])
    parts[b".dynamic"] = (table, 6)
    places[b".dynamic"] = at + pad
    body += b"\0" * pad + table
    titles = b"\0" + b"\0".join([*parts, b".shstrtab"]) + b"\0"
    parts[b".shstrtab"] = (titles, 3)
    places[b".shstrtab"] = head + 2 * phdr + len(body)
    body += titles
    loaded = places[b".shstrtab"]
    body += b"\0" * (-(head + 2 * phdr + len(body)) % 8)
    sections_at = head + 2 * phdr + len(body)
    order_of = [b"", *parts]
    link = {
        b".hash": b".dynsym",
        b".dynsym": b".dynstr",
        b".gnu.version_r": b".dynstr",
        b".gnu.version_d": b".dynstr",
        b".dynamic": b".dynstr",
        b".gnu.version": b".dynsym",
    }
    infos = {b".gnu.version_r": len(versions), b".gnu.version_d": len(defines), b".dynsym": 1}
    sizes = {b".dynsym": len(parts[b".dynsym"][0]) // len(symbols), b".dynamic": 2 * size, b".gnu.version": 2}
    sections = bytes(shdr)
    for title, (data, kind) in parts.items():
        where = places[title]
        sections += struct.pack(
            f"{order}II4{word}II2{word}",
            titles.index(b"\0" + title + b"\0") + 1,
            kind,
            0 if title == b".shstrtab" else 2,
            0 if title == b".shstrtab" else where,
            where,
            len(data),
            order_of.index(link[title]) if title in link else 0,
            infos.get(title, 0),
            8,
            sizes.get(title, 0),
        )
    header = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    header += struct.pack(
        f"{order}HHI3{word}IHHHHHH",
        3, machine, 1, 0, head, sections_at, flags, head, phdr, 2, shdr, len(order_of), len(order_of) - 1,
    )  # fmt: skip
    dynamic_at, dynamic_size = places[b".dynamic"], len(parts[b".dynamic"][0])
    segments = [(1, 0, loaded, _ALIGN), (2, dynamic_at, dynamic_size, 8)]
    programs = b"".join(
        struct.pack(f"{order}II6Q", kind, 6, where, where, where, length, length, align)
        if wide
        else struct.pack(f"{order}8I", kind, where, where, where, length, length, 6, align)
        for kind, where, length, align in segments
    )
    return header + programs + body + sections


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def extension(
    cpu: str = "aarch64", name: str = "m", *, imports: tuple[str, ...] = ("PyModule_Create2",), **more: object
) -> bytes:
    """Return an extension module that needs `more` as `elf` takes it."""
    return elf(cpu, imports=imports, exports=(f"PyInit_{name}",), **more)  # type: ignore[arg-type]
