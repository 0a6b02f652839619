"""The shared libraries that the host's programs need: they, and no others, are seen inside."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.sandbox.elf_needs import needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What interpreters and common wheels load beside what the plain tools need: the modules of CPython's standard library,
#: compilers' run-time libraries, and what glibc loads by itself.
_ALSO = (
    *(
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libutil.so.1",
        "libresolv.so.2",
    ),
    *(
        "libnss_files.so.2",
        "libnss_dns.so.2",
        "libgcc_s.so.1",
        "libstdc++.so.6",
        "libatomic.so.1",
        "libgomp.so.1",
    ),
    *(
        "libz.so.1",
        "libbz2.so.1.0",
        "libbz2.so.1",
        "liblzma.so.5",
        "libzstd.so.1",
        "libexpat.so.1",
        "libuuid.so.1",
    ),
    *(
        "libssl.so.3",
        "libcrypto.so.3",
        "libssl.so.1.1",
        "libcrypto.so.1.1",
        "libsqlite3.so.0",
        "libreadline.so.8",
    ),
    *(
        "libffi.so.8",
        "libffi.so.7",
        "libffi.so.6",
        "libcrypt.so.1",
        "libcrypt.so.2",
        "libmpdec.so.3",
        "libmpdec.so.4",
    ),
    *("libncursesw.so.6", "libpanelw.so.6", "libtinfo.so.6"),
)

#: glibc before 2.34 loads these when it looks up a name; later ones have them built in.
_NAME_SERVICES = ("libnss_files.so.2", "libnss_dns.so.2")
_BUILT_IN = (2, 34)

#: Files of the dynamic linker's configuration include others; one that includes itself ends here.
_DEPTH = 4


@cache
def search_directories() -> tuple[Path, ...]:
    """Return where the host's dynamic linker looks: its configuration's directories, then its own."""
    listed = _configured(Path("/etc/ld.so.conf"), _DEPTH)
    usual = (
        *sorted(Path("/usr/lib").glob("*-linux-*")),
        *map(Path, ("/usr/lib64", "/lib64", "/usr/lib", "/lib")),
    )
    # Resolved: where one directory is a link to another, the linker knows the libraries by the other one.
    return tuple(dict.fromkeys(path.resolve() for path in (*listed, *usual) if path.is_dir()))


def _configured(path: Path, depth: int) -> Iterator[Path]:
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"] and depth:
            for pattern in words[1:]:
                for more in sorted(Path("/").glob(pattern.lstrip("/"))):
                    yield from _configured(more, depth - 1)
        elif words:
            yield Path(words[0])


def closure(programs: Iterable[Path]) -> dict[str, Path]:
    """Return the real file of each library that `programs` need, and of their program interpreter, by place.

    A place is `/usr/...`, the same on hosts with and without a merged /usr. All libraries lie beside the C library
    inside, where the dynamic linker finds them without a cache.
    """
    start = [Path(program).resolve() for program in programs]
    home, kind = _home(start)
    if home is None:
        return {}
    places: dict[str, Path] = {}
    names = [name for name in (*_ALSO, *_name_services()) if (home / name).exists()]
    for program in start:
        needs = needs_of(program)
        if needs.kind == kind:
            names += needs.libraries
            if needs.interpreter is not None:
                places[_in_usr(Path(needs.interpreter))] = Path(needs.interpreter).resolve()
    while names:
        name = names.pop()
        place = f"{_in_usr(home)}/{name}"
        real = None if place in places else _library(name, home, kind)
        if real is not None:
            places[place] = real
            names += needs_of(real).libraries
    return places


def _name_services() -> tuple[str, ...]:
    try:
        version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1].split(".")
        built_in = (int(version[0]), int(version[1])) >= _BUILT_IN
    except (ValueError, IndexError):
        return ()  # musl
    return () if built_in else _NAME_SERVICES


def _home(programs: Iterable[Path]) -> tuple[Path | None, bytes]:
    """Return the directory of the C library that `programs` are linked to, and what kind of ELF files they are."""
    for program in programs:
        needs = needs_of(program)
        for name in needs.libraries:
            if name.startswith(("libc.so", "libc.musl")):
                for directory in search_directories():
                    if needs_of(directory / name).kind == needs.kind:
                        return directory, needs.kind
    return None, b""


def _library(name: str, home: Path, kind: bytes) -> Path | None:
    for directory in (home, *search_directories()):
        if needs_of(directory / name).kind == kind:
            return (directory / name).resolve()
    return None


def _in_usr(path: Path) -> str:
    text = path.as_posix()
    return text if text.startswith("/usr/") else f"/usr{text}"
