"""Symbols that a module asks for by no version: of the C library, whose floor they raise, or of nobody at all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.repair.dynsym import dynamic_symbols
from crossdock.build.repair.looked_up import symbols_looked_up
from crossdock.errors import BuildError
from crossdock.inspect.facts import Format, VersionNeed, split_version
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents, Found, Survey
    from crossdock.inspect.facts import Binary, Image

#: The interpreter's own: what every module asks for by name and no library of its is named for.
_PYTHON = re.compile(r"_?Py")
#: Libraries of whose symbols we know the names, or that give them versions where they are linked.
_KNOWN = re.compile(
    r"(?:ld-linux.*|ld64|ld-musl.*|lib(?:c|m|dl|rt|pthread|util|resolv|anl|gcc_s|stdc\+\+|atomic))\.so(?:\.\d+)?"
)
#: Of macOS, what zig links with: the C library and what comes with it.
_KNOWN_MAC = re.compile(r"/usr/lib/lib(?:System|c\+\+|c\+\+abi|iconv|resolv)(?:\.\w+)?\.dylib")
_FEW = 8


class Symbols(NamedTuple):
    """What a file asks of anyone, by no version and not weakly, and what it defines."""

    asked: frozenset[str]
    defined: frozenset[str]


def symbols_of(content: bytes, path: str) -> Symbols:
    """Return the dynamic symbols of an ELF file that count here; raise `InspectError` (E-BINARY-*) for a broken one."""
    asked: set[str] = set()
    defined: set[str] = set()
    for symbol in dynamic_symbols(content, path):
        if symbol.is_defined:
            defined.add(symbol.name)
        elif symbol.is_needed and not symbol.has_version:
            asked.add(symbol.name)
    return Symbols(frozenset(asked), frozenset(defined))


def with_unversioned(
    binary: Binary, asked: frozenset[str], c_symbols: Mapping[str, tuple[int, int] | None]
) -> Binary:
    """Return the facts of a binary with what it needs of glibc by symbols of no version (`asked`).

    A shared library may be linked against a glibc that has not all it asks for: the symbol then gets no version, and
    no one who reads versions sees that it is of a newer one. The loader finds it there, and not before.
    """
    first = {name: version for name in asked if (version := c_symbols.get(name)) is not None}
    if binary.format is not Format.ELF or not first or len(binary.images) != 1:
        return binary
    # The newest, and of those the first by name: the same whatever the order of a set.
    name = min(first, key=lambda one: ([-part for part in first[one]], one))
    need = VersionNeed(library="libc.so.6", version=f"GLIBC_{first[name][0]}.{first[name][1]}", symbol=name)
    (image,) = binary.images
    newer = _newest_of_glibc(image) < first[name]
    return replace(binary, images=(replace(image, versions=(*image.versions, need)),)) if newer else binary


def _newest_of_glibc(image: Image) -> tuple[int, ...]:
    numbers = [split_version(one.version) for one in image.versions]
    return max((number for name, number in numbers if name == "GLIBC"), default=(0, 0))


def prove_defined(survey: Survey, job: RepairJob, contents: Contents) -> None:
    """Refuse a module that no interpreter can load, since a symbol it asks for is nowhere (E-BUILD-UNDEFINED).

    Links leave open what the interpreter has, and so they leave open everything. What has no version on Linux is
    defined in the wheel, is the interpreter's, is a symbol of the C library that the interpreter has loaded (`dlopen`
    without `-ldl`), or is missing. On macOS a link notes for each symbol which library has it, and for one that it
    left open that none has: the C library was there. A module that needs another library from outside is taken as it
    is; Windows has no links that leave something open.
    """
    if job.target.os is Os.MACOS:
        _refuse(list(_missing_on_mac(survey, contents)), job)
    if job.target.os is not Os.LINUX or not job.c_symbols:
        return
    own = [one for one in survey.native() if one.file.binary.format is Format.ELF]
    read = {one.name: contents.symbols(one.name) for one in own}
    defined = frozenset[str]().union(*(one.defined for one in read.values()))
    sonames = {one.image.soname for one in own if one.image} | {one.name.rpartition("/")[2] for one in own}
    missing = [
        f"{one.name} asks for `{name}`"
        for one in own
        if not one.goods and _is_closed(one, sonames)
        for name in sorted(read[one.name].asked - defined - job.c_symbols.keys())
        if not _PYTHON.match(name)
    ]
    _refuse(missing, job)


def _missing_on_mac(survey: Survey, contents: Contents) -> Iterator[str]:
    own = [one for one in survey.native() if one.file.binary.format is Format.MACHO]
    read = {one.name: symbols_looked_up(contents.members[one.name].content) for one in own}
    defined = frozenset[str]().union(*(names for _asked, names in read.values()))
    files = {one.name.rpartition("/")[2] for one in own}
    for one in own:
        needed = one.image.needed if one.image is not None else ()
        if one.goods or not all(_KNOWN_MAC.fullmatch(n) or n.rpartition("/")[2] in files for n in needed):
            continue
        asked = sorted(read[one.name][0] - defined)
        yield from (f"{one.name} asks for `{name}`" for name in asked if not _PYTHON.match(name))


def _refuse(missing: list[str], job: RepairJob) -> None:
    if missing:
        more = [f"and {len(missing) - _FEW} more"] if len(missing) > _FEW else []
        raise BuildError(
            f"`{job.what}` was built, and no interpreter could load it: symbols are missing",
            code="E-BUILD-UNDEFINED",
            places=[*missing[:_FEW], *more],
            hint="a source file or a library is missing from its build or from its source distribution, or the target's"
            " C library is older than the function",
        )


def _is_closed(one: Found, sonames: set[str]) -> bool:
    """Tell whether all libraries that a module needs are known here."""
    needed = one.image.needed if one.image is not None else ()
    return all(name in sonames or _KNOWN.fullmatch(name) for name in needed)
