"""Reads any binary: the format is told by the first bytes, never by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import InspectError
from crossdock.inspect.elf import MAGIC as ELF_MAGIC
from crossdock.inspect.elf import read_elf
from crossdock.inspect.facts import Binary, Format, Image, Kind, VersionNeed
from crossdock.inspect.macho import is_macho, read_macho
from crossdock.inspect.pe import read_pe

if TYPE_CHECKING:
    from crossdock.inspect.reader import Buffer

__all__ = [
    "HEAD_SIZE",
    "Binary",
    "Format",
    "Image",
    "Kind",
    "VersionNeed",
    "examine",
    "is_binary",
    "read_binary",
]

#: How many bytes of a file `is_binary` wants to see.
HEAD_SIZE = 8
_WASM, _AR, _AR_THIN = b"\0asm", b"!<arch>\n", b"!<thin>\n"


def is_binary(head: bytes) -> bool:
    """Whether a file that starts with `head` (its first 8 bytes) may be a binary."""
    if head[:2] == b"MZ" or head[:4] in {ELF_MAGIC, _WASM}:
        return True
    return head[:8] in {_AR, _AR_THIN} or is_macho(head)


def read_binary(data: Buffer, path: str) -> Binary | None:
    """Return the facts of a file's bytes, or None if it is no binary by its magic number.

    `path` is only for messages. Raises `InspectError` (E-BINARY-*) for a file that starts like a binary and
    does not follow its format, and nothing else, whatever the bytes are.
    """
    head = bytes(data[:HEAD_SIZE])
    if not is_binary(head):
        return None
    if head[:4] == ELF_MAGIC:
        return read_elf(data, path)
    if head[:2] == b"MZ":
        return read_pe(data, path)
    if head[:4] == _WASM:
        return Binary(format=Format.WASM, kind=Kind.SHARED, images=(Image(machine="wasm32", bits=32),))
    if head[:1] == b"!":
        return Binary(format=Format.AR, kind=Kind.ARCHIVE)
    return read_macho(data, path)


def examine(data: Buffer, path: str) -> Binary | None:
    """Like `read_binary`, with the error as a fact: a broken file becomes a Binary that says so."""
    try:
        return read_binary(data, path)
    except InspectError as error:
        head = bytes(data[:HEAD_SIZE])
        kind = Format.ELF if head[:4] == ELF_MAGIC else Format.PE if head[:2] == b"MZ" else Format.MACHO
        return Binary(format=kind, kind=Kind.OTHER, broken=error.message.removeprefix("broken binary: "))
