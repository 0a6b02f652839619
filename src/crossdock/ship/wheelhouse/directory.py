"""A wheelhouse on disk: brought from one state to another so that a client never sees half of it.

Files are there before a page names them, and pages forget a file before it goes. Each is replaced whole. The manifest
is written last: what a run that was killed left behind is found and finished by the next.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import ShipError
from crossdock.ship.files import write_file, write_stream
from crossdock.ship.wheelhouse.manifest import MANIFEST, manifest_bytes, parse_manifest
from crossdock.ship.wheelhouse.model import Manifest
from crossdock.ship.wheelhouse.pages import HTML, JSON, project_html, project_json, root_html, root_json
from crossdock.store.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from crossdock.ship.wheelhouse.model import Distribution

SIMPLE, FILES = "simple", "files"
#: What the name of a METADATA beside its wheel ends in (PEP 658).
METADATA = ".metadata"
#: Begins the name of a directory in which a delta is unpacked.
STAGING = ".crossdock-import-"
_TURN = ".crossdock.lock"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a distribution's bytes lie, and its METADATA or PKG-INFO where that is known."""

    blob: Path
    metadata: Callable[[], bytes] | None = None


@dataclass(slots=True, kw_only=True)
class Changed:
    """What an update wrote and removed: paths below the wheelhouse, and bytes of the distributions written."""

    files: list[str]
    pages: int = 0
    removed: list[str]
    size: int = 0

    @property
    def nothing(self) -> bool:
        """Whether everything was there already."""
        return not (self.files or self.pages or self.removed)


def lock_file(name: str) -> str:
    """Return what a lock's file is called in the wheelhouse (PEP 751, file name)."""
    return f"pylock.{name}.toml" if name else "pylock.toml"


def read_wheelhouse(root: Path) -> Manifest:
    """Return what is in the wheelhouse at `root`, an empty one where nothing is.

    Raise `ShipError`: E-WHEELHOUSE-FOREIGN for a directory with other things in it, E-WHEELHOUSE-MANIFEST.
    """
    path = root / MANIFEST
    try:
        if path.is_file():
            return parse_manifest(path.read_bytes(), filename=str(path))
        if root.is_dir() and not _is_begun(root):
            raise ShipError(
                f"`{root}` is no wheelhouse and not empty",
                code="E-WHEELHOUSE-FOREIGN",
                hint="give an empty directory, or one that `crossdock mirror` made",
            )
    except OSError as error:
        raise ShipError(
            f"cannot read `{path}`: {error.strerror or error}", code="E-WHEELHOUSE-READ"
        ) from error
    return Manifest()


def _is_begun(root: Path) -> bool:
    """Tell whether a directory is empty, or holds what a first run that was killed had written."""
    names = [path.name for path in root.iterdir()]
    return all(name in {SIMPLE, FILES, _TURN} or _is_temporary(name) for name in names)


@contextmanager
def turn(root: Path) -> Iterator[None]:
    """Let one process at a time change the wheelhouse; others wait. Raise `ShipError` where `root` cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = Lock(root / _TURN)
        taken.__enter__()
    except OSError as error:
        raise ShipError(f"cannot write `{root}`: {error.strerror or error}", code="E-SHIP-WRITE") from error
    try:
        yield
    finally:
        taken.__exit__(None, None, None)


def update(
    root: Path,
    old: Manifest,
    new: Manifest,
    sources: Mapping[str, Source],
    locks: Mapping[str, bytes],
    *,
    sweep: bool = False,
) -> Changed:
    """Bring `root` from `old` to `new`; the caller holds its `turn`.

    `sources` gives the distributions that may have to be written, by path; `locks` the lock files that are new, by
    file name. With `sweep` files that the manifest does not name go, too. Raise `ShipError` (E-SHIP-WRITE,
    E-WHEELHOUSE-DAMAGED): then the old state is whole.
    """
    changed = Changed(files=[], removed=[])
    for path, one in sorted(new.distributions.items()):
        _put(root, one, old.distributions.get(path), sources.get(path), changed)
    _write_pages(root, new, changed)
    for name, content in sorted(locks.items()):
        changed.pages += _replace(root / name, content)
    gone = [lock_file(name) for name in old.locks if name not in new.locks]
    changed.pages += _replace(root / MANIFEST, manifest_bytes(new))
    _remove(root, (root / name for name in gone), changed)
    _remove(root, _dropped(root, old, new), changed)
    if sweep:
        _remove(root, _unknown(root, new), changed)
    return changed


def _put(
    root: Path, one: Distribution, before: Distribution | None, source: Source | None, changed: Changed
) -> None:
    path = root / one.path
    known = before is not None and before.sha256 == one.sha256
    if not (known and _has_size(path, one.size)) and not _is(path, one.sha256, one.size):
        if source is None:
            raise ShipError(
                f"`{one.path}` is missing in the wheelhouse or damaged, and no source of it is at hand",
                code="E-WHEELHOUSE-DAMAGED",
                hint="mirror the lock that needs it again, or `--forget` that lock with `--prune`",
            )
        write_stream(path, lambda out: _copy(one, source, out))
        changed.files.append(one.path)
        changed.size += one.size
    beside = path.with_name(path.name + METADATA)
    if one.metadata and not (known and beside.is_file()):
        content = source.metadata() if source is not None and source.metadata is not None else None
        if content is not None and sha256(content).hexdigest() == one.metadata:
            changed.pages += _replace(beside, content)
        elif not _is(beside, one.metadata, None):
            raise ShipError(
                f"`{one.path}{METADATA}` is missing in the wheelhouse or damaged",
                code="E-WHEELHOUSE-DAMAGED",
            )


def _copy(one: Distribution, source: Source, out: BinaryIO) -> None:
    """Copy and hash: what reaches the wheelhouse is what the manifest says."""
    hasher, size = sha256(), 0
    with source.blob.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
            out.write(chunk)
    if (hasher.hexdigest(), size) != (one.sha256, one.size):
        raise ShipError(
            f"the bytes of `{one.filename}` are not those that its hash names",
            code="E-WHEELHOUSE-DAMAGED",
            hint="run `crossdock cache verify --heal`, then this again",
        )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size and path.is_file()
    except OSError:
        return False


def _is(path: Path, digest: str, size: int | None) -> bool:
    """Tell whether a file is there with these bytes."""
    if not path.is_file() or (size is not None and path.stat().st_size != size):
        return False
    hasher = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest() == digest


def by_project(manifest: Manifest) -> dict[str, list[Distribution]]:
    """Return the distributions of each project."""
    found: dict[str, list[Distribution]] = {}
    for one in manifest.distributions.values():
        found.setdefault(one.name, []).append(one)
    return found


def _write_pages(root: Path, new: Manifest, changed: Changed) -> None:
    projects = by_project(new)
    for name, files in sorted(projects.items()):
        place = root / SIMPLE / name
        changed.pages += _replace(place / HTML, project_html(name, files))
        changed.pages += _replace(place / JSON, project_json(name, files))
    changed.pages += _replace(root / SIMPLE / HTML, root_html(projects))
    changed.pages += _replace(root / SIMPLE / JSON, root_json(projects))


def _replace(path: Path, content: bytes) -> bool:
    """Write a small file unless it is there already; tell whether it was written."""
    try:
        if path.read_bytes() == content:
            return False
    except OSError:
        pass
    write_file(path, content)
    return True


def _dropped(root: Path, old: Manifest, new: Manifest) -> Iterator[Path]:
    """Give what the old manifest names and the new one does not: pages of projects first, then files."""
    for name in sorted(by_project(old).keys() - by_project(new).keys()):
        yield from (root / SIMPLE / name / page for page in (HTML, JSON))
    for path, one in sorted(old.distributions.items()):
        kept = new.distributions.get(path)
        if kept is None:
            yield root / path
        if one.metadata and (kept is None or not kept.metadata):
            yield root / f"{path}{METADATA}"


def _unknown(root: Path, new: Manifest) -> Iterator[Path]:
    """Give files below the wheelhouse that a run which was killed left behind, or that nothing names any more."""
    names = by_project(new)
    pages = {f"{SIMPLE}/{name}/{page}" for name in names for page in (HTML, JSON)}
    metadata = {f"{path}{METADATA}" for path, one in new.distributions.items() if one.metadata}
    known = {*new.distributions, *metadata, *pages, f"{SIMPLE}/{HTML}", f"{SIMPLE}/{JSON}"}
    for folder in (SIMPLE, FILES):
        for place, _folders, files in os.walk(root / folder):
            for name in sorted(files):
                path = Path(place) / name
                if path.relative_to(root).as_posix() not in known:
                    yield path
    for path in root.iterdir():
        if path.is_dir() and path.name.startswith(STAGING):
            yield from (one for one in path.iterdir() if one.is_file())
        elif path.is_file() and _is_temporary(path.name):
            yield path


def _is_temporary(name: str) -> bool:
    return name.startswith(STAGING) or (name.startswith(".") and name.endswith(".crossdock"))


def _remove(root: Path, paths: Iterable[Path], changed: Changed) -> None:
    for path in list(paths):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ShipError(
                f"cannot remove `{path}`: {error.strerror or error}", code="E-SHIP-WRITE"
            ) from error
        changed.removed.append(path.relative_to(root).as_posix())
        with suppress(OSError):
            path.parent.rmdir()  # only if it is empty
