"""What the log of a failed build asked for, as Debian's packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.build.sysroot.headers import (
    library_for_cmake,
    library_for_header,
    library_for_lib,
    library_for_module,
)
from crossdock.build.sysroot.table import table

if TYPE_CHECKING:
    from collections.abc import Callable


def _program(name: str) -> str | None:
    found = table()["programs"].get(name)
    return None if found is None else str(found)


def _any(name: str) -> str | None:
    """Meson and others take one name for modules of pkg-config, packages of CMake and libraries."""
    return library_for_module(name) or library_for_cmake(name) or library_for_lib(name)


_NAME = r"[\w.+-]+"
#: What compilers, linkers and build systems say, each with what the name in it is one of. Their own texts: clang 21,
#: gcc 14, lld 21, GNU ld 2.44, zig 0.16, pkgconf 2.3 and pkg-config 0.29, CMake 3.31, Meson 1.12, the crates
#: `pkg-config` and `openssl-sys`, Pillow's setup.py.
_SAID: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    (r"fatal error: '([\w./+-]+)' file not found", library_for_header),
    (r"(?:fatal )?error: ([\w./+-]+\.(?:h|hpp|hh)): No such file", library_for_header),
    (rf"unable to find library -l({_NAME})", library_for_lib),
    (rf"cannot find -l:?({_NAME})", library_for_lib),
    (rf"unable to find (?:dynamic|static)? ?system library '({_NAME})'", library_for_lib),
    (rf"(?:C|C\+\+) (?:shared or static|static|shared) library '({_NAME})' not found", library_for_lib),
    (rf"No package '({_NAME})' found", library_for_module),
    (rf"package '({_NAME})(?: ?[<>=]=? ?[\w.]+)?' not found", library_for_module),
    (rf"Package '?({_NAME})'?(?:, required by '[^'\n]*',)? (?:was )?not found", library_for_module),
    (rf"system library `({_NAME})` required by crate", library_for_module),
    (rf"Could NOT find ({_NAME})", library_for_cmake),
    (rf'Could not find a package configuration file provided by "({_NAME})"', library_for_cmake),
    (rf"(?i)ERROR: Dependency (?:lookup for )?[\"']?({_NAME})[\"']?[^\n]* (?:not found|failed)", _any),
    (rf"headers or library files could not be found for ({_NAME})", library_for_cmake),
    (r"Could not find directory of (OpenSSL) installation", library_for_cmake),
    (rf"\b({_NAME}[-_]config)(?: executable|: command)?:? (?:is )?(?:not found|No such file)", _program),
    (rf"No such file or directory: '(?:[^'\n]*/)?({_NAME}[-_]config)'", _program),
)
_PATTERNS = tuple((re.compile(pattern), meaning) for pattern, meaning in _SAID)


def libraries_asked(log: str) -> tuple[str, ...]:
    """Return Debian's packages with what a log says is missing, in the order it says so; empty if it says nothing.

    What is known of no package is left out; so is what zig and the target's Python bring.
    """
    found: dict[int, str] = {}
    for pattern, meaning in _PATTERNS:
        for said in pattern.finditer(log):
            package = meaning(said[1])
            if package is not None:
                found.setdefault(said.start(1), package)
    return tuple(dict.fromkeys(found[place] for place in sorted(found)))


def library_hint(log: str) -> str | None:
    """Return one sentence on what is missing and how to give it, None where the log does not tell."""
    asked = libraries_asked(log)
    if not asked:
        return None
    names = ", ".join(f'"{one}"' for one in asked)
    return (
        f"the build looked for what Debian has in {', '.join(asked)}: name them by `libraries = [{names}]` in "
        "`[tool.crossdock.build.NAME]`"
    )
