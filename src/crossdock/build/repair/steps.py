"""The steps of a repair, in their order: each works on what the one before left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.canonical import members_of, prove_same_project
from crossdock.build.produced import open_produced
from crossdock.build.repair.bill import add_bill, add_licences
from crossdock.build.repair.floors import prove_floor
from crossdock.build.repair.graft import graft
from crossdock.build.repair.job import Repaired, RepairReport
from crossdock.build.repair.prove import (
    prove_audit,
    prove_machines,
    prove_native,
    prove_no_leak,
    rename_modules,
    tell_doubts,
)
from crossdock.build.repair.pythons import python_tags
from crossdock.build.repair.survey import Contents, Survey
from crossdock.build.repair.tags import platform_of
from crossdock.build.repair.undefined import prove_defined
from crossdock.build.repair.writing import check_metadata, finish, write_provenance
from crossdock.inspect.finding import ordered

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.archive.wheel import Wheel
    from crossdock.build.repair.job import RepairJob


def repair(wheel: Path, job: RepairJob) -> Repaired:
    """Return the wheel as it is shipped: proven, whole, tagged by what it needs, the same bytes everywhere.

    Raises `BuildError` (E-BUILD-HOST-BINARY, -FELL-BACK, -LIBRARY, -FLOOR, -UNFIT, -UNDEFINED, -MODULE, -LEAK,
    -METADATA, -OTHER-PROJECT) where it cannot be, and `ArchiveError` where it is no sound wheel.
    """
    from crossdock.safepath import PathRules

    with open_produced(wheel, job.what, rules=PathRules.POSIX) as opened:
        prove_same_project(opened, job.what, job.name, job.version)
        contents = _contents(opened)
        claimed = opened.filename.tag_names
    check_metadata(contents, job)
    survey = Survey(contents, job)
    prove_machines(survey, contents, job)
    native = prove_native(survey, job, frozenset(tag.rpartition("-")[2] for tag in claimed))
    tell_doubts(survey, contents, job)
    if rename_modules(survey, contents, job):
        survey = Survey(contents, job)
    grafted = graft(survey, contents, job)
    survey = Survey(contents, job)
    platform, floor = platform_of(survey, job.target) if native else ("any", None)
    if native:
        prove_floor(platform, floor, grafted, job)
        prove_audit(survey, contents, job)
        prove_defined(survey, job, contents)
    pairs = python_tags(survey, contents, claimed, job, native=native)
    add_licences(contents, grafted, job)
    add_bill(contents, grafted, job)
    write_provenance(contents, job)
    prove_no_leak(contents, job)
    built, tags = finish(contents, pairs, [platform])
    report = RepairReport(tags=tags, floor=floor, grafted=grafted, findings=ordered(contents.findings))
    return Repaired(wheel=built, report=report)


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
