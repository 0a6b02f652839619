"""packer.zip: the packer of layers with all modules of ours that it imports, as one file to check in.

The modules are found in their sources, not among those that happen to be loaded, and nothing is compressed by a library:
the same bytes on every machine.
"""

from __future__ import annotations

import ast
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.archive.zipwrite import ZipWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[3]
_ENTRY = "crossdock.ship.bazel.packing"


@cache
def packer_zip() -> bytes:
    """Return the bytes of packer.zip."""
    out = io.BytesIO()
    with ZipWriter(out) as archive:
        for module in sorted(_closure(_ENTRY)):
            path = _source(module)
            if path is not None:
                archive.add(path.relative_to(_ROOT).as_posix(), path.read_bytes())
    return out.getvalue()


def _closure(entry: str) -> set[str]:
    """Return a module of ours and all that it imports, then or later."""
    found, todo = set[str](), [entry]
    while todo:
        module = todo.pop()
        path = None if module in found else _source(module)
        if path is None:
            continue
        found.add(module)
        parts = module.split(".")
        todo += [".".join(parts[:count]) for count in range(1, len(parts))]
        todo += [name for name in _imports(ast.parse(path.read_bytes())) if name.startswith("crossdock.")]
    return found


def _source(module: str) -> Path | None:
    place = _ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """Give what a tree imports, those for type checkers left out."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from _imports(child)
