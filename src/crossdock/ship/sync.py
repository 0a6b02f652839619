"""The exact change of a directory that is there: checked whole before the first write."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import ShipError
from crossdock.ship.kept import FIXED_MTIME
from crossdock.ship.planted import Descent
from crossdock.ship.receipt import Receipt
from crossdock.ship.tree import RECEIPT, LinkMode, PlacedFile, TreeChange, check_source, put

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of foreign files that an error lists.
_SHOWN = 10

#: The target that the receipt of a sync in progress names.
_UNFINISHED = "unfinished"


class Sync:
    """The change of a directory that is there: checked whole before the first write."""

    def __init__(
        self, root: Path, placed: Mapping[str, PlacedFile], receipt: PlacedFile, mode: LinkMode
    ) -> None:
        self.root = root
        self.placed = placed
        self.receipt = receipt
        self.mode = mode
        self.before = Receipt.read(root)

    def run(self) -> TreeChange:
        """Check everything, then remove and write; a run that is cut short leaves a receipt that owns both states."""
        with Descent(self.root) as descent:
            keep = self._check(descent)
            write = [path for path in self.placed if path not in keep]
            for path in write:
                check_source(self.placed[path])
            gone = sorted(self.before.files.keys() - self.placed.keys())
            edited = tuple(path for path in gone if not self._is_ours(descent, path))
            remove = [path for path in gone if path not in set(edited)]
            if write or gone or not self._receipt_is_there(descent):
                if self.before.target == _UNFINISHED:
                    descent.remove_temporary()
                self._store_receipt(descent, Receipt(target=_UNFINISHED, files=self._both()))
                for path in remove:
                    self._remove(descent, path)
                for path in write:
                    self._replace(descent, path)
                with descent.replacing(RECEIPT) as temporary:
                    put(temporary, self.receipt, LinkMode.COPY)
        return TreeChange(len(write), len(keep), len(remove), edited)

    def _both(self) -> dict[str, str]:
        """Return the files of both states; a path that changes has no hash, so the next run writes it anew."""
        both = {**{path: entry.sha256 for path, entry in self.placed.items()}, **self.before.files}
        for path, entry in self.placed.items():
            if both[path] != entry.sha256 or path not in self.before.files:
                both[path] = ""
        return both

    def _is_ours(self, descent: Descent, path: str) -> bool:
        """Tell whether a file that is to go is as some run wrote it: what the user edited is the user's."""
        found = descent.stat(path)
        if found is None or int(found.st_mtime) == FIXED_MTIME:
            return True
        return stat.S_ISREG(found.st_mode) and descent.digest(path) == self.before.files[path]

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
            elif ours[path] == entry.sha256 and descent.is_as_written(found, entry):
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
            put(temporary, entry, self.mode)
        if path.endswith(".py"):
            # All our files have one date: Python would take old bytecode for a new source of the same size.
            descent.remove_bytecode(path)

    def _receipt_is_there(self, descent: Descent) -> bool:
        found = descent.stat(RECEIPT)
        return (
            found is not None
            and descent.is_as_written(found, self.receipt)
            and (self.root / RECEIPT).read_bytes() == Path(self.receipt.source).read_bytes()
        )

    def _store_receipt(self, descent: Descent, receipt: Receipt) -> None:
        with descent.replacing(RECEIPT) as temporary:
            Path(temporary).write_bytes(receipt.to_bytes())
