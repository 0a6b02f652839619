"""What makes a prefix of the image an environment of the base's Python, shaped like a venv (PEP 405)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import ImageError
from crossdock.ship.entries import made_file, made_link
from crossdock.ship.installed import Layout
from crossdock.target.model import Implementation

if TYPE_CHECKING:
    from crossdock.ship.entries import Entry
    from crossdock.target.model import Python, Target

#: Below the prefix: the user's own modules, where they are not a wheel.
SOURCES = "src"
_PTH = "_crossdock_src.pth"


def python_directory(python: Python) -> str:
    """Return the name of the directory below `lib` and `include`: `python3.13`, `python3.13t`, `pypy3.11`."""
    if python.implementation is Implementation.PYPY:
        return f"pypy{python.short}"
    return f"python{python.short}{'t' if python.free_threaded else ''}"


def image_layout(target: Target, prefix: str) -> Layout:
    """Return where the schemes of a wheel lie in an image, as sysconfig's `venv` scheme has it."""
    below = prefix.removeprefix("/")
    python = python_directory(target.python)
    packages = f"{below}/lib/{python}/site-packages"
    return Layout(
        purelib=packages,
        platlib=packages,
        scripts=f"{below}/bin",
        data=below,
        headers=f"{below}/include/site/{python}",
        interpreter=f"{prefix}/bin/python",
    )


def environment_paths(target: Target, prefix: str) -> list[str]:
    """Return where the environment's own files lie, which no wheel may write: pyvenv.cfg, the `.pth`, the links."""
    layout = image_layout(target, prefix)
    names = sorted({"python", "python3", python_directory(target.python)})
    return [
        layout.place("data", "pyvenv.cfg", ""),
        layout.place("purelib", _PTH, ""),
        *(layout.place("scripts", name, "") for name in names),
    ]


def environment_entries(target: Target, prefix: str, interpreter: str, *, sources: bool) -> tuple[Entry, ...]:
    """Return the files of the environment layer, sorted.

    `interpreter` is Python's absolute path in the base. With `sources` the modules in `PREFIX/src` can be imported
    from everywhere. Python looks for pyvenv.cfg beside or above the directory of the program that was started and
    takes its standard library from `home` (PEP 405; CPython, Modules/getpath.py). The version stands without
    the patch: a base of a newer patch must not change the layer.
    """
    directory, slash, name = interpreter.rpartition("/")
    if not slash or not interpreter.startswith("/") or not name or not interpreter.isprintable():
        raise ImageError(f"not the path of a base's Python: `{interpreter}`", code="E-IMAGE-BROKEN")
    python = target.python
    lines = [
        f"home = {directory or '/'}",
        "include-system-site-packages = false",
        f"version = {python.short}",
    ]
    configuration, pth, *links = environment_paths(target, prefix)
    entries = [
        made_file(configuration, "".join(f"{line}\n" for line in lines).encode()),
        *(made_link(link, interpreter) for link in links),
    ]
    if sources:
        entries.append(made_file(pth, f"{prefix}/{SOURCES}\n".encode()))
    return tuple(sorted(entries, key=lambda entry: entry.path))
