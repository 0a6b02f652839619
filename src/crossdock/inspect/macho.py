"""Reads the facts of a Mach-O file, thin or universal: `<mach-o/loader.h>` and `<mach-o/fat.h>`."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.inspect.facts import Binary, Format, Image, Kind
from crossdock.inspect.reader import TELLING_SYMBOLS, Reader, exported_modules

if TYPE_CHECKING:
    from crossdock.inspect.reader import Buffer

#: Magic of a thin file -> its byte order and width.
_THIN = {
    b"\xfe\xed\xfa\xce": (">", 32),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xcf\xfa\xed\xfe": ("<", 64),
}
_FAT, _FAT64 = b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"
MAGICS = frozenset({*_THIN, _FAT, _FAT64})

_MACHINES = {
    7: "i686", 0x01000007: "x86_64", 12: "arm", 0x0100000C: "aarch64", 0x0200000C: "arm64_32",
    18: "ppc", 0x01000012: "ppc64",
}  # fmt: skip
_KINDS = {1: Kind.OBJECT, 2: Kind.EXECUTABLE, 6: Kind.SHARED, 8: Kind.SHARED}
#: LC_BUILD_VERSION platforms (PLATFORM_MACOS ..) by the words of facts.Image.platform.
_PLATFORMS = {
    1: "macos", 2: "ios", 3: "tvos", 4: "watchos", 6: "mac-catalyst", 7: "ios-simulator",
    8: "tvos-simulator", 9: "watchos-simulator", 11: "visionos", 12: "visionos-simulator",
}  # fmt: skip
_MINIMUM_COMMANDS = {0x24: "macos", 0x25: "ios", 0x2F: "tvos", 0x30: "watchos"}
_LC_SYMTAB, _LC_RPATH, _LC_BUILD_VERSION, _LC_CODE_SIGNATURE, _LC_ID_DYLIB = 0x2, 0x8000001C, 0x32, 0x1D, 0xD
#: LC_LOAD_DYLIB, LC_REEXPORT_DYLIB, LC_LOAD_UPWARD_DYLIB must be found; the weak and the lazy one need not.
_NEEDED_COMMANDS, _OPTIONAL_COMMANDS = {0xC, 0x8000001F, 0x80000023}, {0x80000018, 0x20}
#: Universal files hold a handful; a Java class has the same magic, and its version (45 or more) there.
_MOST_IMAGES, _MOST_COMMANDS = 30, 16384


def is_macho(head: bytes) -> bool:
    """Whether a file's first 8 bytes begin a Mach-O file; Java classes share the universal magic."""
    magic = head[:4]
    if magic in {_FAT, _FAT64}:
        return 0 < int.from_bytes(head[4:8], "big") <= _MOST_IMAGES
    return magic in _THIN


def read_macho(data: Buffer, path: str) -> Binary:
    """Read one Mach-O file; raise `InspectError` where it does not follow its format."""
    reader = Reader(data, path)
    magic = reader.bytes(0, 4)
    if magic in _THIN:
        image, kind = _read_thin(reader)
        return Binary(format=Format.MACHO, kind=kind, images=(image,))
    layout = struct.Struct(">IIIII" if magic == _FAT else ">IIQQII")
    (count,) = reader.unpack(struct.Struct(">I"), 4)
    if not 0 < count <= _MOST_IMAGES:
        raise reader.error(f"{count} architectures", "E-BINARY-MACHO")
    images, kind = [], Kind.OTHER
    for record in reader.table(layout, 8, count):
        part = reader.part(record[2], record[3])
        if part.bytes(0, min(8, part.size)) == b"!<arch>\n":
            images.append(Image(machine=_MACHINES.get(record[0], f"cpu{record[0]}")))
            kind = Kind.ARCHIVE
            continue
        image, kind = _read_thin(part)
        images.append(image)
    return Binary(format=Format.MACHO, kind=kind, images=tuple(images))


@dataclass(slots=True)
class _Commands:
    """What the load commands of one image said so far."""

    needed: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    rpath: list[str] = field(default_factory=list)
    soname: str = ""
    platform: str = ""
    min_os: tuple[int, int] | None = None
    signed: bool = False
    names: bytes = b""


def _read_thin(reader: Reader) -> tuple[Image, Kind]:
    magic = reader.bytes(0, 4)
    if magic not in _THIN:
        raise reader.error(f"no Mach-O magic: {magic.hex()}", "E-BINARY-MACHO")
    order, bits = _THIN[magic]
    header = reader.unpack(struct.Struct(f"{order}IiiIIII"), 0)
    cpu, filetype, count, size = header[1] & 0xFFFFFFFF, header[3], header[4], header[5]
    found = _read_commands(reader, order, 32 if bits == 64 else 28, count, size)  # noqa: PLR2004
    image = Image(
        machine=_MACHINES.get(cpu, f"cpu{cpu}"),
        bits=bits,
        big_endian=order == ">",
        needed=tuple(found.needed),
        optional=tuple(found.optional),
        soname=found.soname,
        rpath=tuple(found.rpath),
        platform=found.platform,
        min_os=found.min_os,
        signed=found.signed,
        uses_python=b"\0_Py" in found.names or b"\0__Py" in found.names,
        # C names carry a leading underscore in Mach-O.
        python_modules=exported_modules(found.names, b"\0_PyInit_"),
        python_symbols=tuple(
            sorted(name for name in TELLING_SYMBOLS if b"\0_" + name.encode() + b"\0" in found.names)
        ),
    )
    return image, _KINDS.get(filetype, Kind.OTHER)


def _read_commands(reader: Reader, order: str, at: int, count: int, size: int) -> _Commands:
    if count > _MOST_COMMANDS:
        raise reader.error(f"{count} load commands", "E-BINARY-MACHO")
    commands = reader.part(at, size)
    found = _Commands()
    head, at = struct.Struct(f"{order}II"), 0
    for _ in range(count):
        command, length = commands.unpack(head, at)
        if length < head.size:
            raise reader.error(f"load command of {length} bytes", "E-BINARY-MACHO")
        _take(found, command, commands.part(at, length), order, reader)
        at += length
    return found


def _take(found: _Commands, command: int, body: Reader, order: str, image: Reader) -> None:
    """Add one load command to what is known of its image."""
    word = struct.Struct(f"{order}I")
    pair = struct.Struct(f"{order}II")
    if command in _NEEDED_COMMANDS | _OPTIONAL_COMMANDS | {_LC_RPATH, _LC_ID_DYLIB}:
        text = body.string(body.unpack(word, 8)[0])
        if command in _NEEDED_COMMANDS:
            found.needed.append(text)
        elif command in _OPTIONAL_COMMANDS:
            found.optional.append(text)
        elif command == _LC_RPATH:
            found.rpath.append(text)
        else:
            found.soname = text
    elif command in _MINIMUM_COMMANDS:
        found.platform = _MINIMUM_COMMANDS[command]
        found.min_os = _version(body.unpack(word, 8)[0])
    elif command == _LC_BUILD_VERSION:
        platform, minimum = body.unpack(pair, 8)
        # A zippered library also says that it fits Catalyst; what matters is that it fits macOS.
        if found.platform != "macos":
            found.platform, found.min_os = _PLATFORMS.get(platform, f"platform{platform}"), _version(minimum)
    elif command == _LC_CODE_SIGNATURE:
        found.signed = True
    elif command == _LC_SYMTAB:
        offset, size = body.unpack(pair, 16)
        found.names = image.bytes(offset, size)


def _version(packed: int) -> tuple[int, int]:
    """Unpack X.Y.Z as nibbles xxxx.yy.zz; the patch does not matter."""
    return packed >> 16, packed >> 8 & 0xFF
