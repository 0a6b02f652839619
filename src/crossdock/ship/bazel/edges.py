"""Who needs whom for one target: what the wheels' METADATA asks for, as far as the lock has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from crossdock.errors import TargetError
from crossdock.target.markers import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crossdock.target.model import Target

#: How a marker asks for an extra, either way round.
_EXTRA = re.compile(r"""\bextra == ["']([^"']+)["']|["']([^"']+)["'] == extra\b""")


@dataclass(frozen=True, slots=True)
class Edges:
    """What each package needs, and which of its extras are wanted; both sorted, of packages with any."""

    needs: dict[str, tuple[str, ...]]
    extras: dict[str, tuple[str, ...]]


def edges_of(
    requires: Mapping[str, Sequence[str]], target: Target, roots: Iterable[Requirement] = ()
) -> Edges:
    """Return, for each package that `target` takes, the packages it needs, and the extras that are wanted.

    `requires` is Requires-Dist by package, for all packages of the target; `roots` is what the user asked for, as far as
    that is known. Extras that these ask for, and those that packages ask for in turn, count (PEP 508). A package that
    nothing leads to so is there for an extra that no one told of, if there is one all of whose needs are locked.
    """
    graph = _Graph(requires, target)
    graph.follow(roots)
    graph.follow_rest()
    needs = {package: tuple(sorted(found)) for package, found in sorted(graph.needs.items()) if found}
    extras: dict[str, tuple[str, ...]] = {}
    for package, extra in sorted(graph.wanted):
        if extra:
            extras[package] = (*extras.get(package, ()), extra)
    return Edges(needs, extras)


class _Graph:
    """The packages of one target, and which of their extras are wanted."""

    def __init__(self, requires: Mapping[str, Sequence[str]], target: Target) -> None:
        self._target = target
        self._requires = {
            package: [one for line in lines if (one := _parsed(line)) is not None]
            for package, lines in requires.items()
        }
        self.wanted: set[tuple[str, str]] = set()
        self.needs: dict[str, set[str]] = {package: set() for package in requires}

    def follow(self, roots: Iterable[Requirement]) -> None:
        """Want what `roots` ask for, and all that this needs."""
        todo = list(self._wants(roots, ""))
        while todo:
            package, extra = todo.pop()
            if (package, extra) in self.wanted:
                continue
            self.wanted.add((package, extra))
            for needed, wanted in self._wants(self._requires[package], extra):
                if needed != package:
                    self.needs[package].add(needed)
                todo.append((needed, wanted))

    def follow_rest(self) -> None:
        """Want every package: first those that nothing needs, then those that only an extra explains."""
        every = self._requires.keys()
        plain = {package: self._names(package, "") for package in every}
        optional = list(self._whole_extras())
        needed = set[str]().union(*plain.values(), *(names for _package, _extra, names in optional))
        self._follow_names(sorted(every - needed - self._reached()))
        while rest := sorted(every - self._reached()):
            told = [
                (package, extra)
                for package, extra, names in optional
                if package in self._reached() and not names.isdisjoint(rest)
            ]
            if told:
                self.follow(Requirement(f"{package}[{extra}]") for package, extra in told)
            else:
                self._follow_names(rest[:1])

    def _follow_names(self, names: Iterable[str]) -> None:
        self.follow(Requirement(name) for name in names)

    def _reached(self) -> set[str]:
        return {package for package, _extra in self.wanted}

    def _whole_extras(self) -> Iterator[tuple[str, str, set[str]]]:
        """Give the extras whose every need is locked: package, extra, and what it needs beyond the package's own needs."""
        for package, requirements in self._requires.items():
            plain = [one for one in requirements if self._holds(one, "")]
            for extra in _extras(requirements):
                wanted = [one for one in requirements if one not in plain and self._holds(one, extra)]
                names = {_name(one) for one in wanted}
                if names and names <= self._requires.keys():
                    yield package, extra, names - {package}

    def _names(self, package: str, extra: str) -> set[str]:
        return {name for name, _extra in self._wants(self._requires[package], extra)} - {package}

    def _wants(self, requirements: Iterable[Requirement], extra: str) -> Iterator[tuple[str, str]]:
        """Give the locked packages that requirements ask for, each alone and with every extra of it."""
        for one in requirements:
            name = _name(one)
            if name in self._requires and self._holds(one, extra):
                yield name, ""
                yield from ((name, str(canonicalize_name(wanted))) for wanted in one.extras)

    def _holds(self, requirement: Requirement, extra: str) -> bool:
        """Tell whether a requirement is one for the target; one that cannot be told is taken as one."""
        if requirement.marker is None:
            return True
        try:
            return evaluate(requirement.marker, self._target, extra=extra).truth is not False
        except TargetError:
            return True


@lru_cache(maxsize=65536)
def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None  # Old metadata; whoever resolved the lock could not read it either.


def _name(requirement: Requirement) -> str:
    return str(canonicalize_name(requirement.name))


def _extras(requirements: Iterable[Requirement]) -> list[str]:
    """Return the extras that markers ask for, normalized (PEP 685)."""
    texts = [str(one.marker) for one in requirements if one.marker is not None]
    return sorted({name for text in texts for name in _names(text)})


@lru_cache(maxsize=65536)
def _names(marker: str) -> tuple[str, ...]:
    return tuple(str(canonicalize_name(before or after)) for before, after in _EXTRA.findall(marker))


def circles_of(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of packages that need each other in a circle: Bazel's graph may have none.

    They are the strongly connected components of more than one package (Tarjan), each sorted.
    """
    return tuple(sorted(group for group in _Components(needs).found if len(group) > 1))


class _Components:
    """Strongly connected components, found without recursion: chains of packages may be long."""

    def __init__(self, needs: Mapping[str, Sequence[str]]) -> None:
        self.found: list[tuple[str, ...]] = []
        self._needs = needs
        self._order: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._stack: list[str] = []
        self._on_stack: set[str] = set()
        for package in sorted(needs):
            if package not in self._order:
                self._visit(package)

    def _visit(self, start: str) -> None:
        work = [(start, iter(self._begin(start)))]
        while work:
            package, rest = work[-1]
            following = next((one for one in rest if self._look(package, one)), None)
            if following is not None:
                work.append((following, iter(self._begin(following))))
                continue
            work.pop()
            if work:
                above = work[-1][0]
                self._low[above] = min(self._low[above], self._low[package])
            if self._low[package] == self._order[package]:
                self._close(package)

    def _begin(self, package: str) -> Sequence[str]:
        self._order[package] = self._low[package] = len(self._order)
        self._stack.append(package)
        self._on_stack.add(package)
        return self._needs.get(package, ())

    def _look(self, package: str, other: str) -> bool:
        """Tell whether `other` is to be visited; take note of a way back."""
        if other not in self._order:
            return True
        if other in self._on_stack:
            self._low[package] = min(self._low[package], self._order[other])
        return False

    def _close(self, package: str) -> None:
        group: list[str] = []
        while not group or group[-1] != package:
            group.append(self._stack.pop())
            self._on_stack.discard(group[-1])
        self.found.append(tuple(sorted(group)))
