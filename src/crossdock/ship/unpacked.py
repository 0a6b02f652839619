"""A wheel unpacked once into the store: its files by their hash, its facts and its binaries beside them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from crossdock.errors import StoreError
from crossdock.ship.installed import PayloadFile, WheelFacts, wheel_facts
from crossdock.ship.kept import FIXED_MTIME, content_name, has_mode
from crossdock.store.mapped import mapped
from crossdock.store.sealed import read_sealed, seal

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable
    from pathlib import Path

    from crossdock.archive.wheel import Wheel, WheelFile
    from crossdock.digest import Digest
    from crossdock.inspect.binary import Binary
    from crossdock.safepath import PathRules
    from crossdock.store import Store

#: Raised whenever what is written below changes its form; older trees are then left to `cache prune`.
_FORM = 1

_MANIFEST = "manifest.json"

#: Members above this many bytes are streamed to disk instead of being held in memory.
_STREAM_ABOVE = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedWheel:
    """A wheel in the store, unpacked and verified against its RECORD.

    `directory` holds each distinct content once, named by its SHA-256, with an `x` behind executables.
    `binaries` are the (path as the audit wants it, facts as JSON) of every binary.
    """

    filename: str
    directory: Path
    facts: WheelFacts
    tags: tuple[str, ...]
    binaries: tuple[tuple[str, dict[str, Any]], ...]
    dropped: tuple[str, ...] = ()
    #: What is wrong with RECORD, where that was allowed by name.
    problems: tuple[str, ...] = ()

    def read(self, file: PayloadFile) -> bytes:
        """Return the bytes of a payload file."""
        return (self.directory / content_name(file.sha256, executable=file.executable)).read_bytes()


def unpack_wheel(
    store: Store,
    digest: Digest,
    blob: Path,
    filename: str,
    *,
    rules: PathRules,
    allow_bad_record: bool = False,
) -> UnpackedWheel:
    """Return the wheel `blob` unpacked, doing it now if the store does not have it.

    RECORD is verified in the same pass. Raises `ArchiveError` for a broken or hostile wheel; then nothing of
    it stays in the store. `rules` are the path rules of the target that asks; a wheel that is good for one
    operating system may be refused for another.
    """
    key = _key(digest, filename, rules, allow_bad_record=allow_bad_record)
    made = False

    def make(directory: Path) -> None:
        nonlocal made
        made = True
        _write(mapped(blob), filename, directory, rules, allow_bad_record=allow_bad_record)

    directory = store.tree("wheel", key, make, prove=prove_by_hash)
    found = _load(directory, filename, trusted=made)
    if found is None:
        # An edit through a hard link, or bit rot that changed a size: once more, from the blob.
        store.drop_tree("wheel", key)
        found = _load(store.tree("wheel", key, make, prove=prove_by_hash), filename)
    if found is None:
        raise StoreError(
            f"`{directory}` changes while it is written",
            code="E-STORE-UNSTABLE",
            hint="is another program writing into the store? `crossdock cache verify` checks it",
        )
    return found


def find_unpacked(
    store: Store, digest: Digest, filename: str, *, rules: PathRules, allow_bad_record: bool = False
) -> UnpackedWheel | None:
    """Return the wheel as `unpack_wheel` left it, None if the store does not have it whole."""

    def absent(_directory: Path) -> None:
        raise LookupError

    try:
        key = _key(digest, filename, rules, allow_bad_record=allow_bad_record)
        return _load(store.tree("wheel", key, absent, prove=prove_by_hash), filename)
    except LookupError:
        return None


def _key(digest: Digest, filename: str, rules: PathRules, *, allow_bad_record: bool) -> str:
    from crossdock.inspect.collect import FACTS_VERSION

    # The file name is part of it: name, version and tags were checked against this one.
    return (
        f"{digest}-{filename}-{_FORM}.{FACTS_VERSION}-{rules.value}{'-badrecord' if allow_bad_record else ''}"
    )


def _write(
    buffer: mmap.mmap | bytes, filename: str, directory: Path, rules: PathRules, *, allow_bad_record: bool
) -> None:
    from crossdock.archive.wheel import Wheel  # neither is needed when the store has the wheel
    from crossdock.ship.read import WheelReader

    wheel = Wheel.open(buffer, filename, rules=rules, allow_bad_record=allow_bad_record)
    try:
        reader = WheelReader(wheel)
        written: set[str] = set()
        base = f"{directory}{os.sep}"
        for file in wheel.files:
            name = content_name(file.sha256, executable=file.executable)
            reader.found(file, _write_content(wheel, file, base + name, fresh=name not in written))
            written.add(name)
        read = reader.result()
        manifest = {
            "facts": wheel_facts(wheel).to_json(),
            "tags": read.tags,
            "binaries": read.binaries,
            "dropped": read.dropped,
            "problems": read.problems,
        }
    finally:
        wheel.close()
    (directory / _MANIFEST).write_bytes(seal(manifest))


def _write_content(wheel: Wheel, file: WheelFile, path: str, *, fresh: bool) -> Binary | None:
    """Verify one member and write it unless the same content is there; return its facts if it is a binary."""
    from crossdock.inspect.binary import examine

    if file.size > _STREAM_ABOVE:
        if fresh:
            _write_file(path, wheel.stream(file), executable=file.executable)
        else:
            for _chunk in wheel.stream(file):
                pass
        return examine(mapped(path), str(file.path))
    data = wheel.read(file)
    if fresh:
        _write_file(path, (data,), executable=file.executable)
    return examine(data, str(file.path))


def _write_file(path: str, chunks: Iterable[bytes], *, executable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o755 if executable else 0o644)
        if os.utime in os.supports_fd:
            os.utime(descriptor, (FIXED_MTIME, FIXED_MTIME))
    finally:
        os.close(descriptor)
    if os.utime not in os.supports_fd:
        os.utime(path, (FIXED_MTIME, FIXED_MTIME))


def _load(directory: Path, filename: str, *, trusted: bool = False) -> UnpackedWheel | None:
    """Read an unpacked wheel; None if a content is not as it was written, told by size and date.

    One that was written just now is `trusted`: looking at its files again would tell nothing.
    """
    try:
        manifest = _manifest(directory)
        facts = WheelFacts.from_json(manifest["facts"])
        if not trusted and not _looks_whole(directory, facts):
            return None
        return UnpackedWheel(
            filename=filename,
            directory=directory,
            facts=facts,
            tags=tuple(manifest["tags"]),
            binaries=tuple((path, binary) for path, binary in manifest["binaries"]),
            dropped=tuple(manifest["dropped"]),
            problems=tuple(manifest["problems"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest; `LookupError` if it is not as it was written."""
    manifest = read_sealed(directory / _MANIFEST)
    if not isinstance(manifest, dict):
        raise LookupError(_MANIFEST)  # noqa: TRY004  # it is not there, as far as anyone can tell
    return manifest


def _looks_whole(directory: Path, facts: WheelFacts) -> bool:
    sizes = {content_name(file.sha256, executable=file.executable): file.size for file in facts.files}
    seen = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            size = sizes.get(entry.name)
            if size is not None:
                found = entry.stat(follow_symlinks=False)
                if (
                    found.st_size != size
                    or int(found.st_mtime) != FIXED_MTIME
                    or not stat.S_ISREG(found.st_mode)
                    or not has_mode(found, executable=entry.name.endswith("x"))
                ):
                    return False
                seen += 1
    return seen == len(sizes)


def prove_by_hash(directory: Path) -> bool:
    """Tell whether every content has the hash that it is named by; reads every byte."""
    try:
        manifest = _manifest(directory)
        names = {content_name(row[2], executable=row[4]): row[2] for row in manifest["facts"]["files"]}
        for name, expected in names.items():
            with (directory / name).open("rb") as file:
                found = sha256()
                while chunk := file.read(1 << 20):
                    found.update(chunk)
            if found.hexdigest() != expected:
                return False
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return True
