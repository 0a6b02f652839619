"""The steps of a repair, in their order: each works on what the one before left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.canonical import members_of, prove_same_project
from crossdock.build.repair.job import Repaired, RepairReport
from crossdock.build.repair.prove import (
    prove_audit,
    prove_machines,
    prove_native,
    prove_no_leak,
    rename_modules,
)
from crossdock.build.repair.survey import Contents, Survey
from crossdock.build.repair.tags import platform_of, python_tags
from crossdock.build.repair.writing import check_metadata, finish, write_provenance
from crossdock.errors import BuildError
from crossdock.inspect.finding import ordered
from crossdock.target.tags import platform_tags

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crossdock.archive.wheel import Wheel
    from crossdock.build.repair.job import Floor, RepairJob


def repair(wheel: Path, job: RepairJob) -> Repaired:
    """Return the wheel as it is shipped: proven, whole, tagged by what it needs, the same bytes everywhere.

    Raises `BuildError` (E-BUILD-HOST-BINARY, -FELL-BACK, -LIBRARY, -FLOOR, -UNFIT, -MODULE, -LEAK, -METADATA,
    -OTHER-PROJECT) where it cannot be, and `ArchiveError` where it is no sound wheel.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules

    with Wheel.open(wheel.read_bytes(), wheel.name, rules=PathRules.POSIX) as opened:
        prove_same_project(opened, job.what, job.name, job.version)
        contents = _contents(opened)
        claimed = opened.filename.tag_names
    check_metadata(contents, job)
    survey = Survey(contents, job)
    prove_machines(survey, contents, job)
    native = prove_native(survey, job, frozenset(tag.rpartition("-")[2] for tag in claimed))
    platform, floor = "any", None
    if rename_modules(survey, contents, job):
        survey = Survey(contents, job)
    if native:
        platform, floor = platform_of(survey, job.target)
        _prove_floor(platform, floor, job)
        prove_audit(survey, contents, job)
    pairs = python_tags(survey, claimed, job.target)
    write_provenance(contents, job)
    prove_no_leak(contents, job)
    built, tags = finish(contents, pairs if native else _without_abi(pairs), platform)
    return Repaired(
        wheel=built,
        report=RepairReport(tags=tags, floor=floor, findings=ordered(contents.findings)),
    )


def _contents(wheel: Wheel) -> Contents:
    members = {one.name: one for one in members_of(wheel)}
    contents = Contents(
        dist_info=wheel.dist_info,
        name=wheel.filename.name,
        version=wheel.filename.version,
        build=wheel.filename.build,
        members=members,
    )
    _drop_bytecode(contents)
    return contents


def _drop_bytecode(contents: Contents) -> None:
    """Leave bytecode out; where its source is not there too, it is the module itself, and stays."""
    for name in [name for name in contents.members if name.endswith((".pyc", ".pyo"))]:
        if f"{name[:-1]}" in contents.members:
            del contents.members[name]
        else:
            contents.tell("E-BUILD-BYTECODE", "is bytecode without its source", name)


def _without_abi(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(python, "none") for python, _ in pairs}))


def _prove_floor(platform: str, floor: Floor | None, job: RepairJob) -> None:
    if platform in platform_tags(job.target):
        return
    raise BuildError(
        f"`{job.what}` was built, and is for `{platform}`, which is newer than the target",
        code="E-BUILD-FLOOR",
        places=[str(floor)] if floor is not None and floor.path else [],
        hint="take a target with a newer floor (`--for`)",
    )
