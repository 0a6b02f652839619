"""A newer table of AWS Lambda's runtimes, read out of two packages of AWS: nothing of them is run.

cfn-lint carries AWS's dates, aws-lambda-builders the glibc of each runtime. Both are on every package index.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from crossdock.archive.wheel import Wheel
from crossdock.errors import CrossdockError, ShipError
from crossdock.store.mapped import mapped
from crossdock.target.names import parse_python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from crossdock.net.pages import ProjectFile
    from crossdock.ship.bundle.places import Place, RuntimeTable

#: The packages, and the file in each: the dates as JSON, and the module with the table of glibc versions.
DATES = "cfn-lint"
GLIBC = "aws-lambda-builders"
_MEMBERS = {
    DATES: "cfnlint/data/AdditionalSpecs/LmbdRuntimeLifecycle.json",
    GLIBC: "aws_lambda_builders/workflows/python_pip/packager.py",
}
_GLIBC_NAME = "_RUNTIME_GLIBC"

#: AWS's own releases by their glibc. What is newer stays unnamed.
_SYSTEMS = {(2, 26): "Amazon Linux 2", (2, 34): "Amazon Linux 2023"}

#: Keys of AWS's dates, and ours.
_DATES = {"deprecated": "deprecated", "create-block": "create-blocked", "update-block": "update-blocked"}

_HEAD = """\
# AWS Lambda's runtimes for Python, for `crossdock lambda --runtimes`. Written by `crossdock runtimes --refresh`
# on {today} from {sources}.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWheel:
    """A wheel that data are read from: its package, version, and the file in the store."""

    package: str
    version: str
    filename: str
    blob: Path

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """The text of a file for `--runtimes`, and what was left out of it and why."""

    text: str
    notes: tuple[str, ...]


def newest_wheel(package: str, files: Iterable[ProjectFile]) -> tuple[str, ProjectFile]:
    """Return the newest version that is no pre-release and not yanked, and its wheel; `ShipError` if there is none."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    best = None
    for file in files:
        if not file.filename.endswith(".whl") or file.yanked is not None:
            continue
        try:
            version = parse_wheel_filename(file.filename)[1]
        except InvalidWheelFilename:
            continue
        if not version.is_prerelease and (best is None or version > best[0]):
            best = (version, file)
    if best is None:
        raise ShipError(f"the index has no wheel of `{package}`", code="E-BUNDLE-REFRESH")
    return str(best[0]), best[1]


def refreshed(dates: SourceWheel, glibc: SourceWheel, *, today: date) -> Refreshed:
    """Return the table that two wheels give, of the Pythons that crossdock ships for.

    Raises `ShipError` (E-BUNDLE-REFRESH) where one of them has not the file, or not in the form that is known, and
    `ArchiveError` for a broken wheel.
    """
    import tomli_w

    ends = _lifecycle(_member(dates), dates)
    floors = _floors(_member(glibc), glibc)
    notes: list[str] = []
    runtimes = []
    for minor in sorted(ends.keys() | floors.keys()):
        if minor not in floors:
            notes.append(f"python3.{minor} is left out: {glibc} does not say its glibc")
            continue
        if minor not in ends:
            notes.append(f"python3.{minor} has no dates: {dates} does not know it")
        runtimes.append(_entry(minor, floors[minor], ends.get(minor, {})))
    if not runtimes:
        raise _changed(glibc, "names no runtime for Python that crossdock ships for")
    sources = f"{dates} (dates), {glibc} (glibc)"
    table = {"kind": {"lambda": {"source": sources, "read": today}}, "runtime": runtimes}
    return Refreshed(
        text=_HEAD.format(today=today, sources=f"{dates} and {glibc}") + tomli_w.dumps(table),
        notes=tuple(notes),
    )


def differences(old: RuntimeTable, new: RuntimeTable) -> Iterator[str]:
    """Tell runtime by runtime what another table says otherwise; sources and days of reading do not count."""
    known = {runtime.place.name: runtime for runtime in old.runtimes}
    for runtime in new.runtimes:
        before = known.get(runtime.place.name)
        if before is None:
            yield f"{runtime.place.name} is new"
            continue
        rows = (
            ("glibc", before.preset.libc, runtime.preset.libc),
            *((what, _of(before.place, key), _of(runtime.place, key)) for what, key in _SHOWN),
        )
        for what, was, now in rows:
            if was != now:
                yield f"{runtime.place.name}: {what} {was or 'unknown'} -> {now or 'unknown'}"


_SHOWN = (
    ("OS", "os"),
    ("deprecated", "deprecated"),
    ("no new functions from", "create_blocked"),
    ("no updates from", "update_blocked"),
)


def _of(place: Place, key: str) -> Any:
    return getattr(place, key)


def _entry(minor: int, floor: tuple[int, int], ends: dict[str, date]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": "lambda", "python": f"3.{minor}"}
    if floor in _SYSTEMS:
        entry["os"] = _SYSTEMS[floor]
    return {**entry, "glibc": f"{floor[0]}.{floor[1]}", **ends}


def _member(source: SourceWheel) -> bytes:
    wanted = _MEMBERS[source.package]
    with Wheel.open(mapped(source.blob), source.filename) as wheel:
        for file in wheel.files:
            if str(file.path) == wanted:
                return wheel.read(file)
    raise _changed(source, f"has no `{wanted}`")


def _lifecycle(content: bytes, source: SourceWheel) -> dict[int, dict[str, date]]:
    """Return the dates of each `python3.N` by N."""
    try:
        table = json.loads(content)
        found = {}
        for name, entry in table.items():
            minor = _minor(name.removeprefix("python")) if name.startswith("python3.") else None
            if minor is not None:
                said = {ours: entry.get(theirs) for theirs, ours in _DATES.items()}
                found[minor] = {
                    key: date.fromisoformat(value) for key, value in said.items() if value is not None
                }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _changed(source, f"has `{_MEMBERS[DATES]}` in another form: {error}") from error
    return found


def _floors(content: bytes, source: SourceWheel) -> dict[int, tuple[int, int]]:
    """Return glibc by N of CPython 3.N, out of a module's literal dictionary `{"cp311": (2, 26), ...}`."""
    try:
        value = _literal(ast.parse(content), _GLIBC_NAME)
        found = {}
        for abi, (major, floor) in value.items():
            # `cp37m` has an ABI that ended with 3.7.
            if abi[:3] == "cp3" and abi[3:].isdigit() and (minor := _minor(f"3.{abi[3:]}")) is not None:
                found[minor] = (int(major), int(floor))
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise _changed(source, f"has no table `{_GLIBC_NAME}` that can be read: {error}") from error
    return found


def _literal(tree: ast.Module, name: str) -> Any:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            names = [item.id for item in node.targets if isinstance(item, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            continue
        if name in names and node.value is not None:
            return ast.literal_eval(node.value)
    raise ValueError("it is not there")


def _minor(text: str) -> int | None:
    """Return N of `3.N` where crossdock ships for it."""
    try:
        python = parse_python(text)
    except CrossdockError:
        return None
    return python.minor if python.short == text else None


def _changed(source: SourceWheel, what: str) -> ShipError:
    return ShipError(
        f"{source} {what}",
        code="E-BUNDLE-REFRESH",
        hint="report it: crossdock reads that package's data, and its form changed; a table may be written by hand too",
    )
