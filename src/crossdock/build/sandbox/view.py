"""What a build sees of the host outside its mounts: plain tools, the libraries that programs need, a made-up /etc."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from crossdock.build.sandbox import libraries, tools

#: Where the directories of the plain tools lie inside; /usr/bin has links to them. One mount each instead of one for
#: each program keeps the start short.
PROGRAMS = "/usr/libexec/plain"

#: What the plain tools read beside their libraries: modules of perl, macros of autoconf, the magic of file, C.UTF-8.
_DATA = (
    "/usr/lib/perl5",
    "/usr/lib64/perl5",
    "/usr/share/perl5",
    "/usr/share/perl",
    "/usr/lib/locale/C.utf8",
    "/usr/lib/locale/C.UTF-8",
    "/usr/share/misc/magic.mgc",
    "/usr/share/autoconf",
    "/usr/share/autoconf2.7",
    "/usr/share/aclocal",
    "/usr/share/libtool",
    "/usr/share/bison",
    "/usr/share/m4",
)
_DATA_PATTERNS = (
    "/usr/lib/*-linux-*/perl",
    "/usr/lib/*-linux-*/perl5",
    "/usr/lib/*-linux-*/perl-base",
    "/usr/lib/*-linux-*/gconv",
    "/usr/lib64/gconv",
    "/usr/share/automake-*",
    "/usr/share/aclocal-*",
    # The standard library of the system's Python, which environments made from it use.
    "/usr/lib/python3*",
    "/usr/lib64/python3*",
)
#: Parts of those that answer for the host: its packages of Python, and the headers of perl.
_COVERED_PATTERNS = (
    "/usr/lib/python3/dist-packages",
    "/usr/lib*/python3.*/site-packages",
    "/usr/lib*/python3.*/config-*",
    "/usr/lib/*-linux-*/perl/*/CORE",
    "/usr/lib*/perl5/CORE",
    "/usr/lib*/perl5/*/core_perl/CORE",
)


@dataclass(frozen=True, slots=True)
class View:
    """Read-only places of the host: real file or directory by place, links by place, and what is covered."""

    shown: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    covered: tuple[str, ...] = ()


@cache
def host_view() -> View:
    """Return what every build on this host sees of its /usr; the same inside with a merged /usr and without."""
    shown: dict[str, str] = {}
    links: dict[str, str] = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/usr/sbin": "bin"}
    for name in sorted(path.name for path in Path("/").glob("lib?*")):
        if name in {"lib64", "lib32", "libx32", "libo32", "libn32"}:
            links[f"/{name}"] = f"usr/{name}"
    directories: dict[Path, str] = {}
    for name, path in tools.found().items():
        real = path.resolve()
        place = directories.setdefault(real.parent, f"{PROGRAMS}/{len(directories)}")
        links[f"/usr/bin/{name}"] = f"{place}/{real.name}"
    shown |= {place: os.fspath(directory) for directory, place in directories.items()}
    pythons = [
        path for path in sorted(Path("/usr/bin").glob("python3.*")) if path.suffix[1:].rstrip("t").isdigit()
    ]
    shown |= {os.fspath(path): os.fspath(path.resolve()) for path in pythons}
    shown |= {
        place: os.fspath(path)
        for place, path in libraries.closure([*tools.found().values(), *pythons]).items()
    }
    for place in (*_DATA, *(found for pattern in _DATA_PATTERNS for found in _glob(pattern))):
        if Path(place).exists():
            shown[place] = os.fspath(Path(place).resolve())
    covered = tuple(found for pattern in _COVERED_PATTERNS for found in _glob(pattern))
    return View(shown, links, covered)


def _glob(pattern: str) -> list[str]:
    return sorted(os.fspath(path) for path in Path("/").glob(pattern.lstrip("/")) if path.is_dir())
