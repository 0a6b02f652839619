"""A shipment laid out once and kept in the store: what to link where, and the few files that were made for it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.errors import StoreError
from crossdock.ship.kept import FIXED_MTIME, content_name
from crossdock.ship.tree import PlacedFile
from crossdock.store.blobs import note_use
from crossdock.store.sealed import read_sealed, seal
from crossdock.store.trees import tree_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.ship.assemble import Shipment
    from crossdock.store import Store

#: Raised whenever what is written below changes its form.
_FORM = 1

#: Other processes may drop a shipment while it is read: it is laid out again, but not for ever.
_ATTEMPTS = 8

_INDEX = "shipment.json"
_RECEIPT = "receipt"

#: Made files that are links like any other: nobody edits them in place. Scripts are copies.
_SHAREABLE = ("RECORD", "INSTALLER", "direct_url.json")


class Prepared(NamedTuple):
    """Everything that writing a tree needs, and `facts`, which the command tells (JSON values)."""

    files: dict[str, PlacedFile]
    receipt: PlacedFile
    facts: dict[str, Any]


def find_prepared(store: Store, key: str) -> Prepared | None:
    """Return what `prepare` kept under `key`, None if there is nothing."""

    def absent(_directory: Path) -> None:
        raise LookupError

    try:
        directory = store.tree("shipment", _key(key), absent, prove=_no_proof)
        for base in _index(directory)["bases"]:
            # The wheels that it links from are in use as well, or `cache prune` would take them for forgotten.
            note_use(tree_stamp(store.root / base))
        return _load(directory, store.root)
    except (LookupError, ValueError, OSError):
        return None


def prepare(store: Store, key: str, shipment: Shipment, facts: dict[str, Any]) -> Prepared:
    """Keep `shipment` and `facts` in the store under `key` and return it ready to be written.

    What another process laid out the same way meanwhile is taken: it may be linking from it.
    """
    wanted = json.loads(json.dumps(facts))
    for _attempt in range(_ATTEMPTS):
        directory = store.tree(
            "shipment", _key(key), lambda work: _write(work, store.root, shipment, facts), prove=_no_proof
        )
        try:
            found = _load(directory, store.root)
        except (LookupError, ValueError, OSError):
            found = None
        if found is not None and found.facts == wanted:
            return found
        store.drop_tree("shipment", _key(key))
    raise StoreError(
        f"`{store.root}` changes while it is written",
        code="E-STORE-UNSTABLE",
        hint="is another program writing into the store? `crossdock cache verify` checks it",
    )


def forget(store: Store, key: str) -> None:
    """Drop what was kept: a file that it names was found damaged."""
    store.drop_tree("shipment", _key(key))


def _key(key: str) -> str:
    return f"{_FORM} {key}"


def is_whole(directory: Path) -> bool:
    """Tell whether a laid-out shipment can be read and every content made for it has its hash."""
    from hashlib import sha256

    try:
        index = _index(directory)
        names = {path.name for path in directory.iterdir()} - {_INDEX, _RECEIPT}
        made = all(
            sha256((directory / name).read_bytes()).hexdigest() == name.removesuffix("x") for name in names
        )
        return made and (directory / _RECEIPT).stat().st_size == index["receipt"]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _no_proof(_directory: Path) -> bool:
    # After a restart it is laid out anew: that costs less than proving it.
    return False


def _write(work: Path, root: Path, shipment: Shipment, facts: dict[str, Any]) -> None:
    bases: dict[str, int] = {".": 0}
    columns: dict[str, list[str]] = {
        name: [] for name in ("path", "sha256", "size", "base", "mode", "shareable")
    }
    for path, (file, directory) in shipment.files.items():
        base, shareable = os.path.relpath(directory, root), file.shareable
        if file.content is not None:
            base, shareable = ".", path.rpartition("/")[2] in _SHAREABLE
            _write_content(
                work / content_name(file.sha256, executable=file.executable), file.content, file.executable
            )
        columns["path"].append(path)
        columns["sha256"].append(file.sha256)
        columns["size"].append(str(file.size))
        columns["base"].append(str(bases.setdefault(base, len(bases))))
        columns["mode"].append("x" if file.executable else "")
        columns["shareable"].append("1" if shareable else "")
    receipt = shipment.receipt.to_bytes()
    _write_content(work / _RECEIPT, receipt, executable=False)
    # A path holds no line break (safepath.py), so a column is one string: it is split in no time.
    index = {
        "bases": list(bases),
        "columns": {name: "\n".join(values) for name, values in columns.items()},
        "receipt": len(receipt),
        "facts": facts,
    }
    (work / _INDEX).write_bytes(seal(index))


def _write_content(path: Path, content: bytes, executable: bool) -> None:
    if not path.exists():
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (FIXED_MTIME, FIXED_MTIME))


def _index(directory: Path) -> dict[str, Any]:
    """Read the index; `LookupError` if it is not as it was written."""
    index = read_sealed(directory / _INDEX)
    if not isinstance(index, dict):
        raise LookupError(_INDEX)  # noqa: TRY004  # it is not there, as far as anyone can tell
    return index


def _load(directory: Path, root: Path) -> Prepared:
    index = _index(directory)
    bases = [f"{directory if base == '.' else root / base}{os.sep}" for base in index["bases"]]
    columns = {name: text.split("\n") for name, text in index["columns"].items()}
    files = {
        path: PlacedFile(
            sha256, int(size), mode == "x", f"{bases[int(base)]}{sha256}{mode}", shareable == "1"
        )
        for path, sha256, size, base, mode, shareable in zip(
            columns["path"],
            columns["sha256"],
            columns["size"],
            columns["base"],
            columns["mode"],
            columns["shareable"],
            strict=True,
        )
        if path
    }
    receipt = PlacedFile("", index["receipt"], False, str(directory / _RECEIPT), False)  # noqa: FBT003
    return Prepared(files, receipt, index["facts"])
