"""Compiles modules to bytecode in an interpreter of the target's version; run with `-c`, never imported.

Standard input: for each module its path in the image and its source, each after its length (4 bytes,
little-endian). Standard output: for each a byte, 0 before the `.pyc` and 1 before the reason why there is none, then
the length and the bytes. It runs on every Python from 3.9 on. `compile` runs none of the code.
"""

from __future__ import annotations

import hashlib
import marshal
import sys
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType
from typing import Any

#: PEP 552: the file is checked against no source, neither by time nor by hash.
UNCHECKED = (1).to_bytes(4, "little")


def encoded(code: CodeType, seed: bytes) -> bytes:
    """Return marshal data that depends on `code` alone.

    Marshal's format 3 and later mark objects that something else refers to as well, so the bytes depend on what
    was compiled before. Format 2 has no such marks, but no slices either, which Python 3.14 makes constants of:
    they are written as bytes made from `seed`, which occur nowhere else, and exchanged (CPython, Python/marshal.c).
    """
    slices: list[slice] = []

    def without_slices(value: Any) -> Any:
        if isinstance(value, slice):
            slices.append(value)
            return hashlib.sha256(b"%s %d" % (seed, len(slices))).digest()
        if type(value) is tuple:
            return tuple([without_slices(item) for item in value])
        if isinstance(value, CodeType):
            constants = tuple([without_slices(item) for item in value.co_consts])
            return value.replace(co_consts=constants) if slices else value
        return value

    plain = without_slices(code)
    data: bytes = marshal.dumps(plain, 2)
    for number, value in enumerate(slices, 1):
        token = marshal.dumps(hashlib.sha256(b"%s %d" % (seed, number)).digest(), 2)
        if data.count(token) != 1:
            raise ValueError("a slice cannot be written")
        parts = [marshal.dumps(part, 2) for part in (value.start, value.stop, value.step)]
        data = data.replace(token, b":" + b"".join(parts))
    return data


def compiled(path: str, source: bytes) -> bytes:
    """Return the contents of the `.pyc` of one module."""
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + UNCHECKED + source_hash(source) + encoded(code, hashlib.sha256(source).digest())


def main() -> None:
    """Answer every module on standard input."""
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
    while True:
        size = read(4)
        if not size:
            break
        path = read(int.from_bytes(size, "little")).decode()
        source = read(int.from_bytes(read(4), "little"))
        try:
            status, answer = b"\0", compiled(path, source)
        except (Exception, MemoryError) as error:  # noqa: BLE001  # whatever it is, this module has no bytecode
            status, answer = b"\1", type(error).__name__.encode()
        write(status + len(answer).to_bytes(4, "little") + answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
