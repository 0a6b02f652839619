"""Built wheels carried from machine to machine: one tar of them and of what they were built for.

Its first member, `crossdock-wheels.json`, lists the wheels with what was asked for and with which parts each was built;
the wheels follow, sorted by their hashes. The bytes depend on what is in it alone.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.build.believed import is_ask, is_report, prove_built_for
from crossdock.build.crossed import PARTS, elsewhere, find_built, keep_built, parts_of, words
from crossdock.build.produced import LARGEST
from crossdock.digest import Digest
from crossdock.errors import ArchiveError, BuildError, CrossdockError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import BinaryIO, NoReturn

    from crossdock.store import Store

_FORM = 1
_LIST = "crossdock-wheels.json"
_LIST_LIMIT = 64 << 20


class Carried(NamedTuple):
    """How many wheels were written or read, and how many of those were there before."""

    wheels: int
    known: int
    size: int


def export_wheels(store: Store, out: BinaryIO, *, names: Collection[str] = ()) -> Carried:
    """Write the wheels that were built for targets to `out`, all or those of packages by normalized name."""
    rows, blobs = _rows(store, names)
    listing = json.dumps({"form": _FORM, "wheels": rows}, sort_keys=True, indent=1).encode()
    size = 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_member(_LIST, len(listing)), io.BytesIO(listing))
        for name, blob in sorted(blobs.items()):
            length = blob.stat().st_size
            with blob.open("rb") as content:
                archive.addfile(_member(name, length), content)
            size += length
    return Carried(len(rows), 0, size)


def _rows(store: Store, names: Collection[str]) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    rows: dict[str, dict[str, Any]] = {}
    blobs = {}
    for key, parts in sorted(store.facts(PARTS), key=lambda fact: fact[0]):
        ask = json.loads(key)
        if names and ask.get("name") not in names:
            continue
        built = find_built(store, ask)
        if built is None:
            continue
        rows[words(elsewhere(ask))] = {
            "ask": elsewhere(ask),
            "parts": parts,
            "filename": built.filename,
            "sha256": built.digest.hex,
            "report": built.report,
        }
        blobs[f"wheels/{built.digest.hex}/{built.filename}"] = built.blob
    wanted = {f"wheels/{row['sha256']}/{row['filename']}" for row in rows.values()}
    return sorted(rows.values(), key=words), {name: blobs[name] for name in sorted(wanted)}


def _member(name: str, size: int) -> tarfile.TarInfo:
    from crossdock.archive.tarwrite import MTIME

    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, MTIME
    return info


def import_wheels(store: Store, source: BinaryIO, filename: str) -> Carried:
    """Take the wheels of an export into the store; what was built here before stays as it is.

    Every wheel's hash is checked, that it is a sound wheel of the project, and that it was built of the source, for the
    target and with the parts that the list says. Raise `ArchiveError` (E-CACHE-FILE) for a file that is none or is damaged; wheels before the damage stay.
    """
    try:
        with tarfile.open(fileobj=source, mode="r:") as archive:
            return _import(store, archive, filename)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise ArchiveError(f"`{filename}` is no tar: {error}", code="E-CACHE-FILE") from error


def _import(store: Store, archive: tarfile.TarFile, filename: str) -> Carried:
    rows = _listed(archive, filename)
    wanted: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        wanted.setdefault(f"wheels/{row['sha256']}/{row['filename']}", []).append(row)
    known = size = 0
    while (member := archive.next()) is not None:
        asked = wanted.pop(member.name, None)
        if asked is None or not _is_plain(member, LARGEST):
            _refuse(filename, f"an entry that is not in its list: `{member.name[:200]}`")
        reader = archive.extractfile(member)
        content = b"" if reader is None else reader.read()
        size += len(content)
        for row in asked:
            known += _take(store, row, content, filename)
    if wanted:
        _refuse(filename, f"it ends before `{next(iter(wanted))}`")
    return Carried(len(rows), known, size)


def _listed(archive: tarfile.TarFile, filename: str) -> list[dict[str, Any]]:
    first = archive.next()
    if first is None or first.name != _LIST or not _is_plain(first, _LIST_LIMIT):
        _refuse(filename, f"it does not begin with {_LIST}")
    reader = archive.extractfile(first)
    try:
        found = json.loads(reader.read() if reader is not None else b"")
        rows = found["wheels"]
        if found["form"] != _FORM:
            _refuse(filename, f"another version of crossdock wrote it (form {found['form']})")
        for row in rows:
            Digest("sha256", row["sha256"])
            _ = row["parts"]["compiler"]
            _check_name(row["filename"])
            if not is_ask(row["ask"]) or not is_report(row["report"]):
                _refuse(filename, "its list is damaged: a row has not what one has")
    except (ValueError, KeyError, TypeError, RecursionError, CrossdockError) as error:
        if isinstance(error, CrossdockError) and error.code == "E-CACHE-FILE":
            raise
        _refuse(filename, f"its list is damaged: {error}")
    return list(rows)


def _is_plain(member: tarfile.TarInfo, limit: int) -> bool:
    """Tell whether an entry is a file whose bytes are all in the tar: of a sparse one a few stand for any number."""
    return member.isreg() and not member.issparse() and member.size <= limit


def _check_name(name: str) -> None:
    from crossdock.archive.names import WheelName

    WheelName.parse(name)


def _take(store: Store, row: dict[str, Any], content: bytes, filename: str) -> bool:
    """Keep one wheel for what it was asked for; return whether it was known before."""
    if Digest.of(content).hex != row["sha256"]:
        _refuse(filename, f"`{row['filename']}` is not what its hash says")
    ask = elsewhere(row["ask"])
    if find_built(store, ask) is not None:
        return True
    _prove(row, content, filename)
    keep_built(store, ask, row["filename"], content, row["report"], imported=True)
    return False


def _prove(row: dict[str, Any], content: bytes, filename: str) -> None:
    """Hold the list against the wheel and what it says itself of its making."""
    try:
        prove_built_for(content, row["filename"], row["ask"])
    except BuildError:
        same = False
    except ArchiveError as error:
        _refuse(filename, f"`{row['filename']}` is damaged: {error.message}")
    else:
        same = parts_of(content, row["filename"]) == row["parts"]
    if not same:
        _refuse(filename, f"`{row['filename']}` was not built for what the list says")


def _refuse(filename: str, what: str) -> NoReturn:
    raise ArchiveError(
        f"`{filename}` is no export of built wheels: {what}",
        code="E-CACHE-FILE",
        hint="write it anew by `crossdock cache export`",
    )
