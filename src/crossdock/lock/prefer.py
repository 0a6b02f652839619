"""Locks versions that have a wheel for every target, where there are such (`--prefer-wheels`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossdock.errors import LockError
from crossdock.lock.newest import versions_with_wheel
from crossdock.lock.select import Choice, Kind, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.lock.formats import FormatPolicy
    from crossdock.lock.model import Lock
    from crossdock.lock.newest import IndexedFile
    from crossdock.lock.resolve import Resolved, ResolveOptions
    from crossdock.target.model import Target

#: Each round only lowers upper bounds, so it ends by itself; an odd index must not make it long.
MAX_ROUNDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """The lock that was settled on, the bounds that led to it, and what stayed without wheels, in words."""

    resolved: Resolved
    bounds: tuple[str, ...]
    notes: tuple[str, ...]


def prefer_wheels(
    resolve: Callable[[ResolveOptions], Resolved],
    options: ResolveOptions,
    targets: Sequence[Target],
    files_of: Callable[[str], Iterable[IndexedFile]],
    *,
    formats: FormatPolicy | None = None,
) -> Preferred:
    """Resolve again and again, each time with upper bounds for packages that lack a wheel for a target.

    The bound is the newest version at or below the locked one that has a wheel for every target that needs
    the package (`files_of` lists an index's files by package name). A bound that makes the requirements
    unsatisfiable is dropped and noted, and so is a package of which no version has all the wheels.
    """
    search = _Search(resolve, options, files_of)
    resolved = resolve(options)
    for _ in range(MAX_ROUNDS):
        lacking = _lacking(resolved.lock, targets, formats)
        better = search.better(lacking)
        if better is None:
            break
        resolved = better
    return Preferred(
        resolved=resolved,
        bounds=_lines(search.bounds),
        notes=tuple(search.hopeless[name] for name in sorted(search.hopeless)),
    )


class _Search:
    """The bounds found so far, and the packages for which there are none."""

    def __init__(
        self,
        resolve: Callable[[ResolveOptions], Resolved],
        options: ResolveOptions,
        files_of: Callable[[str], Iterable[IndexedFile]],
    ) -> None:
        self._resolve = resolve
        self._options = options
        self._files_of = files_of
        self.bounds: dict[str, str] = {}
        self.hopeless: dict[str, str] = {}

    def better(self, lacking: Mapping[str, Sequence[Choice]]) -> Resolved | None:
        """Return a resolution with further bounds, None if no bound helps any more."""
        found = self._new_bounds(lacking)
        if not found:
            return None
        together = self._try({**self.bounds, **found})
        if together is not None:
            self.bounds |= found
            return together
        return self._one_by_one(found)

    def _new_bounds(self, lacking: Mapping[str, Sequence[Choice]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, choices in lacking.items():
            if name in self.hopeless:
                continue
            bound = _bound(choices, self._files_of(name))
            if bound is None:
                self.hopeless[name] = f"`{name}` has no older version with wheels for {_targets(choices)}"
            elif bound == self.bounds.get(name):
                self.hopeless[name] = f"`{name}` {bound} has the wheels, but the lock leaves them out"
            else:
                found[name] = bound
        return found

    def _one_by_one(self, found: Mapping[str, str]) -> Resolved | None:
        last: Resolved | None = None
        for name, bound in found.items():
            resolved = self._try({**self.bounds, name: bound})
            if resolved is None:
                self.hopeless[name] = f"`{name}` {bound} has the wheels, but the requirements rule it out"
            else:
                self.bounds[name] = bound
                last = resolved
        return last

    def _try(self, bounds: Mapping[str, str]) -> Resolved | None:
        options = replace(self._options, constraints=(*self._options.constraints, *_lines(bounds)))
        try:
            return self._resolve(options)
        except LockError as error:
            if error.code in ("E-LOCK-RESOLVE", "E-LOCK-BUILD"):
                return None
            raise


def _lines(bounds: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}<={version}" for name, version in sorted(bounds.items()))


def _lacking(lock: Lock, targets: Sequence[Target], formats: FormatPolicy | None) -> dict[str, list[Choice]]:
    """Return the choices without a wheel by package, with all the lock's extras and groups."""
    found: dict[str, list[Choice]] = {}
    for target in targets:
        selection = select(lock, target, extras=lock.extras, groups=lock.dependency_groups, formats=formats)
        for choice in selection.choices:
            if choice.kind in (Kind.SDIST, Kind.NONE) and choice.version is not None:
                found.setdefault(choice.name, []).append(choice)
    return dict(sorted(found.items()))


def _bound(choices: Sequence[Choice], files: Iterable[IndexedFile]) -> str | None:
    """Return the newest version, older than the locked ones, that serves all the choices' targets."""
    from packaging.version import Version

    listed = list(files)
    serving: set[str] | None = None
    for choice in choices:
        versions = {found.version for found in versions_with_wheel(listed, choice.target)}
        serving = versions if serving is None else serving & versions
    locked = min(Version(choice.version) for choice in choices if choice.version)
    older = [version for version in map(Version, serving or ()) if version < locked]
    stable = [version for version in older if not version.is_prerelease]
    return str(max(stable or older)) if older else None


def _targets(choices: Sequence[Choice]) -> str:
    return ", ".join(choice.target.name or "the target" for choice in choices)
