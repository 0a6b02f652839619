"""What a wheelhouse has and another lacks, as one tar: to be carried to where no network reaches.

The tar holds the whole manifest first, then the locks, then the files that are new since the other's manifest, with
their METADATA. Pages are made on the other side: the same bytes, since the manifest decides them.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.archive.limits import Limits
from crossdock.archive.tarread import Kind, TarReader
from crossdock.archive.tarwrite import TarWriter
from crossdock.errors import ShipError
from crossdock.safepath import PathRules
from crossdock.ship.files import write_stream
from crossdock.ship.wheelhouse.directory import METADATA, Source, lock_file
from crossdock.ship.wheelhouse.lockfile import lock_problem
from crossdock.ship.wheelhouse.manifest import LIMIT, MANIFEST, manifest_bytes, parse_manifest
from crossdock.ship.wheelhouse.regular import open_regular, read_regular
from crossdock.ship.wheelhouse.sweep import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from crossdock.ship.wheelhouse.model import Distribution, Manifest, Needed

_CHUNK = 1 << 20
#: Wheelhouses of many locks are larger than any one archive: the disk is their limit, and the manifest says each size.
_LIMITS = Limits(members=4_000_000, name_bytes=1 << 30, total_size=1 << 50, member_size=1 << 44)
#: A lock of 5,000 packages with 40 wheels each is about 60 MB.
_LOCK_LIMIT = 128 << 20
#: A METADATA with a long README in it.
_METADATA_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A delta bundle unpacked beside a wheelhouse: its manifest, its locks by file name, and the files it brings."""

    manifest: Manifest
    locks: Mapping[str, bytes]
    sources: Mapping[str, Source]


def new_since(manifest: Manifest, since: Manifest) -> list[Distribution]:
    """Return the distributions that `since` has not, or has with other bytes, by path."""
    return [
        one
        for path, one in sorted(manifest.distributions.items())
        if path not in since.distributions or since.distributions[path].sha256 != one.sha256
    ]


def write_delta(root: Path, manifest: Manifest, since: Manifest, output: Path) -> list[str]:
    """Write what the wheelhouse at `root` has since a manifest as a tar, and return the paths in it.

    The same bytes wherever it is made. Raise `ShipError` (E-SHIP-WRITE, E-WHEELHOUSE-DAMAGED).
    """
    new = new_since(manifest, since)
    told, locks = _with_locks(root, manifest)

    def write(out: BinaryIO) -> None:
        with TarWriter(out) as tar:
            tar.add(MANIFEST, manifest_bytes(told))
            for name in sorted(locks):
                tar.add(name, locks[name])
            for one in new:
                tar.add_chunks(one.path, _verified(root, one), size=one.size)
                if one.metadata:
                    tar.add(f"{one.path}{METADATA}", _read(root, f"{one.path}{METADATA}"))

    write_stream(output, write)
    return [one.path for one in new]


def _with_locks(root: Path, manifest: Manifest) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest with the hash of each lock, which one of before may lack, and the locks by file name."""
    locks = {name: _read(root, lock_file(name)) for name in manifest.locks}
    needed = {}
    for name, lock in manifest.locks.items():
        found = sha256(locks[name]).hexdigest()
        if lock.sha256 not in {"", found}:
            raise _damaged(lock_file(name))
        needed[name] = replace(lock, sha256=found)
    return replace(manifest, locks=needed), {lock_file(name): locks[name] for name in locks}


def _read(root: Path, path: str) -> bytes:
    try:
        return read_regular(root / path, _LOCK_LIMIT)
    except OSError as error:
        raise _damaged(path) from error


def _verified(root: Path, one: Distribution) -> Iterator[bytes]:
    """Give a file in pieces; what is carried over a gap is hashed once more before it leaves."""
    hasher, size = sha256(), 0
    try:
        with open_regular(root / one.path) as file:
            while (chunk := file.read(_CHUNK)) and size + len(chunk) <= one.size:
                hasher.update(chunk)
                size += len(chunk)
                yield chunk
    except OSError as error:
        raise _damaged(one.path) from error
    if (hasher.hexdigest(), size) != (one.sha256, one.size):
        raise _damaged(one.path)


def _damaged(path: str) -> ShipError:
    return ShipError(
        f"`{path}` is missing in the wheelhouse or damaged",
        code="E-WHEELHOUSE-DAMAGED",
        hint="mirror the lock that needs it again",
    )


@contextmanager
def opened_delta(path: Path, root: Path) -> Iterator[Delta]:
    """Unpack a delta bundle beside the wheelhouse at `root`, every hash verified; it goes when the context ends.

    It is hostile input: nothing of it shows in the wheelhouse here. Raise `ShipError` (E-WHEELHOUSE-DELTA,
    E-WHEELHOUSE-MANIFEST) and `ArchiveError`.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=STAGING, dir=root))
        try:
            with open_regular(path) as file:
                yield _unpacked(path.name, file, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise ShipError(
            f"cannot read `{path}` or write beside `{root}`: {error.strerror or error}",
            code="E-WHEELHOUSE-READ",
        ) from error


def _unpacked(name: str, file: BinaryIO, place: Path) -> Delta:
    # Paths are the manifest's, which has been judged; the reader's own rules are those of a Linux disk.
    tar = TarReader(file, filename=name, limits=_LIMITS, rules=PathRules.POSIX, kinds=frozenset({Kind.FILE}))
    members = iter(tar)
    first = next(members, None)
    if first is None or first.name != MANIFEST or first.size > LIMIT:
        raise _refused(name, f"it does not begin with `{MANIFEST}`")
    manifest = parse_manifest(tar.read(), filename=f"{name}: {MANIFEST}")
    by_metadata = {f"{path}{METADATA}": one for path, one in manifest.distributions.items() if one.metadata}
    lock_files = {lock_file(one): needed for one, needed in manifest.locks.items()}
    locks: dict[str, bytes] = {}
    staged: dict[str, Path] = {}
    for member in members:
        path = str(member.name)
        if path in staged or path in locks:
            raise _refused(name, f"`{path}` is in it twice")
        # A number for a name: nothing of the archive decides where a byte goes.
        number = place / str(len(staged))
        if path in lock_files and member.size <= _LOCK_LIMIT:
            locks[path] = _checked_lock(name, path, tar.read(), lock_files[path], manifest)
        elif path in manifest.distributions:
            one = manifest.distributions[path]
            staged[path] = _stage(name, tar, path, number, (one.sha256, one.size))
        elif path in by_metadata and member.size <= _METADATA_LIMIT:
            staged[path] = _stage(name, tar, path, number, (by_metadata[path].metadata, member.size))
        else:
            raise _refused(name, f"it has `{path[:200]}`, which its manifest does not name")
    lacking = sorted(lock_files.keys() - locks.keys())
    if lacking:
        raise _refused(name, f"it lacks `{lacking[0]}`")
    sources = {path: _source(path, staged) for path in staged if path in manifest.distributions}
    return Delta(manifest=manifest, locks=locks, sources=sources)


def _checked_lock(name: str, path: str, content: bytes, needed: Needed, manifest: Manifest) -> bytes:
    """Return a lock that is what the manifest says; refuse one that is not, or that is none of this wheelhouse."""
    if not needed.sha256:
        raise _refused(name, f"its manifest names no sha256 of `{path}`")
    if sha256(content).hexdigest() != needed.sha256:
        raise _refused(name, f"`{path}` is damaged: its bytes are not those that the manifest names")
    why = lock_problem(content, manifest)
    if why:
        raise _refused(name, f"`{path}` in it {why}")
    return content


def _stage(name: str, tar: TarReader, path: str, staged: Path, expected: tuple[str, int]) -> Path:
    """Write a member to `staged` and return that; refuse one that is not what the manifest says."""
    hasher, size = sha256(), 0
    with staged.open("wb") as out:
        for chunk in tar.chunks():
            size += len(chunk)
            if size > expected[1]:
                break
            hasher.update(chunk)
            out.write(chunk)
    if (hasher.hexdigest(), size) != expected:
        raise _refused(name, f"`{path}` is damaged: its bytes are not those that the manifest names")
    return staged


def _source(path: str, staged: Mapping[str, Path]) -> Source:
    metadata = staged.get(f"{path}{METADATA}")
    return Source(blob=staged[path], metadata=None if metadata is None else metadata.read_bytes)


def refuse_lacking(delta: Delta, old: Manifest, name: str) -> None:
    """Raise `ShipError` (E-WHEELHOUSE-DELTA) if the delta counts on files that the wheelhouse `old` has not."""
    missing = [
        path
        for path, one in sorted(delta.manifest.distributions.items())
        if path not in delta.sources
        and (path not in old.distributions or old.distributions[path].sha256 != one.sha256)
    ]
    if missing:
        raise ShipError(
            f"`{name}` counts on {len(missing)} file{'' if len(missing) == 1 else 's'} that this wheelhouse has not",
            code="E-WHEELHOUSE-DELTA",
            places=missing[:20],
            hint="write it again with `--since` the manifest.json of this wheelhouse, or without `--since`",
        )


def _refused(name: str, why: str) -> ShipError:
    return ShipError(
        f"`{name}` is no delta bundle of a wheelhouse: {why}",
        code="E-WHEELHOUSE-DELTA",
        hint="`crossdock mirror … --delta FILE.tar` writes one; carry it over again",
    )
