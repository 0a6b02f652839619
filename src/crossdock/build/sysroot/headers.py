"""Which of Debian's packages has a header, a library to link with, or a module of pkg-config (`headers.toml`)."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources

from crossdock.build.sysroot.table import table


@lru_cache(maxsize=1)
def _owners() -> dict[str, dict[str, str]]:
    """Return name to package for each kind of name."""
    text = (resources.files(__package__) / "headers.toml").read_text("utf-8")
    owners: dict[str, dict[str, str]] = {"headers": {}, "libraries": {}, "modules": {}}
    for package, names in tomllib.loads(text)["packages"].items():
        for kind, words in names.items():
            for word in words.split():
                owners[kind].setdefault(word, package)
    return owners


def library_for_header(header: str) -> str | None:
    """Return the package with a header as a source includes it (`ffi.h`, `openssl/ssl.h`), None where unknown."""
    known = _owners()["headers"]
    folder, slash, _name = header.partition("/")
    name = header.rpartition("/")[2]
    for word in (header, f"{folder}{slash}" if slash else header, name):
        if word in known:
            return known[word]
    return None


def library_for_lib(name: str) -> str | None:
    """Return the package with a library as a linker is asked for it (`ffi` of `-lffi`), None where unknown."""
    return _owners()["libraries"].get(name)


def library_for_module(name: str) -> str | None:
    """Return the package with a module of pkg-config (`libxml-2.0`), None where unknown."""
    known = _owners()["modules"]
    return known.get(name) or {one.lower(): package for one, package in known.items()}.get(name.lower())


def library_for_cmake(name: str) -> str | None:
    """Return the package that CMake's `find_package` wants by a name (`ZLIB`, `LibXml2`), None where unknown."""
    known: dict[str, str] = table()["cmake"]
    lower = name.lower()
    return known.get(lower) or library_for_module(lower) or library_for_lib(lower.removeprefix("lib"))
