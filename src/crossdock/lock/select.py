"""What a target gets from a lock, package by package, and why (PEP 751, installation; pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from crossdock.errors import LockError
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.model import Lock, LockedFile, LockedPackage, LockedWheel, Rejection
from crossdock.lock.rank import bare_linux, best_tag, best_wheel, tag_ranks
from crossdock.lock.why import why_not

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from crossdock.target.markers import Answer
    from crossdock.target.model import Target


class Kind(StrEnum):
    """What was chosen for a package."""

    WHEEL = "wheel"
    SDIST = "sdist"
    ARCHIVE = "archive"
    DIRECTORY = "directory"
    VCS = "vcs"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """What one target gets for one package.

    `file` is set for a wheel, sdist or archive; `tag` is the best tag of the wheel that the target knows.
    `reason` says in words why this and nothing better; for `Kind.NONE` why nothing fits.
    """

    package: LockedPackage
    kind: Kind
    target: Target
    policy: FormatPolicy
    file: LockedFile | None = None
    tag: str | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """The package's normalized name."""
        return self.package.name

    @property
    def version(self) -> str | None:
        """The package's version, None for some source trees."""
        return self.package.version

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """The wheels that were passed over, each with its reason; worked out when asked for."""
        return (
            *(
                Rejection(wheel.filename, self._reason_against(wheel))
                for wheel in self.package.wheels
                if wheel is not self.file
            ),
            *self.package.unreadable,
        )

    def _reason_against(self, wheel: LockedWheel) -> str:
        if not self.policy.allows_wheel(self.name):
            return "wheels are refused by --no-binary"
        if best_tag(wheel, tag_ranks(self.target), linux=_linux(self.target, self.policy, self.name)):
            return f"{self.tag} is preferred" if self.tag else "another file is preferred"
        return why_not(wheel, self.target)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """What one target gets from a lock: a choice for each package that it needs, in the lock's order."""

    target: Target
    choices: tuple[Choice, ...]
    #: Packages that this target does not need: their marker is false.
    unneeded: tuple[LockedPackage, ...] = ()
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def impossible(self) -> tuple[Choice, ...]:
        """The choices that nothing can be shipped for: no file fits, or only a repository is locked."""
        return tuple(choice for choice in self.choices if choice.kind in (Kind.NONE, Kind.VCS))

    def require(self) -> None:
        """Raise `LockError` (E-LOCK-NOFILE) that lists every package without a file for the target."""
        bad = self.impossible
        if not bad:
            return
        first = bad[0].package
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise LockError(
            f"the lock has nothing for `{first}`{more} that fits {self.target.name or 'the target'}",
            code="E-LOCK-VCS" if all(choice.kind is Kind.VCS for choice in bad) else "E-LOCK-NOFILE",
            places=[f"{choice.package.place} {choice.package}: {choice.reason}" for choice in bad],
            hint=_hint(bad),
        )


def _hint(bad: Iterable[Choice]) -> str:
    if any(choice.kind is Kind.VCS for choice in bad):
        return "name an archive of the commit instead, for example `name @ https://…/archive/COMMIT.tar.gz`"
    return "`crossdock plan` shows the newest versions that fit; `crossdock lock --prefer-wheels` takes them"


def select(
    lock: Lock,
    target: Target,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] | None = None,
    formats: FormatPolicy | None = None,
) -> Selection:
    """Choose one file for each package of `lock` that `target` needs.

    `groups` None means the lock's default groups. A package without a fitting file has a choice of
    `Kind.NONE`; call `Selection.require` to refuse that. Raises `LockError` where the lock as a whole does
    not serve the target: its `requires-python` or environments (E-LOCK-PYTHON, E-LOCK-ENVIRONMENT), two
    entries for one package (E-LOCK-AMBIGUOUS), an unknown extra or group (E-LOCK-EXTRA, E-LOCK-GROUP), or an
    answer that depends on what the target leaves open (E-LOCK-OPEN).
    """
    # PEP 751, installation: gather the extras and dependency groups; the default groups by default.
    chosen_groups = frozenset(lock.default_groups if groups is None else map(_normalized, groups))
    return _Selector(
        lock=lock,
        target=target,
        extras=frozenset(map(_normalized, extras)),
        groups=chosen_groups,
        policy=formats or FormatPolicy(),
    ).run()


def _normalized(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


@dataclass(kw_only=True, eq=False)
class _Selector:
    """One pass over a lock for one target; it remembers answers, since markers repeat from entry to entry."""

    lock: Lock
    target: Target
    extras: frozenset[str]
    groups: frozenset[str]
    policy: FormatPolicy
    _answers: dict[str, Answer] = field(default_factory=dict)

    def run(self) -> Selection:
        self._check_names()
        self._check_environment()
        needed, unneeded = self._needed()
        return Selection(
            target=self.target,
            choices=tuple(self._choice(package) for package in needed),
            unneeded=tuple(unneeded),
            extras=self.extras,
            groups=self.groups,
            notes=self.lock.notes,
        )

    def _check_names(self) -> None:
        for what, asked, known in (
            ("extra", self.extras, self.lock.extras),
            ("group", self.groups, (*self.lock.dependency_groups, *self.lock.default_groups)),
        ):
            missing = sorted(asked - {_normalized(name) for name in known})
            if missing:
                listed = ", ".join(f"`{name}`" for name in known) or "none"
                raise LockError(
                    f"`{self.lock.filename}` has no {what} `{missing[0]}`",
                    code=f"E-LOCK-{what.upper()}",
                    places=[f"it has: {listed}"],
                    hint="lock again with it",
                )

    def _check_environment(self) -> None:
        from crossdock.target.markers import evaluate, satisfies

        # PEP 751, installation: if `requires-python` is specified, check it; an error must be raised.
        if self.lock.requires_python is not None:
            answer = satisfies(self.lock.requires_python, self.target)
            if answer.truth is None:
                raise self._open([("the lock", f"requires-python {self.lock.requires_python}", answer)])
            if not answer.truth:
                raise LockError(
                    f"`{self.lock.filename}` is for Python {self.lock.requires_python}, "
                    f"{self._target_name} has {self.target.python.full or self.target.python.short}",
                    code="E-LOCK-PYTHON",
                    hint="lock again for this target",
                )
        # ... if `environments` is specified, check that at least one expression is satisfied.
        if not self.lock.environments:
            return
        answers = [evaluate(marker, self.target) for marker in self.lock.environments]
        if any(answer.truth for answer in answers):
            return
        unknown = [
            ("environments", str(marker), answer)
            for marker, answer in zip(self.lock.environments, answers, strict=True)
            if answer.truth is None
        ]
        if unknown:
            raise self._open(unknown)
        raise LockError(
            f"`{self.lock.filename}` was not made for {self._target_name}",
            code="E-LOCK-ENVIRONMENT",
            places=[str(marker) for marker in self.lock.environments],
            hint="lock again for this target",
        )

    @property
    def _target_name(self) -> str:
        return self.target.name or "the target"

    def _needed(self) -> tuple[list[LockedPackage], list[LockedPackage]]:
        # PEP 751, installation: skip the package if its marker is not satisfied.
        needed: dict[str, LockedPackage] = {}
        unneeded: list[LockedPackage] = []
        doubtful: dict[str, list[LockedPackage]] = {}
        for package in self.lock.packages:
            truth = self._applies(package)
            if truth is None:
                doubtful.setdefault(package.name, []).append(package)
            elif not truth:
                unneeded.append(package)
            elif package.name in needed:
                raise self._ambiguous(needed[package.name], package)
            else:
                needed[package.name] = package
        self._settle(doubtful, needed, unneeded)
        self._check_python(needed.values())
        return sorted(needed.values(), key=lambda package: package.position), unneeded

    def _applies(self, package: LockedPackage) -> bool | None:
        return True if package.marker is None else self._answer(package.marker).truth

    def _answer(self, marker: Marker) -> Answer:
        from crossdock.target.markers import evaluate

        text = str(marker)
        answer = self._answers.get(text)
        if answer is None:
            answer = self._answers[text] = evaluate(
                marker,
                self.target,
                extras=self.extras,
                dependency_groups=self.groups,
                context="lock_file",
            )
        return answer

    def _settle(
        self,
        doubtful: Mapping[str, list[LockedPackage]],
        needed: dict[str, LockedPackage],
        unneeded: list[LockedPackage],
    ) -> None:
        """Decide packages whose marker is unknown where the answer changes nothing; else ask.

        It changes nothing if exactly one of the entries is needed whatever the answer is, and all of them
        lead to the same file.
        """
        asked: list[tuple[str, str, Answer]] = []
        for name, packages in doubtful.items():
            if name not in needed and self._same_whatever(packages):
                needed[name] = packages[0]
                unneeded.extend(packages[1:])
            else:
                asked.extend(
                    (f"{package.place} {package}", str(package.marker), self._answer(package.marker))
                    for package in packages
                    if package.marker is not None
                )
        if asked:
            raise self._open(asked)

    def _same_whatever(self, packages: list[LockedPackage]) -> bool:
        from packaging.markers import Marker

        if len(packages) < 2:  # noqa: PLR2004 - two entries split by a marker
            return False
        either = Marker(" or ".join(f"({package.marker})" for package in packages))
        if self._answer(either).truth is not True:
            return False
        for i, package in enumerate(packages):
            for other in packages[i + 1 :]:
                both = Marker(f"({package.marker}) and ({other.marker})")
                if self._answer(both).truth is not False:
                    return False
        choices = [self._choice(package) for package in packages]
        digests = {choice.file.digest if choice.file else None for choice in choices}
        return len(digests) == 1 and None not in digests

    def _check_python(self, packages: Iterable[LockedPackage]) -> None:
        # PEP 751, installation: if `packages.requires-python` is specified, check it; an error must be raised.
        asked: list[tuple[str, str, Answer]] = []
        for package in packages:
            if package.requires_python is None:
                continue
            answer = self._python_answer(package.requires_python)
            if answer.truth is None:
                asked.append(
                    (f"{package.place} {package}", f"requires-python {package.requires_python}", answer)
                )
        if asked:
            raise self._open(asked)

    def _python_answer(self, specifier: SpecifierSet) -> Answer:
        from crossdock.target.markers import satisfies

        text = f"requires-python {specifier}"
        answer = self._answers.get(text)
        if answer is None:
            answer = self._answers[text] = satisfies(specifier, self.target)
        return answer

    def _ambiguous(self, first: LockedPackage, second: LockedPackage) -> LockError:
        # PEP 751, installation: check that no other conflicting instance has been slated to be installed.
        return LockError(
            f"`{self.lock.filename}` has two entries of `{first.name}` for {self._target_name}",
            code="E-LOCK-AMBIGUOUS",
            places=[
                f"{package.place} {package}: {package.marker or 'no marker'}" for package in (first, second)
            ],
            hint="lock again; conflicting extras or groups cannot be chosen together",
        )

    def _open(self, questions: list[tuple[str, str, Answer]]) -> LockError:
        variables = sorted({answer.variable for _, _, answer in questions if answer.variable})
        return LockError(
            f"{self._target_name} leaves open what the lock asks for: {', '.join(variables)}",
            code="E-LOCK-OPEN",
            places=[
                f"{place}: `{text}`" + (f" ({answer.explanation})" if answer.explanation else "")
                for place, text, answer in questions
            ],
            hint=self._setting(variables),
        )

    def _setting(self, variables: list[str]) -> str:
        python = self.target.python
        if set(variables) <= {"python_full_version", "implementation_version"}:
            return f"give the patch version, for example `--python {python.short}.4`"
        names = ", ".join(variables)
        return f"say {names} under `[markers]` in a target file, or with the target's marker overrides"

    def _choice(self, package: LockedPackage) -> Choice:  # noqa: PLR0911 - one for each step of PEP 751
        """Choose the source of one package, in the order of PEP 751's last step."""
        if (
            package.requires_python is not None
            and self._python_answer(package.requires_python).truth is False
        ):
            return self._made(package, Kind.NONE, reason=f"needs Python {package.requires_python}")
        # - If `packages.vcs` is set ...
        if package.vcs is not None:
            return self._made(package, Kind.VCS, reason=_vcs_reason(package))
        # - Else if `packages.directory` is set ...
        if package.directory is not None:
            return self._made(package, Kind.DIRECTORY, reason="a source tree on this disk")
        # - Else if `packages.archive` is set ...
        if package.archive is not None:
            return self._archive(package, package.archive)
        # - Else if there are entries for `packages.wheels`: look for the appropriate wheel file ...
        if self.policy.allows_wheel(package.name):
            best = best_wheel(
                package.wheels,
                tag_ranks(self.target),
                linux=_linux(self.target, self.policy, package.name),
            )
            if best is not None:
                wheel, tag = best
                return self._made(package, Kind.WHEEL, file=wheel, tag=tag, reason=f"best tag {tag}")
        # - Else if no wheel is found or `packages.sdist` is solely set ...
        why = self._no_wheel_reason(package)
        if package.sdist is not None and self.policy.allows_sdist(package.name):
            return self._made(package, Kind.SDIST, file=package.sdist, reason=why)
        if package.sdist is not None:
            why += ", and source distributions are refused by --only-binary"
        else:
            why += ", and no source distribution is locked"
        return self._made(package, Kind.NONE, reason=why)

    def _made(
        self,
        package: LockedPackage,
        kind: Kind,
        *,
        file: LockedFile | None = None,
        tag: str | None = None,
        reason: str,
    ) -> Choice:
        return Choice(
            package=package,
            kind=kind,
            target=self.target,
            policy=self.policy,
            file=file,
            tag=tag,
            reason=reason,
        )

    def _archive(self, package: LockedPackage, archive: LockedFile) -> Choice:
        """Take the archive; one that is a wheel must fit like any other, though PEP 751 does not ask for it."""
        if not isinstance(archive, LockedWheel):
            return self._made(package, Kind.ARCHIVE, file=archive, reason="locked by its URL or path")
        found = best_tag(
            archive, tag_ranks(self.target), linux=_linux(self.target, self.policy, package.name)
        )
        if found is None:
            why = f"{archive.filename} does not fit: {why_not(archive, self.target)}"
            return self._made(package, Kind.NONE, reason=why)
        return self._made(
            package, Kind.ARCHIVE, file=archive, tag=found[1], reason="a wheel locked by its URL or path"
        )

    def _no_wheel_reason(self, package: LockedPackage) -> str:
        if not package.wheels:
            return "no wheel is locked"
        if not self.policy.allows_wheel(package.name):
            return "wheels are refused by --no-binary"
        if len(package.wheels) == 1:
            wheel = package.wheels[0]
            return f"its wheel does not fit ({why_not(wheel, self.target)})"
        nearest = _nearest(package, self.target)
        return f"none of {len(package.wheels)} wheels fits (nearest: {nearest.filename}: {nearest.reason})"


def _linux(target: Target, policy: FormatPolicy, name: str) -> str | None:
    return bare_linux(target) if policy.allows_linux_tag(name) else None


def _vcs_reason(package: LockedPackage) -> str:
    vcs = package.vcs
    where = (vcs.url or vcs.path or "") if vcs else ""
    commit = vcs.commit if vcs else ""
    return f"locked as a repository ({where} at {commit[:12]}), which has no hash to check"


def _nearest(package: LockedPackage, target: Target) -> Rejection:
    """Return the wheel that came nearest, by the fewest and most telling reasons."""
    reasons = [Rejection(wheel.filename, why_not(wheel, target)) for wheel in package.wheels]
    return min(reasons, key=lambda item: (item.reason.count(";"), not item.reason.startswith("needs")))
