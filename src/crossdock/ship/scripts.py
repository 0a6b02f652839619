"""Console and GUI scripts as a target starts them: text with a shebang, or a Windows launcher for its CPU."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from crossdock.errors import ShipError
from crossdock.target.model import Arch, Implementation, Os

if TYPE_CHECKING:
    from crossdock.target.model import Python, Target

#: distlib's launchers by CPU; the kind (t: console, w: GUI) stands before.
_LAUNCHERS = {Arch.X86_64: "64", Arch.AARCH64: "64-arm", Arch.I686: "32"}

#: Linux cuts a shebang line at 255 bytes since 5.1 and at 127 before; macOS at 512.
_SHEBANG_LIMIT = 127


#: Characters that sh or the launcher would not take for a part of the path.
_UNSAFE = frozenset("\"'`$")


class EntryPoint(NamedTuple):
    """One line of entry_points.txt below console_scripts or gui_scripts."""

    name: str
    module: str
    attribute: str
    gui: bool


def interpreter_name(python: Python) -> str:
    """Return the command that starts `python` where it is on the PATH, for example `python3.13t`."""
    if python.implementation is Implementation.PYPY:
        return f"pypy{python.short}"
    return f"python{python.short}{'t' if python.free_threaded else ''}"


def shebang(target: Target, interpreter: str | None) -> bytes:
    """Return the first line (or two) of a script: `interpreter`, a path on the target, or found on its PATH.

    A path with a space, or too long for the kernel, goes through /bin/sh, as pip and distlib do it.
    """
    if interpreter is None:
        name = "python" if target.os is Os.WINDOWS else interpreter_name(target.python)
        return f"#!/usr/bin/env {name}\n".encode()
    if any(character in interpreter for character in _UNSAFE) or not interpreter.isprintable():
        raise ShipError(
            f"not a path that a script can name: {interpreter!r}",
            code="E-SHIP-INTERPRETER",
            hint="give --python-path without quotes, `$`, backquotes and line breaks",
        )
    if target.os is Os.WINDOWS:
        return (f'#!"{interpreter}"\n' if " " in interpreter else f"#!{interpreter}\n").encode()
    line = f"#!{interpreter}\n".encode()
    if b" " not in line and len(line) <= _SHEBANG_LIMIT:
        return line
    # https://www.in-ulm.de/~mascheck/various/shebang/#length: a polyglot of sh and Python.
    return f"#!/bin/sh\n'''exec' \"{interpreter}\" \"$0\" \"$@\"\n' '''\n".encode()


def entry_point_script(point: EntryPoint, target: Target, interpreter: str | None) -> bytes:
    """Return the text of the script for `point`.

    Without an interpreter's path the script is relocatable: it finds Python on the PATH and the packages
    beside itself, `.pth` files included, wherever the directory was moved to.
    """
    head = shebang(target, interpreter)
    # A Windows launcher is a zip: there the script's own path has one more part, `name.exe/__main__.py`.
    climb = 0 if interpreter is not None else 3 if target.os is Os.WINDOWS else 2
    return head + _script_body(point, climb).encode()


def _script_body(point: EntryPoint, climb: int) -> str:
    """Return the code; the packages lie `climb` directories above the script, 0: Python knows where."""
    lines = ["import sys", ""]
    if climb:
        lines = [
            "import os",
            "import site",
            "import sys",
            "",
            "root = os.path.realpath(__file__)",
            f"for _ in range({climb}):",
            "    root = os.path.dirname(root)",
            "if root not in sys.path:",
            "    sys.path.insert(1, root)",
            "    site.addsitedir(root)",
            "",
        ]
    first = point.attribute.partition(".")[0]
    lines += [
        f"from {point.module} import {first}",
        "",
        'if __name__ == "__main__":',
        '    sys.argv[0] = sys.argv[0].removesuffix(".exe")',
        f"    sys.exit({point.attribute}())",
        "",
    ]
    return "\n".join(lines)


def windows_launcher(point: EntryPoint, target: Target, interpreter: str | None) -> bytes:
    """Return `name.exe`: distlib's launcher for the target's CPU, a shebang, and a zip with the script."""
    from crossdock.archive.zipwrite import ZipWriter  # Windows targets only

    body = io.BytesIO()
    with ZipWriter(body) as archive:
        archive.add("__main__.py", entry_point_script(point, target, interpreter), compress=False)
    return _launcher(target, gui=point.gui) + shebang(target, interpreter) + body.getvalue()


def _launcher(target: Target, *, gui: bool) -> bytes:
    from importlib.resources import files  # slow to import, Windows targets only

    kind = _LAUNCHERS.get(target.arch)
    if kind is None:
        raise ShipError(
            f"no Windows launcher exists for `{target.arch}`",
            code="E-SHIP-LAUNCHER",
            hint="target windows/amd64, windows/arm64 or windows/386",
        )
    return files("distlib").joinpath(f"{'w' if gui else 't'}{kind}.exe").read_bytes()


def rewrite_script(content: bytes, target: Target, interpreter: str | None) -> bytes:
    """Return a file of the wheel's `.data/scripts` with its shebang made the target's.

    Only a first line of `#!python` or `#!pythonw` is a placeholder (binary distribution format,
    "Recommended installer features"); every other file is left as it is.
    """
    if not content.startswith(b"#!python"):
        return content
    _line, newline, rest = content.partition(b"\n")
    return shebang(target, interpreter) + rest if newline else shebang(target, interpreter)
