"""Why a build failed, in words: the lines of its output that matter, the likely cause, what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.backend import log_text
from crossdock.errors import BuildError
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.build.cross import CrossBuild

#: How much of the output is searched, in bytes, and how many lines are shown.
_SEARCHED = 4 << 20
_SHOWN = 25

#: Lines that tell what went wrong, wherever in the output they stand.
_TELLING = re.compile(
    r"(?:\berror[: ]|\bfatal\b|undefined symbol|unable to find|not found|No such file|cannot find|Could NOT find"
    r"|Traceback|Exec format error|ERROR|FAILED|panicked|^\w*(?:Error|Exception)\b)"
)
_NOISE = re.compile(r"warning:|-Werror|checking |error_|\berrors?\.(?:c|h|py|o)\b|looking for")


class _Cause(NamedTuple):
    """A pattern of the output, and what it means; `words` makes the hint of the match."""

    pattern: re.Pattern[str]
    words: Callable[[re.Match[str], CrossBuild], str]


def explained(error: BuildError, build: CrossBuild, begun: int = 0) -> BuildError:
    """Return the error of a failed build with what its output says: the lines, the log, the cause, what was not done.

    The log's first `begun` bytes are an earlier attempt's.
    """
    text = log_text(build.log, max(0, min(build.log.stat().st_size - begun, _SEARCHED)))
    lines = _lines(text) if error.code == "E-BUILD-BACKEND" else list(error.places)
    hint = _hint(text, build) if error.code in {"E-BUILD-BACKEND", "E-BUILD-FELL-BACK"} else error.hint
    places = [*lines, f"the whole output: {build.log}"] if build.log.stat().st_size else lines
    more = "nothing of this machine was taken in its place"
    place = f"for {build.target.name or 'the target'}"
    return BuildError(
        error.message if place in error.message else f"{error.message} {place}",
        code=error.code,
        places=places,
        hint=f"{hint}; {more}" if hint else more,
    )


def _lines(text: str) -> list[str]:
    """Return the first lines that tell of an error with the last of the output."""
    lines = [line.rstrip()[:400] for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line) and not _NOISE.search(line)]
    first = list(dict.fromkeys(telling))[: _SHOWN - 10]
    last = [line for line in lines[-10:] if line not in first]
    return [*first, *(["..."] if first and last else []), *last]


def _hint(text: str, build: CrossBuild) -> str:
    for cause in _CAUSES:
        found = cause.pattern.search(text)
        if found is not None:
            return cause.words(found, build)
    return f"settings of one package: [tool.crossdock.build.{build.source.name}]"


def _header(match: re.Match[str], build: CrossBuild) -> str:
    from crossdock.build.sysroot import library_for_header

    header = match["header"]
    if header == "Python.h":
        return "the headers of the target's Python were not searched: the build asks this machine's Python where they are"
    if build.target.os is not Os.LINUX:
        return _not_brought(f"the header `{header}`", build)
    package = library_for_header(header)
    if package is None:
        return (
            f"`{header}` is in no library that is known here: name Debian's package that has it in"
            f" [tool.crossdock.build.{build.source.name}] libraries, or give `--sysroot DIR`"
        )
    return f'`{header}` is in Debian\'s `{package}`: [tool.crossdock.build.{build.source.name}] libraries = ["{package}"]'


def _library(match: re.Match[str], build: CrossBuild) -> str:
    from crossdock.build.sysroot import library_for_lib

    name = match["library"]
    if build.target.os is not Os.LINUX:
        return _not_brought(f"the library `{name}`", build)
    package = library_for_lib(name)
    if package is None:
        return f"the target's library `{name}` is missing: name Debian's package of it in [tool.crossdock.build.{build.source.name}] libraries"
    return f'`lib{name}` is in Debian\'s `{package}`: [tool.crossdock.build.{build.source.name}] libraries = ["{package}"]'


def _not_brought(what: str, build: CrossBuild) -> str:
    """Say where a part of macOS or Windows comes from: zig has the C library, and little of the system beyond it."""
    if build.target.os is Os.MACOS:
        return (
            f"{what} is in none of what zig has of macOS, the C library: if it is Apple's, give an SDK by `--sysroot DIR`"
            " (`xcrun --show-sdk-path` on a Mac tells where one lies); if a library's, a directory with it"
        )
    return f"{what} is in none of what zig has of Windows: give a directory that has it by `--sysroot DIR`"


def _framework(match: re.Match[str], build: CrossBuild) -> str:
    return _not_brought(f"the framework `{match['framework']}`", build)


def _ran_target(_match: re.Match[str], build: CrossBuild) -> str:
    return (
        "the build ran a program that it had compiled for the target, which this machine cannot: tell it the answer in"
        f" [tool.crossdock.build.{build.source.name}] config-settings or environment (autoconf: `ac_cv_...`), or a version that"
        " knows cross builds"
    )


def _words(text: str) -> Callable[[re.Match[str], CrossBuild], str]:
    def said(match: re.Match[str], build: CrossBuild) -> str:
        return text.format(name=build.source.name, **match.groupdict())

    return said


def _program(match: re.Match[str], build: CrossBuild) -> str:
    return (
        f"`{match['program'] or match['other']}` is not there, a program or file that the build does not bring:"
        f" [tool.crossdock.build.{build.source.name}] requires can name a package that has it"
    )


_fortran = _words("it needs a Fortran compiler, and zig has none: take a version with a wheel for the target")

_CAUSES: tuple[_Cause, ...] = (
    _Cause(
        re.compile(
            r"requires target feature '[\w.+-]+'|inline assembly requires more registers than available"
        ),
        _words(
            "the source is written for gcc, and zig compiles as clang does, which does not know gcc's pragmas or takes its"
            " assembly otherwise: a version with a wheel, or CFLAGS in [tool.crossdock.build.{name}] environment, such as"
            ' "-march=armv8-a+crc", which then holds for all of the package'
        ),
    ),
    _Cause(
        re.compile(r"rustc (?P<have>[\d.]+\S*) is not supported by the following package"),
        _words(
            "its crates need a newer Rust than {have}: `rustup update`, or a mirror of Debian that has one"
        ),
    ),
    _Cause(
        re.compile(
            r"(?:you may want to enable network access by removing `net\.offline`|you're using offline mode"
            r"|no matching package named `[^`]+` found\n\s*location searched: directory source)"
        ),
        _words(
            "a manifest asks for crates that its lock does not name, or that no manifest which was found leads to;"
            " crates are fetched before a build, which has no network"
        ),
    ),
    _Cause(
        re.compile(
            r"(?:Exec format error|cannot run C compiled programs|cannot execute binary file|OSError: \[Errno 8\])"
        ),
        _ran_target,
    ),
    _Cause(
        re.compile(r"(?:unable to find framework|framework not found:?) '?(?P<framework>\w+)"),
        _framework,
    ),
    _Cause(
        re.compile(r"fatal error: '?(?P<header>[\w./+-]+\.h(?:pp)?)'? (?:file not found|: No such)"), _header
    ),
    _Cause(re.compile(r"fatal error: (?P<header>[\w./+-]+\.h(?:pp)?): No such file"), _header),
    _Cause(re.compile(r"unable to find (?:\w+ )?system library '(?P<library>[\w.+-]+)'"), _library),
    _Cause(re.compile(r"(?:unable to find library|cannot find) -l(?P<library>[\w.+-]+)"), _library),
    _Cause(
        re.compile(r"undefined symbol: (?P<symbol>[\w@.]+)"),
        _words(
            "the linker misses `{symbol}`: a library is missing or older, or the target's C library lacks it (`--glibc`)"
        ),
    ),
    _Cause(
        re.compile(r"(?:No module named|ModuleNotFoundError: No module named) '(?P<module>[\w.]+)'"),
        _words(
            'the backend imports `{module}` and does not ask for it: [tool.crossdock.build.{name}] requires = ["..."]'
        ),
    ),
    _Cause(
        re.compile(
            r"(?:Temporary failure in name resolution|Name or service not known|Network is unreachable|ConnectionError"
            r"|URLError|Could not resolve host|could not find git for clone|git clone\b)"
        ),
        _words(
            "the build wanted to download something, and builds have no network: a sdist must bring what it compiles"
        ),
    ),
    _Cause(re.compile(r"gfortran(?:'|: (?:command )?not found)|No CMAKE_Fortran_COMPILER"), _fortran),
    # The look behind keeps the search linear in lines of any length.
    _Cause(
        re.compile(
            r"(?<![\w.+-])(?P<program>[\w.+-]{1,80}): (?:command )?not found"
            r"|No such file or directory: '(?P<other>[\w.+-]{1,80})'"
        ),
        _program,
    ),
    _Cause(re.compile(r"(?:gfortran|Fortran compiler)"), _fortran),
)
