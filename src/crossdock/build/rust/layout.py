"""Debian's packages of Rust laid out in the store: programs, libraries, and starters that run them with these libraries."""

from __future__ import annotations

import posixpath
import re
import shutil
from typing import TYPE_CHECKING

from crossdock.archive.deb import read_deb
from crossdock.archive.tarread import Kind
from crossdock.build.rust.debian import fetch
from crossdock.build.rust.table import debian_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.build.rust.debian import DebianRust
    from crossdock.net.debian.chosen import PinnedPackage

#: Raised when the same packages would be laid out otherwise.
_FORMAT = 1
#: The programs that are kept, all of them run by the starters.
PROGRAMS = ("cargo", "rustc")
#: Below usr/lib: shared libraries, and Rust's own directory.
_KEPT = re.compile(r"usr/lib/(?:rustlib/.*|[^/]+/[^/]+\.so(?:\.[^/]*)?)")
#: Suites before the merge of /usr have these, or their files may be read so.
_MERGED = ("bin/", "lib/")

#: The dynamic linker of the tree runs the program with the tree's libraries. None of this is in the environment, where
#: programs that cargo starts would see it. The second word is what the program takes for its own name.
_STARTER = """#!/bin/sh
here=${{0%/*}}/..
exec "$here/usr/lib/{folder}/{linker}" --inhibit-cache --library-path "$here/usr/lib/{folder}" \
--argv0 "$0" "$here/usr/bin/{name}" "$@"
"""


def debian_tree(found: DebianRust, host: str, target: str, world: World) -> Path:
    """Return a directory of the store with `bin/cargo`, `bin/rustc` and the libraries of both; fetched if need be.

    `host` and `target` are Rust's names. Raise `FetchError`, or `ArchiveError` for a broken package.
    """
    base = _tree("host", found.host, found, host, world)
    if found.library is None:
        return base
    library = found.library

    def make(place: Path) -> None:
        # The same files by other names: a store of five targets keeps the compiler once.
        shutil.copytree(base, place, symlinks=True, dirs_exist_ok=True, copy_function=_link)
        for name, file in fetch([library], found, world):
            unpack(name, file, place)

    key = _key("target", found.packages, target)
    return world.store.tree("rust", key, make, prove=_is_whole)


def _tree(word: str, packages: Sequence[PinnedPackage], found: DebianRust, host: str, world: World) -> Path:
    def make(place: Path) -> None:
        for name, file in fetch(packages, found, world):
            unpack(name, file, place)
        write_starters(place, host)

    return world.store.tree("rust", _key(word, packages, host), make, prove=_is_whole)


def _key(word: str, packages: Sequence[PinnedPackage], triple: str) -> str:
    return repr((_FORMAT, word, triple, sorted(one.sha256 for one in packages)))


def _link(source: str, place: str) -> None:
    import os

    try:
        os.link(source, place)
    except OSError:  # a file system without hard links, or with too few for one file
        shutil.copyfile(source, place)
        shutil.copymode(source, place)


def unpack(name: str, file: Path, directory: Path) -> None:
    """Write what is needed of one package below `directory`; links lead within it or are left out."""
    with file.open("rb") as stream:
        deb = read_deb(stream, f"{name}.deb")
    links: dict[str, str] = {}
    for entry in deb.entries:
        path = _merged(entry.path)
        if not is_kept(path):
            continue
        if entry.kind is Kind.SYMLINK:
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.link))
            links[path] = _merged(target.lstrip("/"))
        elif entry.kind is Kind.FILE:
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.write_bytes(entry.content)
            place.chmod(0o755 if entry.executable or path.startswith("usr/bin/") else 0o644)
    for path, target in links.items():
        place = directory / path
        if (directory / target).exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(posixpath.relpath(target, posixpath.dirname(path)))


def is_kept(path: str) -> bool:
    """Tell whether a file belongs into the tree: the programs, shared libraries, and the standard library of Rust."""
    if posixpath.dirname(path) == "usr/bin":
        return posixpath.basename(path) in PROGRAMS
    return bool(_KEPT.fullmatch(path)) and not path.endswith((".py", ".natvis"))


def _merged(path: str) -> str:
    return f"usr/{path}" if path.startswith(_MERGED) else path


def write_starters(directory: Path, host: str) -> None:
    """Write `bin/cargo` and `bin/rustc`, which run the programs by the dynamic linker that came with them."""
    folder = (debian_names(host) or ("", ""))[1]
    linker = min((directory / "usr" / "lib" / folder).glob("ld-linux*.so.*")).name
    (directory / "bin").mkdir()
    for name in PROGRAMS:
        path = directory / "bin" / name
        path.write_text(_STARTER.format(folder=folder, linker=linker, name=name))
        path.chmod(0o755)


def _is_whole(place: Path) -> bool:
    """Tell whether the programs are there: what a power cut empties fails loudly in the first compilation."""
    return all((place / "bin" / name).is_file() for name in PROGRAMS) and all(
        path.stat().st_size for path in (place / "usr" / "lib").rglob("*") if path.is_file()
    )
