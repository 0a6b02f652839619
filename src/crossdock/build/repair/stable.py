"""Whether an extension module keeps to the stable ABI that its wheel claims (PEP 384): by the symbols it imports."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from crossdock.build.repair.dynsym import dynamic_symbols
from crossdock.inspect.facts import Format

if TYPE_CHECKING:
    from crossdock.build.repair.survey import Contents, Found

_OF_PYTHON = re.compile(r"_?Py[A-Z_a-z].*")
_WINDOWS_PYTHON = re.compile(r"python3\d+t?(_d)?\.dll")


@cache
def _since() -> dict[str, tuple[int, int]]:
    """Return the version in which each symbol of the stable ABI came."""
    read = tomllib.loads((resources.files(__package__) / "stable_abi.toml").read_text("utf-8"))
    found: dict[str, tuple[int, int]] = {}
    for version, names in read["since"].items():
        major, minor = version.split(".")
        found |= dict.fromkeys(names, (int(major), int(minor)))
    return found


def stable_since(one: Found, contents: Contents) -> tuple[tuple[int, int], str]:
    """Return the oldest Python whose stable ABI has all that a module imports, and what is not in any, if something.

    Told by the symbols of ELF files and by the DLL that others are linked to; a Mach-O module is taken at its word.
    """
    if one.image is not None:
        for library in one.image.needed:
            if _WINDOWS_PYTHON.fullmatch(library.lower()):
                return (0, 0), library
    if one.file.binary.format is not Format.ELF:
        return (0, 0), ""
    newest = (0, 0)
    for name in _imported(contents.members[one.name].content, one.name):
        since = _since().get(name)
        if since is None:
            return (0, 0), name
        newest = max(newest, since)
    return newest, ""


def _imported(content: bytes, path: str) -> list[str]:
    """Return the symbols of Python that a file leaves for others to define.

    A weak one may be missing: a module asks so for what only newer Pythons have.
    """
    found = {one.name for one in dynamic_symbols(content, path) if one.is_needed}
    return sorted(name for name in found if _OF_PYTHON.fullmatch(name))
