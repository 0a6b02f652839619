"""Import libraries for Windows: what `python3XY.dll` exports, read from the headers, as a linker wants to be told."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.target_python.names import abiflags
from crossdock.build.target_python.windows import table
from crossdock.errors import BuildError
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossdock.target.model import Target

_SECONDS = 300
#: The macros by which CPython's headers declare what is exported, replaced by marks around the type.
_MARKS = (
    "-DPyAPI_FUNC(T)=__crossdock_function__ T __crossdock_declares__",
    "-DPyAPI_DATA(T)=__crossdock_data__ T __crossdock_declares__",
    # Else the headers put marks of their own in their place.
    "-DPy_NO_ENABLE_SHARED",
)
_DECLARATION = re.compile(
    r"__crossdock_(?P<kind>function|data)__\b(?:(?!__crossdock_declares__)[^;{}])*"
    r"__crossdock_declares__(?P<declarator>[^;{}]*)"
)
_ATTRIBUTE = re.compile(
    r"__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)|__declspec\s*\([^()]*\)"
)
_FUNCTION = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*\(")
_POINTER = re.compile(r"\(\s*\*\s*(?P<name>[A-Za-z_]\w*)\s*\)\s*\(")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*$")
#: Where a line of the source came from.
_LINE_MARK = re.compile(r"^#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exports:
    """What a DLL exports by name: functions, and variables, which are reached otherwise."""

    functions: frozenset[str]
    data: frozenset[str]

    def union(self, other: Exports) -> Exports:
        """Return all of both."""
        return Exports(self.functions | other.functions, self.data | other.data)


def read_declarations(preprocessed: str) -> Exports:
    """Return what preprocessed headers declare as exported, where `PyAPI_FUNC` and `PyAPI_DATA` are our marks."""
    functions: set[str] = set()
    data: set[str] = set()
    text = _LINE_MARK.sub("", preprocessed)
    for found in _DECLARATION.finditer(text):
        declarator = _ATTRIBUTE.sub(" ", found["declarator"]).strip()
        if found["kind"] == "function":
            name = _FUNCTION.search(declarator)
            if name is not None:
                functions.add(name["name"])
            continue
        name = _POINTER.search(declarator) or _VARIABLE.search(declarator.partition("=")[0].strip())
        if name is not None:
            data.add(name["name"])
    return Exports(frozenset(functions), frozenset(data))


def definitions(exports: Exports, dll: str) -> str:
    """Return a module-definition file of what a DLL exports."""
    lines = [f"LIBRARY {dll}", "EXPORTS"]
    lines += [
        f"{name} DATA" if name in exports.data else name for name in sorted(exports.functions | exports.data)
    ]
    return "\n".join(lines) + "\n"


def make_import_library(definitions: str, zig: Path, *, dll: str, machine: str) -> bytes:
    """Return the import library that a module-definition file describes; `machine` is dlltool's word for the CPU.

    Raise `BuildError` (E-BUILD-ZIG) where zig does not make it.
    """
    with tempfile.TemporaryDirectory(prefix="crossdock-lib-") as name:
        work = Path(name)
        (work / "library.def").write_text(definitions, encoding="utf-8")
        _zig(zig, ["dlltool", "-m", machine, "-D", dll, "-d", "library.def", "-l", "library.lib"], work)
        return (work / "library.lib").read_bytes()


def import_libraries(headers: Mapping[str, bytes], target: Target, zig: Path) -> dict[str, bytes]:
    """Return the import libraries of a Python by file name: `python311.lib`, and `python3.lib` of the limited API.

    The free-threaded build has no limited API before 3.15 (PEP 803).
    """
    short = f"{target.python.major}{target.python.minor}{abiflags(target)}"
    machine = table()["arch"][str(target.arch)]["dlltool"]
    libraries = {}
    found = {f"python{short}": exports_of(headers, target, zig, limited=False)}
    if not target.python.free_threaded:
        found[f"python{target.python.major}"] = exports_of(headers, target, zig, limited=True)
    for library, exports in found.items():
        dll = f"{library}.dll"
        libraries[f"{library}.lib"] = make_import_library(
            definitions(exports, dll), zig, dll=dll, machine=machine
        )
    return libraries


#: Public headers that Python.h leaves out.
_MORE = (
    "structmember.h",
    "frameobject.h",
    "datetime.h",
    "marshal.h",
    "osdefs.h",
    "errcode.h",
    "opcode.h",
    "token.h",
    "symtable.h",
    "node.h",
    "parsetok.h",
    "ast.h",
)


def exports_of(headers: Mapping[str, bytes], target: Target, zig: Path, *, limited: bool) -> Exports:
    """Return what a Python with these headers exports, all of it or what `limited` modules may use."""
    with tempfile.TemporaryDirectory(prefix="crossdock-exports-") as name:
        work = Path(name)
        for path, content in headers.items():
            (work / "include" / path).parent.mkdir(parents=True, exist_ok=True)
            (work / "include" / path).write_bytes(content)
        return _exports(headers, target, zig, work, limited=limited)


def _exports(
    headers: Mapping[str, bytes], target: Target, zig: Path, work: Path, *, limited: bool
) -> Exports:
    """Preprocess the headers as a module would see them, with each choice that gives functions other names."""
    more = [] if limited else [name for name in _MORE if name in headers]
    source = "".join(f"#include <{name}>\n" for name in ("Python.h", *more))
    version = f"0x03{target.python.minor:02x}0000"
    found = Exports(frozenset(), frozenset())
    for choice in ((), ("-DPY_SSIZE_T_CLEAN",)):
        flags = [*choice, *([f"-DPy_LIMITED_API={version}"] if limited else [])]
        found = found.union(read_declarations(_preprocessed(source, flags, target, zig, work)))
    return found if limited else found.union(_internal(headers, target, zig, work))


def _internal(headers: Mapping[str, bytes], target: Target, zig: Path, work: Path) -> Exports:
    """Read the headers that are for CPython itself: Cython and greenlet include some, and the DLL exports theirs too."""
    names = [name for name in sorted(headers) if re.fullmatch(r"internal/[a-z_]+\.h", name)]
    source = "#include <Python.h>\n" + "".join(
        # Each for itself: what one of them lacks here must not hide the others.
        f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n"
        for name in names
    )
    return read_declarations(
        _preprocessed(source, ["-DPy_BUILD_CORE_MODULE"], target, zig, work, strict=False)
    )


def _preprocessed(
    source: str, flags: Sequence[str], target: Target, zig: Path, work: Path, *, strict: bool = True
) -> str:
    (work / "exports.c").write_text(source, encoding="utf-8")
    triple = f"{WORDS[target.arch].zig}-windows-gnu"
    folders = ["-I", "include", "-I", "include/internal"]
    command = ["cc", "-target", triple, "-E", "-P", *_MARKS, *flags, *folders, "-w", "exports.c"]
    return _zig(zig, command, work, strict=strict)


def _zig(zig: Path, arguments: Iterable[str], work: Path, *, strict: bool = True) -> str:
    environ = {
        "ZIG_GLOBAL_CACHE_DIR": str(work / "cache"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "cache"),
        "HOME": str(work),
        "PATH": "/usr/bin:/bin",
    }
    try:
        done = subprocess.run(
            [str(zig), *arguments],
            cwd=work,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the compiler does not run here: {error}", code="E-BUILD-ZIG") from error
    if done.returncode and strict:
        raise BuildError(
            "the compiler cannot read the headers of Python for Windows",
            code="E-BUILD-ZIG",
            places=done.stderr.splitlines()[-10:],
        )
    return done.stdout
