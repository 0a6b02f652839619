"""The Pythons that an image's PATH leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.inspect.facts import Format, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossdock.contents.tree import Tree
    from crossdock.inspect.facts import Image

#: What a container without PATH in its config gets (moby, oci/defaults.go; containers/common).
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = re.compile(r"python(?:3(?:\.(?P<minor>[0-9]{1,2}))?(?P<free>t?))?")
_LIBRARY = re.compile(r"python3\.(?P<minor>[0-9]{1,2})(?P<free>t?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython in an image.

    `path` is the program's absolute path without links, `home` the directory that a `pyvenv.cfg` names; `machine`
    as in facts.Image; `libc` is `glibc`, `musl` or empty.
    """

    path: str
    home: str
    minor: int
    free_threaded: bool
    machine: str
    libc: str = ""

    def __str__(self) -> str:
        return f"{self.path} (3.{self.minor}{'t' if self.free_threaded else ''}, {self.machine})"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, which `from_json` reads."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Interpreter:
        """Read what `to_json` gave; raise `TypeError` or `ValueError` for anything else."""
        kinds = {"path": str, "home": str, "minor": int, "free_threaded": bool, "machine": str, "libc": str}
        if not all(isinstance(value[name], kind) for name, kind in kinds.items() if name in value):
            raise TypeError("not a Python of an image")
        found = cls(**value)
        if not found.path.startswith("/"):
            raise ValueError("not the path of a program")
        return found


def find_interpreters(tree: Tree, environment: Mapping[str, str]) -> tuple[Interpreter, ...]:
    """Return the Pythons on PATH in its order, each once; in a directory `python3` and `python` come first."""
    found: dict[str, Interpreter] = {}
    for directory in environment.get("PATH", DEFAULT_PATH).split(":"):
        node = tree.at(directory) if directory.startswith("/") else None
        names = [name for name in (() if node is None else node.children) if _NAME.fullmatch(name)]
        for name in sorted(names, key=lambda name: (len(name) > len("python3"), name != "python3", name)):
            real = tree.real_path(f"{directory}/{name}")
            if real is not None and real not in found:
                found.update((real, one) for one in _identify(tree, real))
    return tuple(found.values())


def _identify(tree: Tree, real: str) -> Iterator[Interpreter]:
    """Yield what a program is, if it is a CPython: by its own name, else by the library beside it."""
    node = tree.at(real)
    binary = None if node is None or node.facts is None else node.facts.binary
    if binary is None or binary.format is not Format.ELF or binary.kind not in {Kind.EXECUTABLE, Kind.SHARED}:
        return
    home, _, name = real.rpartition("/")
    match = _NAME.fullmatch(name)
    if match is None or match["minor"] is None:
        match = _beside(tree, home)
    for image in binary.images[:1] if match is not None else ():
        yield _interpreter(real, home, match, image)


def _interpreter(real: str, home: str, match: Any, image: Image) -> Interpreter:
    return Interpreter(
        path=f"/{real}",
        home=f"/{home}",
        minor=int(match["minor"]),
        free_threaded=bool(match["free"]),
        machine=image.machine,
        libc=image.libc,
    )


def _beside(tree: Tree, home: str) -> re.Match[str] | None:
    """Return the one version whose standard library lies beside a program (getpath.py: `lib/pythonX.Y/os.py`)."""
    library = tree.at(f"{home}/../lib")
    matches = map(_LIBRARY.fullmatch, () if library is None else library.children)
    known = [one for one in matches if one and tree.at(f"{home}/../lib/{one[0]}/os.py") is not None]
    return known[0] if len(known) == 1 else None
