"""Compiled modules in a zip: made by a Python of the target's minor version, never checked against their sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.oci.model import canonical_json
from crossdock.ship.bundle.layout import by_path, read_content
from crossdock.ship.bundle.model import BundleFile
from crossdock.ship.bytecode import Modules, bytecode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bytecode import Interpreter
    from crossdock.store import Store

#: Scripts are no modules, wherever a package brings them.
_SCRIPTS = "bin/"


def with_bytecode(
    store: Store, interpreter: Interpreter, packages: Sequence[BundledPackage], root: str, *, jobs: int
) -> tuple[list[BundledPackage], tuple[str, ...]]:
    """Return the packages with a `.pyc` beside each module, and a note for each that does not compile.

    `root` is the directory that the zip is unpacked in, without a slash at its end: tracebacks show paths below it.
    The files are unchecked-hash (PEP 552): in a zip every date is 1980, so those that are checked by date would be
    compiled anew at every cold start. Raise `ShipError` (E-BYTECODE) if the interpreter fails.
    """
    result = []
    notes: list[str] = []
    for package in packages:
        made = bytecode(store, interpreter, [_modules(package, root)], jobs=jobs)
        start = len(root.removeprefix("/")) + 1 if root else 0
        compiled = [
            BundleFile(entry.path[start:], entry.sha256, entry.size, executable=False, source=entry.source)
            for entry in made.entries
        ]
        result.append(replace(package, files=by_path([*package.files, *compiled])) if compiled else package)
        notes += made.notes
    return result, tuple(notes)


def _modules(package: BundledPackage, root: str) -> Modules:
    scripts = f"{package.record_base}{_SCRIPTS}"
    files = [
        file for file in package.files if file.path.endswith(".py") and not file.path.startswith(scripts)
    ]
    key = Digest.of(canonical_json([root, [[file.path, file.sha256] for file in files]])).hex
    return Modules(
        key=f"bundle {key}", read=lambda: [(f"{root}/{file.path}", read_content(file)) for file in files]
    )
