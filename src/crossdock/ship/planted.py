"""Work inside a directory that others can write to: nothing planted there is followed out of it."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from crossdock.errors import ShipError
from crossdock.ship.kept import FIXED_MTIME

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path
    from types import TracebackType

    from crossdock.ship.tree import PlacedFile


#: How the name of a file begins that becomes another one in one step.
_TEMPORARY = ".crossdock-"


class Descent:
    """Paths below a root, every parent directory proven to be a directory and not a link.

    What has been looked at is remembered: `run` of a sync asks for thousands of files in few directories.
    """

    def __init__(self, root: Path) -> None:
        if root.is_symlink() or not root.is_dir():
            raise ShipError(
                f"`{root}` is there and is not a directory",
                code="E-SHIP-NOT-A-DIRECTORY",
                hint="move it away, or choose another place",
            )
        self._root = str(root)
        self._directories: set[str] = {""}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directories.clear()

    def _path(self, path: str) -> str:
        return os.path.join(self._root, *path.split("/")) if path else self._root

    def _lstat(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self._path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def obstacle(self, path: str) -> str | None:
        """Return the parent of `path` that is something else than a directory, or None."""
        parents = path.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            directory = "/".join(parents[:depth])
            if directory in self._directories:
                continue
            found = self._lstat(directory)
            if found is None:
                return None
            if not stat.S_ISDIR(found.st_mode):
                return directory
            self._directories.add(directory)
        return None

    def stat(self, path: str) -> os.stat_result | None:
        """Return what lies at `path` itself, or None; a link is a link."""
        return None if self.obstacle(path) is not None else self._lstat(path)

    def foreign_below(self, path: str, ours: Container[str]) -> list[str]:
        """Return what lies in the directory `path` and is not in `ours`; the directory itself if it is empty."""
        found = [path]
        for directory, _directories, files in os.walk(self._path(path)):
            below = os.path.relpath(directory, self._root).replace(os.sep, "/")
            found += [f"{below}/{name}" for name in files]
        inside = [name for name in found[1:] if name not in ours and "/__pycache__/" not in name]
        return inside if len(found) > 1 else found

    @staticmethod
    def is_as_written(found: os.stat_result, file: PlacedFile) -> bool:
        """Tell by kind, size, date and mode whether a file is as we wrote it."""
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size == file.size
            and int(found.st_mtime) == FIXED_MTIME
            and (os.name == "nt" or stat.S_IMODE(found.st_mode) == (0o755 if file.executable else 0o644))
        )

    @contextmanager
    def replacing(self, path: str) -> Iterator[str]:
        """Give a path to write to, which becomes `path` in one step when the block ends well."""
        self._make_parents(path)
        final = self._path(path)
        temporary = os.path.join(os.path.dirname(final), f"{_TEMPORARY}{os.getpid()}.tmp")
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            yield temporary
            self._clear(path)
            os.replace(temporary, final)
            # POSIX: renaming one of two links to the same file does nothing and leaves both.
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _clear(self, path: str) -> None:
        """Make way: an empty directory where a file shall be."""
        found = self._lstat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            os.rmdir(self._path(path))

    def _make_parents(self, path: str) -> None:
        parents = path.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            directory = "/".join(parents[:depth])
            if directory in self._directories:
                continue
            found = self._lstat(directory)
            if found is not None and not stat.S_ISDIR(found.st_mode):
                raise ShipError(
                    f"`{directory}` in `{self._root}` is not a directory and is in the way",
                    code="E-SHIP-FOREIGN",
                    hint="move it away, or choose another directory",
                )
            if found is None:
                os.mkdir(self._path(directory), 0o755)
                os.chmod(self._path(directory), 0o755)
            self._directories.add(directory)

    def remove(self, path: str) -> None:
        """Remove the file at `path` if it is there; never through a link, never a directory."""
        found = self.stat(path)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            os.unlink(self._path(path))

    def digest(self, path: str) -> str:
        """Return the hex SHA-256 of the file at `path`."""
        from hashlib import file_digest

        with open(self._path(path), "rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def remove_temporary(self) -> None:
        """Remove what a run that was killed was about to put in place."""
        for directory, _directories, files in os.walk(self._root):
            for name in files:
                if name.startswith(_TEMPORARY) and name.endswith(".tmp"):
                    with suppress(OSError):
                        os.unlink(os.path.join(directory, name))

    def remove_bytecode(self, path: str) -> None:
        """Remove what Python cached of the source `path`, and the cache's directory if that was all."""
        parent, _slash, name = path.rpartition("/")
        cache = f"{parent}/__pycache__" if parent else "__pycache__"
        found = self.stat(f"{cache}/x")
        if found is None and self._lstat(cache) is None:
            return
        if self.obstacle(f"{cache}/x") is not None:
            return
        stem = name.removesuffix(".py")
        with suppress(FileNotFoundError), os.scandir(self._path(cache)) as entries:
            for entry in entries:
                if entry.name.startswith(f"{stem}.") and entry.name.endswith((".pyc", ".pyo")):
                    os.unlink(entry.path)
        self._rmdir(cache)

    def remove_empty_parents(self, path: str) -> None:
        """Remove the directories above `path` that are empty now."""
        parent = path.rpartition("/")[0]
        while parent and self._rmdir(parent):
            parent = parent.rpartition("/")[0]

    def _rmdir(self, path: str) -> bool:
        if self.obstacle(f"{path}/x") is not None:
            return False
        try:
            os.rmdir(self._path(path))
        except OSError:
            return False
        self._directories.discard(path)
        return True
