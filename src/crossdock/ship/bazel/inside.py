"""What Bazel must know of a wheel before it is extracted: read from the names in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.ship.bazel.model import Inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: They make a package of their directory, which cuts it out of every `glob` above (Bazel, "Packages").
_BUILD_FILES = frozenset({"BUILD", "BUILD.bazel"})
#: Extension modules and what stands for a module's name before it: `_c.cpython-312-aarch64-linux-gnu.so`, `_c.abi3.so`.
_MODULE = re.compile(r"([^./]+)(?:\.py|\.pyi|(?:\.[^/]+)?\.(?:so|pyd))")
_INIT = frozenset({"__init__.py", "__init__.pyi"})


def inside_of(names: Iterable[str], *, data: str) -> Inside:
    """Return what the files of a wheel come to; `data` is its `NAME-VERSION.data` directory.

    Wheels have two more directories to import from in there (binary distribution format, "The .data directory").
    """
    files = sorted(names)
    imports = [".", *(f"{data}/{scheme}" for scheme in ("platlib", "purelib"))]
    roots = [root for root in imports if root == "." or any(name.startswith(f"{root}/") for name in files)]
    namespaces, modules = set[str](), set[str]()
    for root in roots:
        prefix = "" if root == "." else f"{root}/"
        below = [name.removeprefix(prefix) for name in files if name.startswith(prefix)]
        tree = _Tree(name for name in below if ".data/" not in name and ".dist-info/" not in name)
        namespaces.update(f"{prefix}{name}" for name in tree.namespaces())
        modules.update(tree.modules())
    return Inside(
        build_files=tuple(name for name in files if name.rpartition("/")[2] in _BUILD_FILES),
        namespaces=tuple(sorted(namespaces)),
        imports=tuple(roots),
        modules=tuple(sorted(modules)),
    )


class _Tree:
    """The modules below one directory of imports."""

    def __init__(self, names: Iterable[str]) -> None:
        self._modules: dict[str, set[str]] = {}
        self._regular: set[str] = set()
        for name in names:
            directory, _, file = name.rpartition("/")
            module = _MODULE.fullmatch(file)
            if module is None or not all(part.isidentifier() for part in directory.split("/") if part):
                continue
            if file in _INIT:
                self._regular.add(directory)
            elif module[1].isidentifier():
                self._modules.setdefault(directory, set()).add(module[1])

    def _directories(self) -> Iterator[str]:
        """Give every directory with a module anywhere below, parents first."""
        found = set[str]()
        for directory in {*self._modules, *self._regular}:
            parts = directory.split("/")
            found.update("/".join(parts[:count]) for count in range(1, len(parts) + 1) if directory)
        yield from sorted(found)

    def _is_open(self, directory: str) -> bool:
        """Tell whether neither the directory nor one above it is a regular package."""
        parts = directory.split("/")
        return not any("/".join(parts[:count]) in self._regular for count in range(1, len(parts) + 1))

    def namespaces(self) -> list[str]:
        """Return namespace packages: directories that lead to modules, and no `__init__.py` at or above them (PEP 420)."""
        return [directory for directory in self._directories() if self._is_open(directory)]

    def modules(self) -> Iterator[str]:
        """Give the shortest import names that belong to this wheel alone."""
        for directory in self._directories():
            parent = directory.rpartition("/")[0]
            if directory in self._regular and (not parent or self._is_open(parent)):
                yield directory.replace("/", ".")
        for directory, names in self._modules.items():
            if not directory or self._is_open(directory):
                prefix = directory.replace("/", ".") + "." if directory else ""
                yield from (f"{prefix}{name}" for name in names)
