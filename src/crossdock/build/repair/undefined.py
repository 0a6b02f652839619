"""Symbols that a module asks for and nothing defines: a source file or a library was left out of its build."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from elftools.elf.elffile import ELFFile

from crossdock.errors import BuildError
from crossdock.inspect.facts import Format
from crossdock.target.model import LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents, Found, Survey

#: The interpreter's own: what every module asks for by name and no library of its is named for.
_PYTHON = re.compile(r"_?Py")
#: Libraries whose symbols carry versions where they are linked: what has none is not theirs.
_VERSIONED = re.compile(
    r"(?:ld-linux.*|ld64|lib(?:c|m|dl|rt|pthread|util|resolv|anl|gcc_s|stdc\+\+|atomic))\.so\.\d+"
)
_FEW = 8


def prove_defined(survey: Survey, contents: Contents, job: RepairJob) -> None:
    """Refuse a module that no interpreter can load, since a symbol it asks for is nowhere (E-BUILD-UNDEFINED).

    Links leave open what the interpreter has, and so they leave open everything. Said of Linux with glibc only, whose
    own symbols have versions where they are linked: what has none is defined in the wheel, is the interpreter's, is a
    symbol of the C library that the interpreter has loaded (`dlopen` without `-ldl`), or is missing. A module that
    needs a library from outside whose symbols have no versions is taken as it is.
    """
    libc = job.target.libc
    if job.target.os is not Os.LINUX or libc is None or libc.kind is not LibcKind.GLIBC or not job.c_symbols:
        return
    own = [one for one in survey.native() if one.file.binary.format is Format.ELF]
    read = {one.name: _symbols(contents.members[one.name].content) for one in own}
    defined = {name for _asked, names in read.values() for name in names}
    sonames = {one.image.soname for one in own if one.image} | {one.name.rpartition("/")[2] for one in own}
    missing = [
        f"{one.name} asks for `{name}`"
        for one in own
        if not one.goods and _is_closed(one, sonames)
        for name in sorted(read[one.name][0] - defined)
        if not _PYTHON.match(name) and name.encode() + b"\0" not in job.c_symbols
    ]
    if missing:
        more = [f"and {len(missing) - _FEW} more"] if len(missing) > _FEW else []
        raise BuildError(
            f"`{job.what}` was built, and no interpreter could load it: symbols are missing",
            code="E-BUILD-UNDEFINED",
            places=[*missing[:_FEW], *more],
            hint="a source file or a library is missing from its build, or from its source distribution",
        )


def _is_closed(one: Found, sonames: set[str]) -> bool:
    """Tell whether all libraries that a module needs are known here, or give their symbols versions."""
    needed = one.image.needed if one.image is not None else ()
    return all(name in sonames or _VERSIONED.fullmatch(name) for name in needed)


def _symbols(content: bytes) -> tuple[set[str], set[str]]:
    """Return the symbols that a file asks of anyone, by no version and not weakly, and those that it defines."""
    asked: set[str] = set()
    defined: set[str] = set()
    for name, section, binding, version in _dynamic(content):
        if section != "SHN_UNDEF":
            defined.add(name)
        elif binding == "STB_GLOBAL" and version in {None, "VER_NDX_GLOBAL", "VER_NDX_LOCAL"}:
            asked.add(name)
    return asked, defined


def _dynamic(content: bytes) -> Iterator[tuple[str, Any, str, Any]]:
    """Give name, section, binding and version of each dynamic symbol with a name."""
    elf = ELFFile(io.BytesIO(content))
    table: Any = elf.get_section_by_name(".dynsym")
    versions: Any = elf.get_section_by_name(".gnu.version")
    if table is None:
        return
    for number, symbol in enumerate(table.iter_symbols()):
        if symbol.name:
            version = None if versions is None else versions.get_symbol(number)["ndx"]
            yield symbol.name, symbol["st_shndx"], symbol["st_info"]["bind"], version
