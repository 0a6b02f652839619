"""Which entries of a lock a target needs: environments, extras, groups and markers (PEP 751; pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from crossdock.lock.model import Lock, LockedPackage
    from crossdock.target.markers import Answer
    from crossdock.target.model import Target

#: Where it stands, what it says, and what the target answers.
Question = tuple[str, str, "Answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a lock: a target, with extras and groups (normalized names)."""

    lock: Lock
    target: Target
    extras: frozenset[str]
    groups: frozenset[str]

    @property
    def target_name(self) -> str:
        """What to call the target in a message."""
        return self.target.name or "the target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of one target to a lock's markers; they are kept, since markers repeat from entry to entry."""

    asked: Asked
    _known: dict[str, Answer] = field(default_factory=dict)

    def of(self, marker: Marker) -> Answer:
        """Answer the marker of an entry, with the extras and groups asked for."""
        from crossdock.target.markers import evaluate

        text = str(marker)
        answer = self._known.get(text)
        if answer is None:
            answer = self._known[text] = evaluate(
                marker,
                self.asked.target,
                extras=self.asked.extras,
                dependency_groups=self.asked.groups,
                context="lock_file",
            )
        return answer

    def of_python(self, specifier: SpecifierSet) -> Answer:
        """Answer a `requires-python`."""
        from crossdock.target.markers import satisfies

        text = f"requires-python {specifier}"
        answer = self._known.get(text)
        if answer is None:
            answer = self._known[text] = satisfies(specifier, self.asked.target)
        return answer


def check_lock(asked: Asked, answers: Answers) -> None:
    """Refuse a lock that as a whole does not serve the target, or has not what is asked for (`LockError`)."""
    _check_names("extra", asked.extras, asked.lock.extras, asked.lock)
    groups = (*asked.lock.dependency_groups, *asked.lock.default_groups)
    _check_names("group", asked.groups, groups, asked.lock)
    _check_python(asked, answers)
    _check_environments(asked)


def _check_names(what: str, wanted: frozenset[str], known: Iterable[str], lock: Lock) -> None:
    from packaging.utils import canonicalize_name

    known = tuple(known)
    missing = sorted(wanted - {canonicalize_name(name) for name in known})
    if missing:
        raise LockError(
            f"`{lock.filename}` has no {what} `{missing[0]}`",
            code=f"E-LOCK-{what.upper()}",
            places=[f"it has: {', '.join(f'`{name}`' for name in known) or 'none'}"],
            hint="lock again with it",
        )


def _check_python(asked: Asked, answers: Answers) -> None:
    # PEP 751, installation: if `requires-python` is specified, check it; an error must be raised.
    specifier = asked.lock.requires_python
    if specifier is None:
        return
    answer = answers.of_python(specifier)
    if answer.truth is None:
        raise open_question(asked, [("the lock", f"requires-python {specifier}", answer)])
    if not answer.truth:
        python = asked.target.python
        raise LockError(
            f"`{asked.lock.filename}` is for Python {specifier}, {asked.target_name} has {python.full or python.short}",
            code="E-LOCK-PYTHON",
            hint="lock again for this target",
        )


def _check_environments(asked: Asked) -> None:
    from crossdock.target.markers import evaluate

    # PEP 751, installation: if `environments` is specified, check that at least one expression is satisfied.
    environments = asked.lock.environments
    answers = [evaluate(marker, asked.target) for marker in environments]
    if not environments or any(answer.truth for answer in answers):
        return
    unknown = [
        ("environments", str(marker), answer)
        for marker, answer in zip(environments, answers, strict=True)
        if answer.truth is None
    ]
    if unknown:
        raise open_question(asked, unknown)
    raise LockError(
        f"`{asked.lock.filename}` was not made for {asked.target_name}",
        code="E-LOCK-ENVIRONMENT",
        places=[str(marker) for marker in environments],
        hint="lock again for this target",
    )


def needed_packages(
    asked: Asked, answers: Answers, outcome: Callable[[LockedPackage], object]
) -> tuple[tuple[LockedPackage, ...], tuple[LockedPackage, ...]]:
    """Return the entries that the target needs and those that it does not, in the lock's order.

    `outcome` tells what would be shipped for an entry, None for nothing. Raises `LockError`: two entries of one
    package (E-LOCK-AMBIGUOUS), or a marker or `requires-python` that the target leaves open (E-LOCK-OPEN).
    """
    needed: dict[str, LockedPackage] = {}
    unneeded: list[LockedPackage] = []
    doubtful: dict[str, list[LockedPackage]] = {}
    for package in asked.lock.packages:
        # PEP 751, installation: if `packages.marker` is specified and not satisfied, skip to the next package.
        truth = True if package.marker is None else answers.of(package.marker).truth
        if truth is None:
            doubtful.setdefault(package.name, []).append(package)
        elif not truth:
            unneeded.append(package)
        elif package.name in needed:
            raise _ambiguous(asked, needed[package.name], package)
        else:
            needed[package.name] = package
    questions: list[Question] = []
    for name, packages in doubtful.items():
        if name not in needed and _same_whatever(packages, answers, outcome):
            needed[name] = packages[0]
        else:
            questions += [_marker_question(package, answers) for package in packages]
    questions += _python_questions(needed.values(), answers)
    if questions:
        raise open_question(asked, questions)
    return tuple(sorted(needed.values(), key=lambda package: package.position)), tuple(unneeded)


def _same_whatever(
    packages: list[LockedPackage], answers: Answers, outcome: Callable[[LockedPackage], object]
) -> bool:
    """Tell whether the open answer changes nothing.

    So it is if exactly one of the entries is needed, whatever the answer, and all lead to the same file. The
    markers are asked together, since they turn at the same place (`< "3.12.4"` beside `>= "3.12.4"`).
    """
    from packaging.markers import Marker

    if len(packages) == 1:
        return False
    markers = [f"({package.marker})" for package in packages]
    if answers.of(Marker(" or ".join(markers))).truth is not True:
        return False
    for i, marker in enumerate(markers):
        if any(answers.of(Marker(f"{marker} and {other}")).truth is not False for other in markers[i + 1 :]):
            return False
    outcomes = {outcome(package) for package in packages}
    return len(outcomes) == 1 and None not in outcomes


def _marker_question(package: LockedPackage, answers: Answers) -> Question:
    marker = package.marker
    if marker is None:
        raise TypeError("only an entry with a marker can be in doubt")
    return (f"{package.place} {package}", str(marker), answers.of(marker))


def _python_questions(packages: Iterable[LockedPackage], answers: Answers) -> Iterable[Question]:
    # PEP 751, installation: if `packages.requires-python` is specified, check it. One that is false makes the
    # choice of that package impossible; only an open one stops the selection.
    for package in packages:
        specifier = package.requires_python
        if specifier is not None and (answer := answers.of_python(specifier)).truth is None:
            yield (f"{package.place} {package}", f"requires-python {specifier}", answer)


def _ambiguous(asked: Asked, first: LockedPackage, second: LockedPackage) -> LockError:
    # PEP 751, installation: check that no other conflicting instance has been slated to be installed.
    return LockError(
        f"`{asked.lock.filename}` has two entries of `{first.name}` for {asked.target_name}",
        code="E-LOCK-AMBIGUOUS",
        places=[f"{package.place} {package}: {package.marker or 'no marker'}" for package in (first, second)],
        hint="lock again; conflicting extras or groups cannot be chosen together",
    )


def open_question(asked: Asked, questions: Iterable[Question]) -> LockError:
    """Return the error that names what the target leaves open, each place that asks, and what settles it."""
    questions = list(questions)
    variables = sorted({answer.variable for _, _, answer in questions if answer.variable})
    return LockError(
        f"{asked.target_name} leaves open what the lock asks for: {', '.join(variables)}",
        code="E-LOCK-OPEN",
        places=[f"{place}: {answer.explanation or f'`{text}`'}" for place, text, answer in questions],
        hint=_setting(asked, variables),
    )


def _setting(asked: Asked, variables: list[str]) -> str:
    python = asked.target.python
    if set(variables) <= {"python_full_version"}:
        return f"give the patch version, for example `--python {python.short}.4`"
    return f"say {', '.join(variables)} under `[markers]` in a target file"
