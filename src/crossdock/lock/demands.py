"""What the packages of a selection ask of one of them, and which versions they allow (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from crossdock.lock.newest import Newest
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """That a package, such as `scipy 1.16.3`, asks for versions of another."""

    who: str
    name: str
    specifier: SpecifierSet

    def allows(self, version: str) -> bool:
        """Tell whether a version will do; a pre-release that is locked anyway counts as any other."""
        return self.specifier.contains(version, prereleases=True)

    def __str__(self) -> str:
        return f"{self.who} asks for {self.name}{self.specifier}"


def demands_of(who: str, requires: Iterable[str], target: Target) -> list[Demand]:
    """Return what Requires-Dist lines of a package ask of others on `target`; extras of it are not asked for."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found = []
    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            # Old uploads carry broken ones; whoever installs them reads past them too.
            continue
        if requirement.specifier and _holds(requirement.marker, target):
            name = canonicalize_name(requirement.name)
            found.append(Demand(who=who, name=name, specifier=requirement.specifier))
    return found


def _holds(marker: Marker | None, target: Target) -> bool:
    """Tell whether a requirement is one on the target: not if the target leaves it open."""
    if marker is None:
        return True
    from crossdock.errors import TargetError
    from crossdock.target.markers import evaluate

    try:
        return evaluate(marker, target, context="metadata").truth is True
    except TargetError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Which version to take instead: `newest`, None if there is none, and what stands against it.

    `against` are the demands that the version does not meet; `held` those for which a newer one was passed over.
    """

    newest: Newest | None
    against: tuple[Demand, ...] = ()
    held: tuple[Demand, ...] = ()


def advise(versions: Sequence[Newest], demands: Sequence[Demand]) -> Advice:
    """Return the first of `versions` (the newest first) that all demands allow, else the first with what forbids it."""
    if not versions:
        return Advice(newest=None)
    first = versions[0]
    against = tuple(one for one in demands if not one.allows(first.version))
    for version in versions:
        if all(one.allows(version.version) for one in demands):
            return Advice(newest=version, held=against)
    return Advice(newest=first, against=against)
