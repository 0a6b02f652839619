"""The exact change of a directory that is there: checked whole before the first write."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import ShipError
from crossdock.ship.planted import Descent
from crossdock.ship.receipt import Receipt
from crossdock.ship.tree import RECEIPT, LinkMode, PlacedFile, TreeChange, put

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of foreign files that an error lists.
_SHOWN = 10


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
        """Check, then write, then remove; a run that is cut short leaves a receipt that owns both states."""
        with Descent(self.root) as descent:
            keep = self._check(descent)
            write = [path for path in self.placed if path not in keep]
            remove = sorted(self.before.files.keys() - self.placed.keys())
            if write or remove or not self._receipt_is_there(descent):
                both = {**{path: entry.sha256 for path, entry in self.placed.items()}, **self.before.files}
                self._store_receipt(descent, Receipt(files=both))
                for path in remove:
                    self._remove(descent, path)
                for path in write:
                    self._replace(descent, path)
                with descent.replacing(RECEIPT) as temporary:
                    put(temporary, self.receipt, LinkMode.COPY)
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
