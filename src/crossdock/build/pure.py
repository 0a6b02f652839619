"""A pure Python source distribution becomes a wheel, and only if the wheel proves to be pure."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossdock.archive.record import quoted, record_row
from crossdock.build.hosted import build_wheel
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.archive.sdist import Sdist
    from crossdock.archive.wheel import Wheel
    from crossdock.build.backend import BuildTools

#: The binary distribution format: "Generator is the name and optionally the version of the software".
_GENERATOR = re.compile(rb"(?m)^(Generator:[ \t]*[^\s(]+)[^\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel made here: its file name and its bytes, the same for the same source whoever builds it."""

    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hex SHA-256 of the content."""
        return sha256(self.content).hexdigest()


class Locked(NamedTuple):
    """What a build must come out as: the lock's project, and where it lies in an archive or tree (PEP 751)."""

    name: str
    version: str | None = None
    subdirectory: str | None = None
    #: An archive of any source tree (`packages.archive`), not a source distribution with PKG-INFO.
    is_tree: bool = False


def build_pure_sdist(
    sdist: Sdist, tools: BuildTools, *, python: str, locked: Locked | None = None
) -> BuiltWheel:
    """Build an opened source distribution; raise `BuildError` if it is native or does not build.

    It must come out as `locked` says, by default as the source distribution's own name and version.

    It is refused before its code runs if its sources say that it compiles something, and after if the
    wheel holds a binary or is tagged for a platform: a host binary never goes on.
    """
    if sdist.native_sources:
        raise BuildError(
            f"`{sdist.filename}` is not pure Python: it must be cross-built",
            code="E-BUILD-NATIVE",
            places=list(sdist.native_sources[:5]),
            hint="lock a version that has a wheel for the target: `crossdock plan` names the newest",
        )
    with tempfile.TemporaryDirectory(prefix="crossdock-build-") as name:
        work = Path(name)
        locked = locked or Locked(sdist.name, str(sdist.version))
        source = work / f"{locked.name}-{locked.version or 'source'}"
        _extract(sdist, source)
        return _build(source, work, tools, python=python, what=sdist.filename, locked=locked)


def build_pure_directory(
    directory: Path, tools: BuildTools, *, python: str, locked: Locked | None = None
) -> BuiltWheel:
    """Build a source tree on this disk, from a copy, under the same rules."""
    from crossdock.build.tree import copy_tree, native_reasons, source_tree

    files = source_tree(directory)
    what = locked.name if locked is not None else directory.resolve().name
    # Of a project in a subdirectory what lies at the top says nothing.
    reasons = () if locked is not None and locked.subdirectory else native_reasons(files, directory)
    if reasons:
        raise BuildError(
            f"`{what}` is not pure Python: it must be cross-built",
            code="E-BUILD-NATIVE",
            places=list(reasons[:5]),
            hint="lock a version that has a wheel for the target: `crossdock plan` names the newest",
        )
    with tempfile.TemporaryDirectory(prefix="crossdock-build-") as name:
        work = Path(name)
        # Not the directory's own name: that is the host's, and a setup.py may ask for it.
        source = work / "source"
        copy_tree(files, source)
        return _build(source, work, tools, python=python, what=what, locked=locked, trusted=True)


def _extract(sdist: Sdist, source: Path) -> None:
    """Write the files of a source distribution; its names were proven safe by the reader."""
    for file, chunks in sdist.contents():
        path = source.joinpath(*str(file.path).split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            out.writelines(chunks)
        path.chmod(0o755 if file.executable else 0o644)


def _build(
    source: Path,
    work: Path,
    tools: BuildTools,
    *,
    python: str,
    what: str,
    locked: Locked | None,
    trusted: bool = False,
) -> BuiltWheel:
    from crossdock.archive.wheel import Wheel  # only when something is built
    from crossdock.safepath import PathRules

    path = build_wheel(_project_in(source, what, locked), work, tools, python=python, trusted=trusted)
    wheel = Wheel.open(path.read_bytes(), path.name, rules=PathRules.ANY)
    if locked is not None:
        _prove_same_project(wheel, what, locked)
    _prove_pure(wheel, what)
    return BuiltWheel(filename=path.name, content=_canonical(wheel))


def _project_in(source: Path, what: str, locked: Locked | None) -> Path:
    """Return where the project lies in an unpacked source; a subdirectory never leads out of it."""
    if locked is None or not locked.subdirectory:
        return source
    from crossdock.safepath import PathRules, parse_member_path

    place = source.joinpath(*parse_member_path(locked.subdirectory, PathRules.POSIX).split("/"))
    if not place.is_dir() or not place.resolve().is_relative_to(source.resolve()):
        raise BuildError(
            f"`{what}` has no directory `{locked.subdirectory}`, where the lock says `{locked.name}` lies",
            code="E-BUILD-NO-SOURCE",
            hint="lock again, or correct the subdirectory of the requirement",
        )
    return place


def _prove_same_project(wheel: Wheel, what: str, locked: Locked) -> None:
    """Refuse a wheel of another name or version than was asked for: it would be shipped under the lock's name."""
    from packaging.utils import canonicalize_name, canonicalize_version

    same = canonicalize_name(wheel.name) == canonicalize_name(locked.name)
    if locked.version is not None:
        same = same and canonicalize_version(wheel.version) == canonicalize_version(locked.version)
    if not same:
        raise BuildError(
            f"`{what}` builds a wheel of `{wheel.name} {wheel.version}`, which is not what it says it is",
            code="E-BUILD-OTHER-PROJECT",
        )


def _prove_pure(wheel: Wheel, what: str) -> None:
    from crossdock.inspect.binary import read_binary

    platforms = sorted({tag.platform for tag in wheel.tags} - {"any"})
    binaries = [
        str(file.member.name) for file in wheel.files if read_binary(wheel.read(file), str(file.path))
    ]
    if platforms or binaries or not wheel.root_is_purelib:
        raise BuildError(
            f"`{what}` was taken for pure Python, but its wheel is not: it must be cross-built",
            code="E-BUILD-NOT-PURE",
            places=[*(f"tagged for {name}" for name in platforms), *binaries[:5]],
            hint="lock a version that has a wheel for the target: `crossdock plan` names the newest",
        )


def _canonical(wheel: Wheel) -> bytes:
    """Return the wheel written anew: sorted, dated 1980, stored, so that no backend or zlib shows in it."""
    from crossdock.archive.zipwrite import ZipWriter

    out = io.BytesIO()
    with ZipWriter(out) as archive:
        for name, content, executable in sorted(_members(wheel)):
            archive.add(name, content, executable=executable, compress=False)
    return out.getvalue()


def _members(wheel: Wheel) -> Iterable[tuple[str, bytes, bool]]:
    # RECORD and its signatures speak of the wheel as the backend wrote it: only the first is written anew.
    record = f"{wheel.dist_info}/RECORD"
    old = {record, f"{record}.jws", f"{record}.p7s"}
    files = [(str(file.member.name), file) for file in wheel.files if str(file.member.name) not in old]
    rows = []
    for name, file in files:
        content = wheel.read(file)
        if name == f"{wheel.dist_info}/WHEEL":
            content = _without_release(content)
        rows.append(record_row(name, sha256(content).hexdigest(), len(content)))
        yield name, content, file.executable
    yield record, "".join([*sorted(rows), f"{quoted(record)},,\n"]).encode(), False


def _without_release(content: bytes) -> bytes:
    """Return WHEEL without the release of the backend: the same source would be another wheel after each of them."""
    return _GENERATOR.sub(rb"\1", content)
