"""Proofs: every binary is for the target, native code is there, nothing tells of the machine that built it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.build.repair.archives import archive_members
from crossdock.errors import BuildError
from crossdock.inspect.audit import audit
from crossdock.inspect.binary import examine
from crossdock.inspect.facts import Format
from crossdock.inspect.finding import Severity
from crossdock.inspect.modules import accepts, extension_suffixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents, Found, Survey
    from crossdock.inspect.facts import Binary

_FORMATS = {Format.ELF: "Linux", Format.MACHO: "macOS", Format.PE: "Windows"}
#: Places of an error; more say no more.
_FEW = 8
#: Directories that every machine has: their names tell nothing of one, and stand in many a source.
_EVERYWHERE = frozenset({"/", "/root", "/home", "/tmp", "/usr", "/var", "/opt", "/Users", "root"})  # noqa: S108


def prove_machines(survey: Survey, contents: Contents, job: RepairJob) -> None:
    """Refuse a binary for another machine or system, unless it lies in the source as it is (E-BUILD-HOST-BINARY)."""
    wrong = []
    for one in survey.found:
        said = _not_for_target(one, survey, contents, job)
        if said and one.goods:
            contents.tell("E-FIT-MACHINE", f"{said}; it lies in the source like this", one.name)
        elif said:
            wrong.append(f"{one.name} {said}")
    if wrong:
        raise BuildError(
            f"`{job.what}` builds something that is not for {job.target.name or job.target.arch}",
            code="E-BUILD-HOST-BINARY",
            places=_few(wrong),
            hint="its build does not use the compiler it is given (CC, CXX, the toolchain file): settings of"
            f" `[tool.crossdock.build.{job.name}]` may tell it to; else report it to the project",
        )


def _not_for_target(one: Found, survey: Survey, contents: Contents, job: RepairJob) -> str:
    binary = one.file.binary
    if binary.broken:
        return f"is broken: {binary.broken}"
    if binary.format is Format.AR:
        inside = (
            examine(content, one.name) for content in archive_members(contents.members[one.name].content)
        )
        return next((said for part in inside if part and (said := _elsewhere(part, survey, job))), "")
    return _elsewhere(binary, survey, job)


def _elsewhere(binary: Binary, survey: Survey, job: RepairJob) -> str:
    """Say what a binary is built for, if that is not the target."""
    if not binary.images:
        return ""
    image = binary.image_for(survey.shipment.machines)
    if binary.format is survey.shipment.format and image is not None:
        libc, wanted = image.libc, job.target.libc
        if image.platform not in survey.shipment.platforms:
            return f"is built for {image.platform}"
        if libc and wanted is not None and libc != wanted.kind.value:
            return f"is built for {libc} ({image.libc_evidence})"
        return ""
    system = _FORMATS.get(binary.format, binary.format.value)
    return f"is built for {system} on {', '.join(binary.machines)}"


def prove_native(survey: Survey, job: RepairJob, platforms: frozenset[str]) -> bool:
    """Tell whether the wheel has native code; refuse one that fell back to pure Python (E-BUILD-FELL-BACK)."""
    if any(not one.goods for one in survey.native()):
        return True
    evidence = [*job.native_evidence]
    if not evidence and platforms != {"any"}:
        evidence = [f"its wheel is tagged for {name}" for name in sorted(platforms)]
    if evidence and not job.pure:
        raise BuildError(
            f"`{job.what}` was built without its native code: it fell back to pure Python, or left modules out",
            code="E-BUILD-FELL-BACK",
            places=_few(evidence),
            hint="the build's log says what did not compile; if a pure wheel is what you want:"
            f" `pure = true` in `[tool.crossdock.build.{job.name}]`",
        )
    return any(survey.native())


def tell_doubts(survey: Survey, contents: Contents, job: RepairJob) -> None:
    """Tell of modules that the build went on without (E-BUILD-LEFT-OUT), and of another's `os.name` (E-BUILD-OS-NAME).

    No errors: a project says itself that such a module is optional, and what a requirement follows is not certain.
    """
    there = {one.module.module for one in survey.modules() if one.module is not None}
    for name in job.given_up:
        if name.rpartition(".")[2] not in there:
            contents.tell(
                "E-BUILD-LEFT-OUT",
                f"`{name}` did not compile and is not in the wheel: the project takes it for optional",
            )
    if job.own_os_name:
        contents.tell(
            "E-BUILD-OS-NAME",
            "requirements in its setup.py follow `os.name`, which was not Windows': the wheel's may be others",
        )


def rename_modules(survey: Survey, contents: Contents, job: RepairJob) -> bool:
    """Give modules with the suffix of another platform the target's, where the binary is right; tell if any was."""
    renamed = False
    for one in survey.modules():
        name = one.module
        if name is None or one.goods or accepts(job.target, name):
            continue
        known, python = name.cpython, job.target.python
        flags = "t" if python.free_threaded else ""
        best = extension_suffixes(job.target)[0]
        to = one.name.removesuffix(name.suffix) + best
        if known is None or known[:2] != (python.minor, flags) or to in contents.members:
            raise BuildError(
                f"`{job.what}` builds a module that would never be imported: the target's Python passes over"
                f" `{name.suffix}` and looks for `{best}`",
                code="E-BUILD-MODULE",
                places=[one.name],
                hint="its build asks the Python that runs it for the suffix: report it to the project",
            )
        member = contents.members.pop(one.name)
        contents.put(member._replace(name=to))
        contents.tell("E-FIT-MODULE", f"was named `{name.suffix}`, which the target passes over: renamed", to)
        renamed = True
    return renamed


def prove_audit(survey: Survey, contents: Contents, job: RepairJob) -> None:
    """Refuse what the audit of a shipment finds wrong (E-BUILD-LIBRARY, E-BUILD-UNFIT); keep its other findings."""
    findings = audit(survey.files, job.target, complete=False)
    errors = [one for one in findings if one.severity is Severity.ERROR]
    contents.findings += [one for one in findings if one.severity is not Severity.ERROR]
    if not errors:
        return
    missing = all(one.code == "E-FIT-LIBRARY" for one in errors)
    raise BuildError(
        f"`{job.what}` was built, and needs libraries that are nowhere"
        if missing
        else f"`{job.what}` was built, and does not fit the target",
        code="E-BUILD-LIBRARY" if missing else "E-BUILD-UNFIT",
        places=_few([str(one) for one in errors]),
        hint=next((one.hint for one in errors if one.hint), None),
    )


def prove_no_leak(contents: Contents, job: RepairJob) -> None:
    """Refuse a file that holds a text of the machine that built it (E-BUILD-LEAK)."""
    leaks = list(_leaks(contents, job))
    if leaks:
        raise BuildError(
            f"`{job.what}` was built, and its wheel tells of this machine",
            code="E-BUILD-LEAK",
            places=_few(leaks),
            hint="the same source would be another wheel elsewhere: its build writes a path into what it makes",
        )


def _leaks(contents: Contents, job: RepairJob) -> Iterator[str]:
    # In UTF-16 too: that is how resources of Windows binaries spell.
    texts = [
        (text, (text.encode(), text.encode("utf-16-le")))
        for text in sorted(job.forbidden)
        if text and text not in _EVERYWHERE
    ]
    for name, member in sorted(contents.members.items()):
        told = [
            text for text, spelled in texts if text in name or any(one in member.content for one in spelled)
        ]
        # What stands in the source says nothing of where it was built.
        if told and sha256(member.content).hexdigest() not in job.shipped:
            yield from (f"{name} has `{text}`" for text in told)


def _few(places: list[str]) -> list[str]:
    more = len(places) - _FEW
    return places if more <= 0 else [*places[:_FEW], f"and {more} more"]
