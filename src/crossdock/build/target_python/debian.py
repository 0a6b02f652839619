"""Debian's `libpythonX.Y-dev` of an architecture: the headers of a real build of CPython for that CPU and glibc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.target_python.headers import edited, is_header, own_pyconfig
from crossdock.build.target_python.layout import Parts
from crossdock.build.target_python.pyconfig import with_changes
from crossdock.build.target_python.table import debian_suites, values_for
from crossdock.build.target_python.variables import read_sysconfigdata
from crossdock.errors import ArchiveError, FetchError
from crossdock.target.model import LibcKind, Os
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.archive.deb import Deb
    from crossdock.build.model import World
    from crossdock.net.debian.chosen import PinnedPackage
    from crossdock.net.debian.sources import Archive
    from crossdock.target.model import Target

#: Debian builds for 32-bit ARM with _TIME_BITS=64 since trixie and does not say so in pyconfig.h: a module that is
#: compiled without it has the old `time_t`, and older releases' C library has no other.
_OURS = ("SIZEOF_TIME_T", "Py_GIL_DISABLED")


def from_debian(target: Target, world: World) -> Parts | None:
    """Return the parts of the first suite that has this Python, None where none has or none can be reached.

    Debian has no free-threaded Python: its headers are the same, with `Py_GIL_DISABLED` in pyconfig.h.
    """
    architecture = WORDS[target.arch].debian
    if (
        target.os is not Os.LINUX
        or target.libc is None
        or target.libc.kind is not LibcKind.GLIBC
        or not architecture
    ):
        return None
    for suite in debian_suites(target.python.version):
        archives = world.archives(suite)
        # Not every suite has updates and fixes, and mirrors of fixes drop architectures: the suite itself will do.
        for some in (archives, archives[:1]) if len(archives) > 1 else (archives,):
            try:
                found = _of_suite(target, architecture, some, world) if some else None
            except ArchiveError:
                continue
            except FetchError as error:
                if not error.code.startswith("E-DEBIAN-") and not error.code.endswith("-404"):
                    return None  # the network: another suite of the same mirror would only take as long
                continue
            if found is not None:
                return found
    return None


def _of_suite(target: Target, architecture: str, archives: Sequence[Archive], world: World) -> Parts | None:
    from crossdock.net.debian.resolve import fetch_packages, find_packages  # they load threads and signatures

    names = [f"libpython{target.python.short}-{part}" for part in ("dev", "minimal")]
    packages = find_packages(
        names, archives, architecture, http=world.http(), store=world.store, now=world.now, warn=_quiet
    )
    if len(packages) != len(names):
        return None
    files = fetch_packages(packages, archives, http=world.http(), store=world.store)
    return parts_of({one.name: _read(one, files[one.name]) for one in packages}, packages, target)


def _quiet(_text: str) -> None:
    """Headers need no fixes: that a suite has none for an architecture is nothing to tell."""


def _read(package: PinnedPackage, path: object) -> Deb:
    from pathlib import Path

    from crossdock.archive.deb import read_deb

    with Path(str(path)).open("rb") as file:
        return read_deb(file, package.filename.rpartition("/")[2])


def parts_of(debs: Mapping[str, Deb], packages: Sequence[PinnedPackage], target: Target) -> Parts | None:
    """Return the parts that the packages hold, None where they are laid out otherwise."""
    files = {entry.path: entry.content for deb in debs.values() for entry in deb.entries if entry.content}
    folder = f"usr/include/python{target.python.short}/"
    headers = {
        path.removeprefix(folder): content
        for path, content in files.items()
        if path.startswith(folder) and is_header(path.removeprefix(folder))
    }
    triplet = debian_triplet(target)
    if "pyconfig.h" not in headers:
        return None
    plain = headers["pyconfig.h"].decode("utf-8", "replace")
    own = own_pyconfig(plain, (triplet,), lambda path: files.get(f"usr/include/{path}"))
    text = plain if own is None else own.decode("utf-8", "replace")
    ours = {name: value for name, value in values_for(target).items() if name in _OURS}
    return Parts(
        provider="debian",
        detail=", ".join(f"{one.name} {one.version} {one.architecture}" for one in packages[:1]),
        headers=edited(headers, with_changes(text, ours)),
        built={} if target.python.free_threaded else _built(files, target, triplet),
    )


def _built(files: Mapping[str, bytes], target: Target, triplet: str) -> dict[str, object]:
    folder = f"usr/lib/python{target.python.short}"
    for name in (f"_sysconfigdata__linux_{triplet}.py", f"_sysconfigdata__{triplet}.py"):
        content = files.get(f"{folder}/{name}")
        if content is not None:
            return read_sysconfigdata(content.decode("utf-8", "replace"), name)
    return {}


def debian_triplet(target: Target) -> str:
    """Return Debian's multiarch tuple of a glibc target, which is CPython's."""
    from crossdock.build.target_python.names import multiarch

    return multiarch(target)
