"""What a target gets from a lock, package by package, and why (PEP 751, installation; pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from crossdock.errors import LockError
from crossdock.lock.formats import FormatPolicy
from crossdock.lock.model import Lock, LockedFile, LockedPackage, LockedWheel, Rejection
from crossdock.lock.needed import Answers, Asked, check_lock, needed_packages
from crossdock.lock.paths import without_credentials
from crossdock.lock.rank import bare_linux, best_tag, best_wheel, tag_ranks
from crossdock.lock.why import why_not

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

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
    asked = Asked(
        lock=lock,
        target=target,
        extras=_normalized(extras),
        groups=_normalized(lock.default_groups if groups is None else groups),
    )
    answers = Answers(asked=asked)
    check_lock(asked, answers)
    chooser = _Chooser(target=target, policy=formats or FormatPolicy(), answers=answers)
    needed, unneeded = needed_packages(asked, answers, chooser.outcome)
    return Selection(
        target=target,
        choices=tuple(chooser.choice(package) for package in needed),
        unneeded=unneeded,
        extras=asked.extras,
        groups=asked.groups,
        notes=lock.notes,
    )


def _normalized(names: Collection[str]) -> frozenset[str]:
    from packaging.utils import canonicalize_name

    return frozenset(canonicalize_name(name) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chooser:
    """Chooses the file of one package after another for one target."""

    target: Target
    policy: FormatPolicy
    answers: Answers

    def outcome(self, package: LockedPackage) -> object:
        """Tell what would be shipped, None if nothing: equal outcomes are the same file."""
        file = self.choice(package).file
        return None if file is None else file.digest

    def choice(self, package: LockedPackage) -> Choice:  # noqa: PLR0911 - one for each step of PEP 751
        """Choose the source of one package, in the order of PEP 751's last step."""
        if (
            package.requires_python is not None
            and self.answers.of_python(package.requires_python).truth is False
        ):
            return self._made(package, Kind.NONE, reason=f"needs Python {package.requires_python}")
        # - If `packages.vcs` is set ...
        if package.vcs is not None:
            return self._made(package, Kind.VCS, reason=_vcs_reason(package))
        # - Else if `packages.directory` is set ...
        if package.directory is not None:
            if not self.policy.allows_sdist(package.name):
                return self._made(
                    package, Kind.NONE, reason="a source tree, which --only-binary refuses to build"
                )
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
            if not self.policy.allows_sdist(package.name):
                why = f"{archive.filename} is a source distribution, which --only-binary refuses to build"
                return self._made(package, Kind.NONE, reason=why)
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
    where = (without_credentials(vcs.url) if vcs.url else vcs.path or "") if vcs else ""
    commit = vcs.commit if vcs else ""
    return f"locked as a repository ({where} at {commit[:12]}), which has no hash to check"


def _nearest(package: LockedPackage, target: Target) -> Rejection:
    """Return the wheel that came nearest, by the fewest and most telling reasons."""
    reasons = [Rejection(wheel.filename, why_not(wheel, target)) for wheel in package.wheels]
    return min(reasons, key=lambda item: (item.reason.count(";"), not item.reason.startswith("needs")))
