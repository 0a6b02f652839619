"""All that is shipped together: finds the file that a loader would find for a library's name."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from typing import TYPE_CHECKING

from crossdock.inspect.facts import Format, Kind
from crossdock.target.model import Arch, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.inspect.facts import Image
    from crossdock.inspect.finding import AuditFile
    from crossdock.target.model import Target

_FORMATS = {
    Os.LINUX: Format.ELF,
    Os.ANDROID: Format.ELF,
    Os.MACOS: Format.MACHO,
    Os.IOS: Format.MACHO,
    Os.WINDOWS: Format.PE,
    Os.EMSCRIPTEN: Format.WASM,
}


def machines_for(target: Target) -> frozenset[str]:
    """Return the machines, by facts.Image.machine, whose code the target's processes can load."""
    names = {target.arch.value}
    if target.arch is Arch.ARMV7L:
        names.add(Arch.ARMV6L.value)
    if target.os is Os.WINDOWS:
        names.add("dotnet")
        if target.arch is Arch.AARCH64:
            names.add("arm64x")
    return frozenset(names)


def platforms_for(target: Target) -> frozenset[str]:
    """Return the values of facts.Image.platform that fit; the empty one says nothing."""
    match target.os:
        case Os.MACOS:
            return frozenset({"", "macos", "mac-catalyst"})
        case Os.IOS:
            return frozenset({"", "ios-simulator" if target.simulator else "ios"})
        case Os.ANDROID:
            return frozenset({"", "android"})
        case Os.LINUX | Os.WINDOWS | Os.EMSCRIPTEN:
            return frozenset({""})


class Shipment:
    """The binaries of one shipment, indexed once for all look-ups of an audit."""

    def __init__(self, files: Sequence[AuditFile], target: Target) -> None:
        self.target = target
        self.machines = machines_for(target)
        self.platforms = platforms_for(target)
        self.format = _FORMATS[target.os]
        self.fold = target.os in {Os.WINDOWS, Os.MACOS, Os.IOS}
        self.files = files
        self._native: dict[int, Image] = {}
        self._by_path: dict[str, AuditFile] = {}
        self._by_name: defaultdict[str, list[AuditFile]] = defaultdict(list)
        self._directories: dict[str, frozenset[str]] = {}
        for file in files:
            self._index(file)

    def _index(self, file: AuditFile) -> None:
        binary = file.binary
        if binary.format is not self.format or binary.kind not in {Kind.SHARED, Kind.EXECUTABLE}:
            return
        image = binary.image_for(self.machines)
        if image is None or image.platform not in self.platforms:
            return
        self._native[id(file)] = image
        self._by_path[self._key(file.path)] = file
        for name in {posixpath.basename(file.path), posixpath.basename(image.soname)} - {""}:
            self._by_name[self._key(name)].append(file)

    def _key(self, name: str) -> str:
        return name.casefold() if self.fold else name

    def directories_of(self, package: str) -> frozenset[str]:
        """Return the top-level directories in which a package has binaries."""
        if package not in self._directories:
            self._directories[package] = frozenset(
                file.path.partition("/")[0] for file in self.files if file.package == package
            )
        return self._directories[package]

    def native(self, file: AuditFile) -> Image | None:
        """Return the part of the file that is for the target's format, system and CPU, None if it has none."""
        return self._native.get(id(file))

    def at(self, path: str) -> AuditFile | None:
        """Return the native file at a path below the shipment's root, `..` resolved."""
        return self._by_path.get(self._key(posixpath.normpath(path)))

    def named(self, library: str) -> AuditFile | None:
        """Return a native file of that name or soname, wherever it lies.

        A library that a package loads by path first (`ctypes.CDLL`, `os.add_dll_directory`) then satisfies
        all who need it by name: nvidia's wheels, delvewheel's and torch's extensions rely on it.
        """
        found = self._by_name.get(self._key(posixpath.basename(library)))
        return min(found, key=_grafted_first) if found else None

    def in_directories(self, directories: Iterable[str], library: str) -> AuditFile | None:
        """Return the first native file called `library` in one of the directories."""
        for directory in directories:
            found = self.at(posixpath.join(directory, library))
            if found is not None:
                return found
        return None


def _grafted_first(file: AuditFile) -> tuple[bool, str]:
    """Prefer the copy that a repair tool grafted in: it was fitted to what lies beside it."""
    directory = posixpath.dirname(file.path)
    return not directory.endswith((".libs", ".dylibs")), file.path


def origin_directories(file: AuditFile, rpath: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Return the search path's entries that are relative to the file, as paths below the shipment's root.

    `words` are what stands for the file's own directory (`$ORIGIN`, `@loader_path`). A result that starts
    with `..` leads out of what is shipped.
    """
    here = posixpath.dirname(file.path)
    found = []
    for entry in rpath:
        for word in words:
            if entry == word or entry.startswith(f"{word}/"):
                found.append(posixpath.normpath(posixpath.join(here, "." + entry[len(word) :])))
                break
    return tuple(found)
