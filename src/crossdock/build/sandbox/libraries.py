"""The shared libraries that the host's programs need: they, and no others, are seen inside."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29

#: What interpreters and common wheels load beside what the plain tools need: the modules of CPython's standard library,
#: compilers' run-time libraries, and what glibc loads by itself.
_ALSO = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libnsl.so.1", "libanl.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1", "libgomp.so.1", "libz.so.1", "libbz2.so.1.0", "libbz2.so.1", "liblzma.so.5", "libzstd.so.1", "libssl.so.3", "libcrypto.so.3", "libssl.so.1.1", "libcrypto.so.1.1", "libffi.so.8", "libffi.so.7", "libffi.so.6", "libsqlite3.so.0", "libreadline.so.8", "libexpat.so.1", "libuuid.so.1", "libcrypt.so.1", "libcrypt.so.2", "libncursesw.so.6", "libpanelw.so.6", "libtinfo.so.6", "libmpdec.so.3", "libmpdec.so.4"]


@dataclass(frozen=True, slots=True)
class _Needs:
    interpreter: str | None = None
    libraries: tuple[str, ...] = ()
    paths: tuple[str, ...] = field(default=())


@cache
def search_directories() -> tuple[Path, ...]:
    """Return where the host's dynamic linker looks: its configuration's directories, then its own."""
    listed = [*_configured(Path("/etc/ld.so.conf"), 0)]
    usual = [
        *sorted(Path("/usr/lib").glob("*-linux-*")),
        Path("/usr/lib64"),
        Path("/lib64"),
        Path("/usr/lib"),
        Path("/lib"),
    ]
    return tuple(dict.fromkeys(path for path in [*listed, *usual] if path.is_dir()))


def _configured(path: Path, depth: int) -> Iterable[Path]:
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"] and depth < 4:  # noqa: PLR2004  a file that includes itself
            for pattern in words[1:]:
                for more in sorted(Path("/").glob(pattern.lstrip("/"))):
                    yield from _configured(more, depth + 1)
        elif words:
            yield Path(words[0])


def closure(programs: Iterable[Path]) -> dict[str, Path]:
    """Return the real file of each library that `programs` need, and of each program interpreter, by place.

    A place is `/usr/...`, the same on hosts with and without a merged /usr. Libraries lie beside the C library
    inside, where the dynamic linker finds them without a cache.
    """
    places: dict[str, Path] = {}
    todo = [Path(program).resolve() for program in programs]
    home = _home(todo)
    if home is None:
        return {}
    names = [name for name in _ALSO if (home / name).exists()]
    seen: set[Path] = set()
    while todo or names:
        if names:
            name = names.pop()
            place = f"{_usr(home)}/{name}"
            real = None if place in places else _library(name, home)
            if real is None:
                continue
            places[place] = real
        else:
            real = todo.pop()
        if real in seen:
            continue
        seen.add(real)
        needs = _needs(real)
        if needs.interpreter is not None:
            places[_usr(Path(needs.interpreter))] = Path(needs.interpreter).resolve()
        names += needs.libraries
    return places


def _home(programs: Iterable[Path]) -> Path | None:
    """The directory of the C library that `programs` are linked to."""
    for program in programs:
        needs = _needs(program)
        for name in needs.libraries:
            if name.startswith(("libc.so", "libc.musl")):
                for directory in search_directories():
                    if (directory / name).exists() and _class(directory / name) == _class(program):
                        return directory
    return None


def _library(name: str, home: Path) -> Path | None:
    for directory in (home, *search_directories()):
        path = directory / name
        if path.exists() and _class(path) == _class(next(home.glob("libc.*"))):
            return path.resolve()
    return None


def _usr(path: Path) -> str:
    text = path.as_posix()
    return text if text.startswith("/usr/") else f"/usr{text}"


@cache
def _class(path: Path) -> bytes:
    """ELF class and machine of a file, or nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return b""
    return head[4:6] + head[18:20] if head[:4] == b"\x7fELF" else b""


@cache
def _needs(path: Path) -> _Needs:
    """Read what an ELF file asks its dynamic linker for; a file that is none asks for its `#!` line's nothing."""
    try:
        with path.open("rb") as file:
            data = file.read()
        return _read(data)
    except (OSError, struct.error, ValueError):
        return _Needs()


def _read(data: bytes) -> _Needs:
    if data[:4] != b"\x7fELF":
        return _Needs()
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"  # noqa:
    offset, size, count = (
        struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)[0],
        *struct.unpack_from(order + "HH", data, 54 if wide else 42),
    )
    loads, dynamic, interpreter = [], None, None
    for index in range(count):
        if wide:
            kind, _, at, address, _, length = struct.unpack_from(
                order + "IIQQQQ", data, offset + index * size
            )
        else:
            kind, at, address, _, length = struct.unpack_from(order + "IIIII", data, offset + index * size)
        if kind == _LOAD:
            loads.append((address, at, length))
        elif kind == _DYNAMIC:
            dynamic = data[at : at + length]
        elif kind == _INTERP:
            interpreter = data[at : at + length].rstrip(b"\0").decode()
    if dynamic is None:
        return _Needs(interpreter)
    entry = struct.Struct(order + ("QQ" if wide else "II"))
    pairs = list(entry.iter_unpack(dynamic[: len(dynamic) // entry.size * entry.size]))
    table = next((value for tag, value in pairs if tag == _STRTAB), None)
    start = next(
        (
            table - address + at
            for address, at, length in loads
            if table is not None and address <= table < address + length
        ),
        None,
    )
    if start is None:
        return _Needs(interpreter)

    def text(value: int) -> str:
        return data[start + value : data.index(b"\0", start + value)].decode()

    return _Needs(interpreter, tuple(text(value) for tag, value in pairs if tag == _NEEDED))
