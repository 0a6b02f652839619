"""One system that a wheel may be for: what is true of it there, or why nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.build.repair.job import RepairJob
from crossdock.build.repair.survey import Survey
from crossdock.build.retag.floors import beyond, floor_of
from crossdock.build.retag.pythons import ANY_PYTHON, Claim, borne_out, told_by_modules
from crossdock.build.retag.symbols import glibc_since
from crossdock.inspect.audit import audit
from crossdock.inspect.finding import Severity, ordered
from crossdock.target.model import LibcKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.build.model import Sysroot
    from crossdock.build.repair.job import Floor
    from crossdock.build.repair.survey import Contents
    from crossdock.build.retag.places import Place, Version
    from crossdock.inspect.finding import Finding
    from crossdock.target.model import Python

#: What an audit finds wrong with the Python that it was made for, and not with the system.
_OF_PYTHON = frozenset({"E-FIT-ABI", "E-FIT-MODULE", "E-FIT-PYTHON"})
MISSING = "E-FIT-LIBRARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A place with what is true of the wheel there.

    `version` is the oldest that it runs on (None for Windows), `floor` what sets that. `claims` are its true (python,
    abi) pairs, `doubts` what was said of others. `errors` say why it does not run there at all; `findings` the rest.
    """

    place: Place
    version: Version | None
    floor: Floor | None
    claims: tuple[Claim, ...]
    doubts: tuple[str, ...]
    errors: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    survey: Survey

    @property
    def is_true(self) -> bool:
        """Whether the wheel may be tagged for the place."""
        return not self.errors and bool(self.claims)

    @property
    def python(self) -> Python:
        """A Python that the wheel is for there."""
        return next((one.python for one in self.claims if one.python is not None), ANY_PYTHON)

    @property
    def lacks_libraries(self) -> bool:
        """Whether a library that it needs is nowhere."""
        return any(one.code == MISSING for one in (*self.errors, *self.findings))

    def reasons(self) -> tuple[str, ...]:
        """Say why the wheel is not for the place."""
        return (*(str(one) for one in self.errors), *(self.doubts if not self.claims else ()))


def job_of(
    contents: Contents, place: Place, version: Version | None, python: Python, sysroot: Sysroot | None = None
) -> RepairJob:
    """Return the place as the steps of a repair take it."""
    return RepairJob(
        target=place.target(version, python),
        what=f"{contents.name} {contents.version}",
        name=contents.name,
        version=None,
        sysroot=sysroot,
        native_evidence=(),
        pure=False,
        provenance={},
        c_symbols=glibc_since(place.arch) if place.libc is LibcKind.GLIBC else {},
    )


def judge(contents: Contents, place: Place, claims: Sequence[Claim], claimed: Version | None) -> Judged:
    """Look at the wheel as a place would. `claims` are the pairs that it states, `claimed` the version of the place.

    A version that the wheel states and nothing contradicts stays, also where we would have said a newer one.
    """
    survey = Survey(contents, job_of(contents, place, None, ANY_PYTHON))
    floor = floor_of(survey, place)
    version = None if floor is None else floor.version
    if (
        claimed is not None
        and version is not None
        and claimed < version
        and not beyond(survey, contents, place, claimed)
    ):
        version = claimed
    look = _Look(contents, place, version, survey)
    true, doubts = look.at(claims)
    if not true:
        true, more = look.at(told_by_modules(survey, contents))
        doubts += more
    errors = [one for one in look.findings if one.severity is Severity.ERROR]
    return Judged(
        place=place,
        version=version,
        floor=floor,
        claims=true,
        doubts=tuple(dict.fromkeys(doubts)),
        errors=ordered(errors),
        findings=ordered(one for one in look.findings if one.severity is not Severity.ERROR),
        survey=survey,
    )


class _Look:
    """The audits of one place, by what the wheel is said to be for."""

    def __init__(self, contents: Contents, place: Place, version: Version | None, survey: Survey) -> None:
        self._contents, self._place, self._version, self._survey = contents, place, version, survey
        #: Of the system, whatever the Python; warnings about the Python too.
        self.findings: set[Finding] = set()

    def at(self, claims: Iterable[Claim]) -> tuple[tuple[Claim, ...], list[str]]:
        """Return which claims are true, each once, and what is to be said of the others."""
        true: dict[Claim, None] = {}
        doubts = []
        for claim in claims:
            left, why = borne_out(claim, self._survey, self._contents)
            if why:
                doubts.append(f"`{claim}` is not true: {why}")
            if not left.pair[1]:
                self._wrong(None)
                continue
            wrong = self._wrong(left.python)
            doubts += [f"`{left}` is not true: {one}" for one in wrong if left.python is not None]
            if not wrong or left.python is None:
                true[left] = None
        return tuple(true), doubts

    def _wrong(self, python: Python | None) -> list[Finding]:
        """Audit for a Python; return the errors that are its own, and keep the rest."""
        target = self._place.target(self._version, python or ANY_PYTHON)
        found = audit(self._survey.files, target, complete=False)
        own = [one for one in found if one.code in _OF_PYTHON]
        self.findings |= {one for one in found if one.code not in _OF_PYTHON}
        if python is None:
            return []
        wrong = [one for one in own if one.severity is Severity.ERROR]
        if not wrong:
            self.findings |= set(own)
        return wrong
