"""Libraries of a sysroot, found as the target's loader would find them: links never lead out of it."""

from __future__ import annotations

import posixpath
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from crossdock.inspect.binary import examine
from crossdock.inspect.facts import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.build.model import Sysroot, SystemPackage
    from crossdock.inspect.facts import Image

_MOST_LINKS = 40


class Library(NamedTuple):
    """A shared library of the sysroot: its bytes, its facts, its place, and the package that it is of."""

    content: bytes
    image: Image
    path: str
    package: SystemPackage | None


class Libraries:
    """Looks libraries up in a sysroot, for machines by `facts.Image.machine`."""

    def __init__(self, sysroot: Sysroot, machines: frozenset[str]) -> None:
        self.sysroot = sysroot
        self._machines = machines
        self._found: dict[str, Library | None] = {}
        triplet = sysroot.triplet
        self._places = (
            f"usr/lib/{triplet}",
            f"lib/{triplet}",
            "usr/lib64",
            "lib64",
            "usr/lib",
            "lib",
            f"usr/local/lib/{triplet}",
            "usr/local/lib",
        )

    def find(self, soname: str) -> Library | None:
        """Return the library of that name for the machine, None where there is none."""
        if soname not in self._found:
            self._found[soname] = self._find(soname)
        return self._found[soname]

    def text(self, path: str) -> bytes | None:
        """Return what a file of the sysroot holds, None where there is none."""
        real = self._real(path)
        return None if real is None else (self.sysroot.directory / real).read_bytes()

    def _find(self, soname: str) -> Library | None:
        for path in self._candidates(soname):
            real = self._real(path)
            if real is None:
                continue
            content = (self.sysroot.directory / real).read_bytes()
            binary = examine(content, real)
            image = binary.image_for(self._machines) if binary is not None else None
            if binary is not None and binary.kind is Kind.SHARED and image is not None:
                owners = self.sysroot.owners
                return Library(content, image, real, owners.get(path) or owners.get(real))
        return None

    def _candidates(self, soname: str) -> Iterator[str]:
        for place in self._places:
            yield f"{place}/{soname}"
        # Some packages keep theirs one directory further down, for ld.so.conf or a link of an installation script.
        yield from self._deeper.get(soname, ())

    @cached_property
    def _deeper(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        root = self.sysroot.directory
        for place in ("usr/lib", "lib"):
            for path in sorted((root / place).glob("**/*.so*")):
                relative = path.relative_to(root).as_posix()
                found.setdefault(path.name, []).append(relative)
        return {
            name: sorted(paths, key=lambda path: (path.count("/"), path)) for name, paths in found.items()
        }

    def _real(self, path: str) -> str | None:
        """Follow links as from the sysroot's own root; None where they lead nowhere, or out of it."""
        for _ in range(_MOST_LINKS):
            place = self.sysroot.directory / path
            if place.is_symlink():
                target = place.readlink().as_posix()
                path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/")
                continue
            inside = place.resolve().is_relative_to(self.sysroot.directory.resolve())
            return path if inside and place.is_file() else None
        return None
