"""A wheelhouse on disk: brought from one state to another so that a client never sees half of it.

Files are there before a page names them, and pages forget a file before it goes. Each is replaced whole. The manifest
is written last: what a run that was killed left behind is found and finished by the next. The marker is written first:
without it, and without a manifest, a directory that holds anything is somebody else's.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.errors import ShipError
from crossdock.ship.files import write_file, write_stream
from crossdock.ship.wheelhouse.manifest import LIMIT, MANIFEST, manifest_bytes, parse_manifest
from crossdock.ship.wheelhouse.model import Manifest
from crossdock.ship.wheelhouse.pages import HTML, JSON, project_html, project_json, root_html, root_json
from crossdock.ship.wheelhouse.regular import read_regular
from crossdock.ship.wheelhouse.sweep import MARKER, METADATA, SIMPLE, is_staging, is_temporary_of, unknown
from crossdock.store.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from crossdock.ship.wheelhouse.model import Distribution

__all__ = [
    "MARKER",
    "METADATA",
    "Changed",
    "Source",
    "by_project",
    "lock_file",
    "read_wheelhouse",
    "turn",
    "update",
]

#: The marker's one line, for whoever wonders what this directory is.
_MARKED = b"A wheelhouse: `crossdock mirror` writes and removes the files of packages below this directory.\n"
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
            return parse_manifest(read_regular(path, LIMIT), filename=str(path))
        if root.is_dir() and not _is_marked(root) and not _is_empty(root):
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


def _is_marked(root: Path) -> bool:
    path = root / MARKER
    return path.is_file() and not path.is_symlink()


def _is_empty(root: Path) -> bool:
    """Tell whether a directory holds nothing, besides what our runs may leave there before they write the marker."""
    return all(
        path.name == _TURN
        or (is_temporary_of(path.name, MARKER) and path.is_file())
        or (is_staging(path.name) and path.is_dir())
        for path in root.iterdir()
    )


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
    file name. With `sweep` files of our forms that the manifest does not name go, too. Raise `ShipError` (E-SHIP-WRITE,
    E-WHEELHOUSE-DAMAGED): then the old state is whole.
    """
    changed = Changed(files=[], removed=[])
    try:
        # All of them before the first write: whatever is wrong with one shows now.
        pages = _pages(new)
        if not _is_marked(root):
            write_file(root / MARKER, _MARKED)
        for path, one in sorted(new.distributions.items()):
            _put(root, one, old.distributions.get(path), sources.get(path), changed)
        for name, content in pages.items():
            changed.pages += _replace(root / name, content)
        for name, content in sorted(locks.items()):
            changed.pages += _replace(root / name, content)
        gone = [lock_file(name) for name in old.locks if name not in new.locks]
        changed.pages += _replace(root / MANIFEST, manifest_bytes(new))
        _remove(root, (root / name for name in gone), changed)
        _remove(root, _dropped(root, old, new), changed)
        if sweep:
            _remove(root, unknown(root, _named(new, pages)), changed)
    except OSError as error:
        where = error.filename or root
        raise ShipError(
            f"cannot look at or write `{where}`: {error.strerror or error}", code="E-SHIP-WRITE"
        ) from error
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


def _pages(new: Manifest) -> dict[str, bytes]:
    """Return the pages by their paths, in the order in which they are written: a project's before the root names it."""
    pages: dict[str, bytes] = {}
    projects = by_project(new)
    for name, files in sorted(projects.items()):
        pages[f"{SIMPLE}/{name}/{HTML}"] = project_html(name, files)
        pages[f"{SIMPLE}/{name}/{JSON}"] = project_json(name, files)
    pages[f"{SIMPLE}/{HTML}"] = root_html(projects)
    pages[f"{SIMPLE}/{JSON}"] = root_json(projects)
    return pages


def _replace(path: Path, content: bytes) -> bool:
    """Write a small file unless it is there already; tell whether it was written."""
    try:
        if path.stat().st_size == len(content) and read_regular(path, len(content)) == content:
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


def _named(new: Manifest, pages: Iterable[str]) -> set[str]:
    """Return the paths of all that a manifest stands for."""
    metadata = {f"{path}{METADATA}" for path, one in new.distributions.items() if one.metadata}
    return {*new.distributions, *metadata, *pages}


def _remove(root: Path, paths: Iterable[Path], changed: Changed) -> None:
    inside = _Inside(root)
    for path in list(paths):
        if not inside(path):
            continue
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


class _Inside:
    """Tells whether a path lies in the wheelhouse: a directory in it may be a link to one that is not ours."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._known: dict[Path, bool] = {}

    def __call__(self, path: Path) -> bool:
        place = path.parent
        if place not in self._known:
            self._known[place] = place.resolve().is_relative_to(self._root)
        return self._known[place]
