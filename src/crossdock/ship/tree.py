"""Wheels in hand become a directory: written beside it and renamed, or synced exactly into one that is there."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from crossdock.errors import ShipError
from crossdock.ship.kept import FIXED_MTIME, has_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

#: The receipt's name in the root of a tree.
RECEIPT = ".crossdock.json"

_DIRECTORY_MODE = 0o755

#: Linking and copying are system calls that release the interpreter: two at once fill a small machine.
_WRITERS = min(4, os.cpu_count() or 1)


class LinkMode(StrEnum):
    """How a file of the store comes into a tree."""

    AUTO = "auto"  # a hard link, or a copy where the file system cannot
    HARDLINK = "hardlink"
    COPY = "copy"


class PlacedFile(NamedTuple):
    """A file of the tree: its hash, and the file of the store that has its bytes."""

    sha256: str
    size: int
    executable: bool
    source: str
    shareable: bool  # may be a link into the store: nobody edits it in place


class DamagedSourceError(Exception):
    """A file of the store is gone or not as it was written; nothing was put in place."""


class TreeChange(NamedTuple):
    """What writing a tree did, in files."""

    written: int
    kept: int
    removed: int
    #: Files of an earlier run that are no longer wanted and were edited since: they are the user's now.
    edited: tuple[str, ...] = ()


def write_tree(
    root: Path, placed: Mapping[str, PlacedFile], receipt: PlacedFile, *, mode: LinkMode = LinkMode.AUTO
) -> TreeChange:
    """Make `root` hold exactly `placed` (by path), `receipt` and what is foreign to us; say what changed.

    A directory that is not there is written beside its place and renamed when whole. In one that is there,
    what the last run wrote and this one does not is removed unless it was edited, unchanged files are left
    alone, and files that we did not write are never touched: if one is in the way, `ShipError` names it and
    nothing has changed. Links planted in the directory are not followed; `root` itself may be one. Raises
    `DamagedSourceError`, before anything has changed, for a file of the store that is not as it was written.
    """
    try:
        if not os.path.lexists(root):
            return _write_new(root, placed, receipt, mode)
        from crossdock.ship.sync import Sync  # most trees are new

        return Sync(root.resolve(), placed, receipt, mode).run()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise ShipError(
            f"cannot write `{error.filename2 or error.filename or root}`: {error.strerror or error}",
            code="E-SHIP-WRITE",
            hint="free space and run again: it goes on where it stopped"
            if full
            else "choose another directory, or another --link-mode; what was written is finished by the next run",
        ) from error


def _write_new(
    root: Path, placed: Mapping[str, PlacedFile], receipt: PlacedFile, mode: LinkMode
) -> TreeChange:
    root.parent.mkdir(parents=True, exist_ok=True)
    work = root.parent / f".{root.name}.{os.getpid()}-{_processes()}-{os.urandom(4).hex()}.crossdock"
    try:
        os.mkdir(work, _DIRECTORY_MODE)
        _fill(work, placed, mode)
        put(f"{work}/{RECEIPT}", receipt, LinkMode.COPY)
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
            put(base + path, entry, mode)

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


def put(path: str, entry: PlacedFile, mode: LinkMode) -> None:
    """Write one file that is not there yet, as a link or a copy, and check that it is what the store promised."""
    _sha256, size, executable, source, shareable = entry
    if mode is LinkMode.COPY or not shareable:
        _copy(source, path, size, executable=executable)
        return
    try:
        os.link(source, path)
    except FileNotFoundError as error:
        raise DamagedSourceError(source) from error
    except OSError:
        if mode is LinkMode.HARDLINK:
            raise
        # Another file system, one without links, too many links, or a store of another user.
        _copy(source, path, size, executable=executable)
        return
    _check(os.stat(path), source, size, executable=executable)


def check_source(entry: PlacedFile) -> None:
    """Raise `DamagedSourceError` unless the file of the store is there and as it was written."""
    try:
        found = os.stat(entry.source)
    except FileNotFoundError as error:
        raise DamagedSourceError(entry.source) from error
    _check(found, entry.source, entry.size, executable=entry.executable)


def _check(found: os.stat_result, source: str, size: int, *, executable: bool) -> None:
    # An edit through another link changes the date, a cut changes the size: docs/adr/0003. A mode that was
    # changed there would be shipped too.
    if (
        found.st_size != size
        or int(found.st_mtime) != FIXED_MTIME
        or not has_mode(found, executable=executable)
    ):
        raise DamagedSourceError(source)


def _copy(source: str, path: str, size: int, *, executable: bool) -> None:
    try:
        reader = open(source, "rb")  # noqa: SIM115  # closed below; the error is the store's, not the tree's
    except FileNotFoundError as error:
        raise DamagedSourceError(source) from error
    with reader:
        _check(os.stat(reader.fileno()), source, size, executable=executable)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        with open(descriptor, "wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
    os.chmod(path, 0o755 if executable else 0o644)
    os.utime(path, (FIXED_MTIME, FIXED_MTIME))


def remove_stale_work(root: Path) -> None:
    """Remove what a run on this machine that was killed left beside `root`."""
    if os.name == "nt":
        return  # There is no way to ask for a process there that does not also disturb it.
    with suppress(OSError), os.scandir(root.parent) as entries:
        for entry in entries:
            if entry.name.startswith(f".{root.name}.") and entry.name.endswith(".crossdock"):
                pid, _dash, rest = entry.name[len(root.name) + 2 :].partition("-")
                ours = rest.startswith(f"{_processes()}-")
                if pid.isdigit() and ours and not _is_running(int(pid)):
                    shutil.rmtree(entry.path, ignore_errors=True)


def _processes() -> str:
    """Return which numbering of processes ours is in: a container has one of its own."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "0"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
