"""Wheels in hand become a directory: written beside it and renamed, or synced exactly into one that is there."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from crossdock.errors import ShipError
from crossdock.ship.planted import Descent
from crossdock.ship.receipt import RECEIPT, Receipt
from crossdock.ship.unpacked import FIXED_MTIME, content_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.ship.installed import InstalledFile

T = TypeVar("T")

_SHOWN = 10
_DIRECTORY_MODE = 0o755

#: Linking and copying are system calls that release the interpreter: two at once fill a small machine.
_WRITERS = min(4, os.cpu_count() or 1)


class LinkMode(StrEnum):
    """How a file of the store comes into a tree."""

    AUTO = "auto"  # a hard link, or a copy where the file system cannot
    HARDLINK = "hardlink"
    COPY = "copy"


class PlacedFile(NamedTuple):
    """A file of the tree and where its bytes are: in the store, or made here."""

    file: InstalledFile
    source: str | None  # path in the store; None: `file.content`


class TreeChange(NamedTuple):
    """What writing a tree did, in files."""

    written: int
    kept: int
    removed: int


def place_files(directory: Path, files: Sequence[InstalledFile]) -> list[PlacedFile]:
    """Pair a wheel's installed files with their bytes in its unpacked directory."""
    base = f"{directory}{os.sep}"
    return [
        PlacedFile(
            file,
            None
            if file.content is not None
            else base + content_name(file.sha256, executable=file.executable),
        )
        for file in files
    ]


def write_tree(
    root: Path, placed: Mapping[str, PlacedFile], receipt: Receipt, *, mode: LinkMode = LinkMode.AUTO
) -> TreeChange:
    """Make `root` hold exactly `placed` (by path) and what is foreign to us, and say what changed.

    A directory that is not there, or empty, is written beside its place and renamed when whole. In one that
    is there, what the last run wrote and this one does not is removed, unchanged files are left alone, and
    files that we did not write are never touched: if one is in the way, `ShipError` names it and nothing
    has changed. Links planted in the directory are not followed.
    """
    try:
        if not os.path.lexists(root) or _is_empty_directory(root):
            return _write_new(root, placed, receipt, mode)
        return _Sync(root, placed, receipt, mode).run()
    except OSError as error:
        raise ShipError(
            f"cannot write `{error.filename or root}`: {error.strerror or error}",
            code="E-SHIP-WRITE",
            hint="free space or choose another directory; what was there before is still ours to finish: run again",
        ) from error


def _is_empty_directory(root: Path) -> bool:
    if root.is_symlink() or not root.is_dir():
        return False
    with os.scandir(root) as entries:
        return next(entries, None) is None


def _write_new(root: Path, placed: Mapping[str, PlacedFile], receipt: Receipt, mode: LinkMode) -> TreeChange:
    root.parent.mkdir(parents=True, exist_ok=True)
    work = root.parent / f".{root.name}.{os.getpid()}.crossdock"
    try:
        shutil.rmtree(work, ignore_errors=True)
        os.mkdir(work, 0o755)
        _fill(work, placed, mode)
        _write(f"{work}/{RECEIPT}", receipt.to_bytes(), executable=False)
        if root.is_dir():
            root.rmdir()
        work.rename(root)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return TreeChange(len(placed), 0, 0)


def _fill(work: Path, placed: Mapping[str, PlacedFile], mode: LinkMode) -> None:
    base = f"{work}{os.sep}"
    # A umask that takes bits away would show in the result: then every directory is set right by hand.
    exact = os.stat(work).st_mode & 0o777 == _DIRECTORY_MODE
    if not exact:
        os.chmod(work, _DIRECTORY_MODE)

    def put_all(part: list[tuple[str, PlacedFile]]) -> None:
        made: set[str] = set()
        for path, entry in part:
            _make_parents(base, path, made, exact=exact)
            _put(base + path, entry, mode)

    # Neighbours go to one thread: making directories costs more than linking files, and two threads that
    # make them in the same place wait for each other.
    items = sorted(placed.items())
    size = -(-len(items) // _WRITERS) or 1
    in_threads(put_all, [items[at : at + size] for at in range(0, len(items), size)])


def _make_parents(base: str, path: str, made: set[str], *, exact: bool) -> None:
    """Make the directories above `path` that this thread has not made; another one may have."""
    directory = path.rpartition("/")[0]
    if not directory or directory in made:
        return
    _make_parents(base, directory, made, exact=exact)
    with suppress(FileExistsError):
        os.mkdir(base + directory, _DIRECTORY_MODE)
        if not exact:
            os.chmod(base + directory, _DIRECTORY_MODE)
    made.add(directory)


def in_threads(work: Callable[[T], None], parts: Sequence[T]) -> None:
    """Call `work` with every part, each in a thread of its own; raise the first failure when all have ended.

    concurrent.futures does the same and takes longer to import than the work takes.
    """
    failures: list[BaseException] = []

    def run(part: T) -> None:
        try:
            work(part)
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(part,)) for part in parts[1:]]
    for thread in threads:
        thread.start()
    for part in parts[:1]:
        run(part)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _put(path: str, entry: PlacedFile, mode: LinkMode) -> None:
    """Write one file that is not there yet."""
    file, source = entry
    if source is None:
        _write(path, file.content or b"", executable=file.executable)
    elif mode is LinkMode.COPY or not file.shareable:
        _copy(source, path, executable=file.executable)
    elif mode is LinkMode.HARDLINK:
        os.link(source, path)
    else:
        try:
            os.link(source, path)
        except OSError:
            # Another file system, one without links, too many links, or a store of another user.
            _copy(source, path, executable=file.executable)


def _write(path: str, content: bytes, *, executable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    with open(descriptor, "wb") as file:
        file.write(content)
    _finish(path, executable=executable)


def _copy(source: str, path: str, *, executable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    with open(source, "rb") as reader, open(descriptor, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    _finish(path, executable=executable)


def _finish(path: str, *, executable: bool) -> None:
    os.chmod(path, 0o755 if executable else 0o644)
    os.utime(path, (FIXED_MTIME, FIXED_MTIME))


class _Sync:
    """The change of a directory that is there: checked whole before the first write."""

    def __init__(
        self, root: Path, placed: Mapping[str, PlacedFile], receipt: Receipt, mode: LinkMode
    ) -> None:
        self.root = root
        self.placed = placed
        self.receipt = receipt
        self.mode = mode
        self.before = Receipt.read(root)

    def run(self) -> TreeChange:
        """Check, then write, then remove; a run that is cut short leaves a receipt that owns both states."""
        with Descent(self.root) as descent:
            keep = self._check(descent)
            write = [path for path in self.placed if path not in keep]
            remove = sorted(self.before.files.keys() - self.placed.keys())
            if write or remove or self.before.to_bytes() != self.receipt.to_bytes():
                self._store_receipt(descent, self.before.merged(self.receipt))
                for path in remove:
                    self._remove(descent, path)
                for path in write:
                    self._replace(descent, path)
                self._store_receipt(descent, self.receipt)
        return TreeChange(len(write), len(keep), len(remove))

    def _check(self, descent: Descent) -> set[str]:
        """Return the paths that are as they should be; raise for a foreign file in the way of one."""
        keep: set[str] = set()
        foreign: list[str] = []
        ours = self.before.files
        for path, entry in self.placed.items():
            obstacle = descent.obstacle(path)
            if obstacle is not None:
                if obstacle not in ours:
                    foreign.append(obstacle)
                continue
            found = descent.stat(path)
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                # It goes with the last of our files in it, unless something foreign lies there too.
                foreign += descent.foreign_below(path, ours)
            elif path not in ours:
                foreign.append(path)
            elif ours[path] == entry.file.sha256 and descent.is_as_written(found, entry.file):
                keep.add(path)
        if foreign:
            names = sorted(set(foreign))
            raise ShipError(
                f"{len(names)} files in `{self.root}` are not crossdock's and are in the way",
                code="E-SHIP-FOREIGN",
                places=[
                    *names[:_SHOWN],
                    *([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []),
                ],
                hint="move them away, or choose another directory",
            )
        return keep

    def _remove(self, descent: Descent, path: str) -> None:
        descent.remove(path)
        if path.endswith(".py"):
            descent.remove_bytecode(path)
        descent.remove_empty_parents(path)

    def _replace(self, descent: Descent, path: str) -> None:
        entry = self.placed[path]
        with descent.replacing(path) as temporary:
            _put(temporary, entry, self.mode)
        if path.endswith(".py"):
            # All our files have one date: Python would take old bytecode for a new source of the same size.
            descent.remove_bytecode(path)

    def _store_receipt(self, descent: Descent, receipt: Receipt) -> None:
        with descent.replacing(RECEIPT) as temporary:
            _write(temporary, receipt.to_bytes(), executable=False)


def remove_stale_work(root: Path) -> None:
    """Remove what a run that was killed left beside `root`."""
    with suppress(OSError):
        for path in root.parent.glob(f".{root.name}.*.crossdock"):
            pid = path.name.rsplit(".", 2)[-2]
            if pid.isdigit() and not _is_running(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
