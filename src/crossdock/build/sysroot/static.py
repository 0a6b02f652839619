"""Which libraries of a sysroot can become part of an extension module, in place of being grafted into its wheel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crossdock.build.sysroot.table import table
from crossdock.errors import InspectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from crossdock.build.model import Sysroot, SystemPackage

#: The C library's own, with what a linker is asked for.
_SYSTEM = re.compile(r"lib(c|m|pthread|dl|rt|util|resolv)\.so\.\d+|ld-linux.*|ld64?\.so\.\d+")
_CPP = "libstdc++.so.6"


def is_static(path: str, architecture: str, triplet: str) -> bool:
    """Tell whether a file is a static library that is to be fitted."""
    rules = table()["static"]
    found = re.fullmatch(rf"usr/lib/{triplet}/lib([^/]+)\.a", path)
    return found is not None and architecture in rules["architectures"] and found[1] in rules["libraries"]


def newest_wanted(names: Iterable[str]) -> str:
    """Return the glibc that first had all of what a static library needs, empty for any."""
    since: dict[str, str] = table()["static"]["since"]
    return max((since[name] for name in names if name in since), key=_version, default="")


def static_parts(directory: Path, triplet: str, fitted: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return for each library that can be linked statically what that takes, JSON-ready.

    `fitted` has the static libraries below `directory` that were made fit, with the glibc each needs. One is left out
    if it needs a library that is there as a shared one only, or if such a one needs it: a process would have two of it.
    """
    if not fitted:
        return {}
    search = _Search(directory, triplet, fitted)
    return {name: search.described(name) for name in sorted(search.static)}


class _Search:
    """The libraries that a linker finds by name, and which of them can be static."""

    def __init__(self, directory: Path, triplet: str, fitted: Mapping[str, str]) -> None:
        self._directory = directory
        self._fitted = fitted
        self._needed: dict[str, tuple[str, ...]] = {}
        self._by_soname: dict[str, list[str]] = {}
        self._archives: dict[str, str] = {}
        folder = directory / "usr/lib" / triplet
        for path in sorted(folder.glob("lib*.so")):
            self._read(path, path.name.removeprefix("lib").removesuffix(".so"))
        self.static = set(self._archives)
        self._settle()

    def _read(self, path: Path, name: str) -> None:
        from crossdock.inspect.binary import read_binary

        try:
            binary = read_binary(path.read_bytes(), str(path))
        except InspectError:
            return
        if binary is None or not binary.images:
            return  # a linker script
        self._needed[name] = binary.images[0].needed
        self._by_soname.setdefault(binary.images[0].soname, []).append(name)
        archive = path.with_suffix(".a")
        if archive.is_file():
            place = archive.resolve().relative_to(self._directory.resolve()).as_posix()
            if place in self._fitted:
                self._archives[name] = place

    def _settle(self) -> None:
        """Take libraries out until all that stay need only each other, and nobody else needs them."""
        while True:
            shared = {
                soname
                for name, needed in self._needed.items()
                if name not in self.static and _CPP not in needed
                for soname in needed
            }
            out = {name for name in self.static if not self._stays(name, shared)}
            if not out:
                return
            self.static -= out

    def _stays(self, name: str, shared: set[str]) -> bool:
        own = {soname for soname, names in self._by_soname.items() if name in names}
        return not own & shared and all(
            _SYSTEM.fullmatch(soname) or self._part(soname) is not None for soname in self._needed[name]
        )

    def _part(self, soname: str) -> str | None:
        return next((name for name in self._by_soname.get(soname, ()) if name in self.static), None)

    def described(self, name: str) -> dict[str, Any]:
        names = [name]
        system: set[str] = set()
        for one in names:  # grows while it is read
            for soname in self._needed[one]:
                part = self._part(soname)
                if part is not None:
                    names += [part] if part not in names else []
                elif (found := _SYSTEM.fullmatch(soname)) and found[1] not in {None, "c"}:
                    system.add(found[1])
        parts = [self._archives[one] for one in names]
        glibc = max((self._fitted[part] for part in parts), key=_version)
        return {"parts": parts, "system": sorted(system), "glibc": glibc}


def static_links(sysroot: Sysroot, floor: tuple[int, int] | None, *, place: str) -> dict[str, list[str]]:
    """Return by library name (`z` of `-lz`) the words that link it statically, for those that can be.

    `place` is where the sysroot lies for the linker, `floor` the target's glibc: a library that asks for something
    newer is left out (None takes all).
    """
    links = {}
    for name, one in sysroot.static.items():
        if floor is None or not one["glibc"] or floor >= _version(one["glibc"]):
            links[name] = [
                *(f"{place}/{part}" for part in one["parts"]),
                *(f"-l{library}" for library in one["system"]),
            ]
    return links


def static_packages(sysroot: Sysroot, names: Sequence[str]) -> tuple[SystemPackage, ...]:
    """Return the packages whose code is in a module that was linked statically with libraries of these names."""
    parts = {part for name in names for part in sysroot.static.get(name, {}).get("parts", ())}
    return tuple(sorted({sysroot.owners[part] for part in parts}))


def _version(text: str) -> tuple[int, int]:
    major, _dot, minor = text.partition(".")
    return int(major or 0), int(minor or 0)
