"""The libraries that an image's loader finds: ld.so(8) for glibc, musl's ldso/dynlink.c."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.contents.layer import EntryKind
from crossdock.inspect.facts import Format, Kind, split_version
from crossdock.target.model import Arch, Libc, LibcKind
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossdock.contents.tree import Node, Tree
    from crossdock.inspect.facts import Image
    from crossdock.oci.model import Platform

_LOADER = re.compile(r"(?:ld-linux[\w.-]*|ld64|ld)\.so\.[0-9]+")
_MUSL = re.compile(r"ld-musl-(\w+)\.so\.1")
#: Where a glibc whose own list could not be read looks; Debian's and Red Hat's together.
_USUAL = ("lib", "usr/lib", "lib64", "usr/lib64")
#: glibc's sysdeps/generic/dl-cache.h: magic, number of entries, bytes of names; entries of 24 bytes behind 48.
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER, _CACHE_ENTRY = 48, "IIIIQ"
_MOST_CACHED = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a loader finds: the file for each name that it may be asked for, and its libc."""

    libraries: Mapping[str, Image]
    libc: Libc | None


def machines_of(platform: Platform) -> frozenset[str]:
    """Return the machines, by facts.Image.machine, whose code runs on a platform of an image."""
    names = {
        arch.value
        for arch, words in WORDS.items()
        if words.oci == platform.architecture
        and (not platform.variant or not words.oci_variant or words.oci_variant <= platform.variant)
    }
    return frozenset(names)


def find_libraries(
    tree: Tree, machines: frozenset[str], environment: Mapping[str, str], *, musl: bool | None = None
) -> Found:
    """Return what the loader of an image finds for programs of `machines`.

    `musl` says which of two C libraries counts where an image has both.
    """
    glibc, other = _glibc_directories(tree, machines), _musl_directories(tree, machines)
    use_musl = other is not None and (musl if musl is not None and glibc is not None else glibc is None)
    given = _entries(environment.get("LD_LIBRARY_PATH", ""))
    if use_musl and other is not None:
        directories, version = other
        libraries = _in_directories(tree, [*given, *directories], machines)
        return Found(libraries, _version(LibcKind.MUSL, version))
    libraries = _in_directories(tree, given, machines)
    for name, image in _cached(tree, machines):
        libraries.setdefault(name, image)
    for name, image in _in_directories(tree, glibc or (), machines).items():
        libraries.setdefault(name, image)
    libc = libraries.get("libc.so.6")
    return Found(libraries, None if libc is None else _newest_glibc(libc))


def _entries(path: str) -> list[str]:
    # An empty entry means the working directory, a relative one too: neither is the image's to give.
    return [entry.strip("/") for entry in re.split("[:;]", path) if entry.startswith("/")]


def _native(node: Node | None, machines: frozenset[str]) -> Image | None:
    """Return the image of a shared library for the machines, None for anything else."""
    if node is None or node.facts is None or node.facts.binary is None:
        return None
    binary = node.facts.binary
    if binary.format is not Format.ELF or binary.kind not in {Kind.SHARED, Kind.EXECUTABLE}:
        return None
    return binary.image_for(machines)


def _in_directories(tree: Tree, directories: Sequence[str], machines: frozenset[str]) -> dict[str, Image]:
    """Return the libraries by file name: that is what a loader opens; the first directory wins."""
    found: dict[str, Image] = {}
    for directory in directories:
        node = tree.at(directory)
        for name in () if node is None else node.children:
            # The name must look like a library, so that not every file there is followed; ld.so does not care.
            if ".so" in name and name not in found:
                image = _native(tree.at(f"{directory}/{name}"), machines)
                if image is not None:
                    found[name] = image
    return found


def _glibc_directories(tree: Tree, machines: frozenset[str]) -> tuple[str, ...] | None:
    """Return the directories that glibc's loader searches by itself, None if there is no such loader."""
    for directory in ("lib", "lib64", "usr/lib", "usr/lib64"):
        node = tree.at(directory)
        for name in sorted(() if node is None else node.children):
            if not _LOADER.fullmatch(name):
                continue
            loader = tree.at(f"{directory}/{name}")
            if _native(loader, machines) is None or loader is None or loader.facts is None:
                continue
            said = (loader.facts.text or b"").decode("utf-8", "replace").split("\0")
            return tuple(part.strip("/") for part in said if part) or (*_multiarch(machines), *_USUAL)
    # Without a loader nothing starts; what lies in the usual places is still what the image has.
    usual = (*_multiarch(machines), *_USUAL)
    return usual if any(tree.at(f"{one}/libc.so.6") is not None for one in usual) else None


def _multiarch(machines: frozenset[str]) -> tuple[str, ...]:
    """Return Debian's multiarch directories (wiki.debian.org/Multiarch/Tuples)."""
    words = {
        Arch.ARMV7L.value: ("arm-linux-gnueabihf",),
        Arch.ARMV6L.value: (),
        Arch.I686.value: ("i386-linux-gnu",),
        Arch.PPC64LE.value: ("powerpc64le-linux-gnu",),
    }
    names = [name for one in sorted(machines) for name in words.get(one, (f"{one}-linux-gnu",))]
    return tuple(f"{top}/{name}" for name in names for top in ("lib", "usr/lib"))


def _cached(tree: Tree, machines: frozenset[str]) -> Iterator[tuple[str, Image]]:
    """Yield what /etc/ld.so.cache leads to. ld.so.conf itself is read by ldconfig only, never by the loader."""
    node = tree.at("etc/ld.so.cache")
    data = b"" if node is None or node.facts is None else node.facts.text or b""
    # Older caches have the new format behind the old one (glibc before 2.32).
    start = data.find(_CACHE_MAGIC)
    if start < 0 or len(data) < start + _CACHE_HEADER:
        return
    data = data[start:]
    order = ">" if data[28] & 3 == 3 else "<"  # noqa: PLR2004  flags: 2 little endian, 3 big, 0 not said
    entry = struct.Struct(order + _CACHE_ENTRY)
    count = struct.unpack_from(order + "I", data, 20)[0]
    room = (len(data) - _CACHE_HEADER) // entry.size
    for at in range(min(count, room, _MOST_CACHED)):
        _, key, value, _, hwcap = entry.unpack_from(data, _CACHE_HEADER + at * entry.size)
        if hwcap:
            continue  # for newer CPUs only
        name, path = _text(data, key), _text(data, value)
        image = _native(tree.at(path), machines) if path.startswith("/") else None
        if image is not None:
            yield name, image


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at, at + 4096)
    return data[at : max(at, end)].decode("utf-8", "replace")


def _musl_directories(tree: Tree, machines: frozenset[str]) -> tuple[list[str], str] | None:
    """Return the directories that musl's loader searches, and its version; None if there is none."""
    node = tree.at("lib")
    for name in sorted(() if node is None else node.children):
        match = _MUSL.fullmatch(name)
        loader = tree.at(f"lib/{name}") if match else None
        if match is None or loader is None or _native(loader, machines) is None:
            continue
        version = b"" if loader.facts is None else loader.facts.text or b""
        listed = tree.at(f"etc/ld-musl-{match[1]}.path")
        if listed is not None and listed.kind is EntryKind.FILE and listed.facts is not None:
            text = (listed.facts.text or b"").decode("utf-8", "replace")
            return _entries(":".join(text.split())), version.decode()
        return ["lib", "usr/local/lib", "usr/lib"], version.decode()
    return None


def _newest_glibc(libc: Image) -> Libc | None:
    numbers = [number for prefix, number in map(split_version, libc.defines) if prefix == "GLIBC"]
    newest = max(numbers, default=())
    return Libc(LibcKind.GLIBC, newest[0], newest[1]) if len(newest) > 1 else None


def _version(kind: LibcKind, text: str) -> Libc | None:
    parts = text.split(".")
    return Libc(kind, int(parts[0]), int(parts[1])) if len(parts) > 1 else Libc(kind, 1, 1)
