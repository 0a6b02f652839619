"""What a few packages need, all of it: no solver, since of each name only the newest version counts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from crossdock.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crossdock.net.debian.packages import Package, Universe
    from crossdock.net.debian.relations import Relation

#: More packages than a whole desktop has.
_MOST = 5000


def closure(
    groups: Mapping[str, Sequence[str]],
    universe: Universe,
    *,
    architecture: str,
    without: Mapping[str, frozenset[str]],
) -> dict[str, list[Package]]:
    """Return the packages that each group of roots adds to what the groups before it came to, by name.

    Of alternatives one that is chosen already is taken, else the first that there is. `without` names, for a
    package or for all (`*`), dependencies that only its installation scripts need, which do not run here.
    Packages that Debian calls essential are not added by themselves. Raise `FetchError`: E-DEBIAN-PACKAGE for a
    root that is not there, E-DEBIAN-UNMET, E-DEBIAN-CONFLICT.
    """
    search = _Search(universe, architecture, without)
    added: dict[str, list[Package]] = {}
    for group, roots in groups.items():
        before = set(search.chosen)
        for name in roots:
            search.add_root(name)
        search.run()
        added[group] = [search.chosen[name] for name in sorted(search.chosen.keys() - before)]
    search.check_conflicts([search.chosen[name] for name in sorted(search.chosen)])
    return added


class _Search:
    def __init__(self, universe: Universe, architecture: str, without: Mapping[str, frozenset[str]]) -> None:
        self._universe = universe
        self._architecture = architecture
        self._without = without
        self.chosen: dict[str, Package] = {}
        self._provided: dict[str, list[tuple[Package, Relation]]] = {}
        #: What leaves no choice comes first, so that alternatives see as much as possible.
        self._plain: deque[tuple[Package, tuple[Relation, ...]]] = deque()
        self._open: deque[tuple[Package, tuple[Relation, ...]]] = deque()

    def add_root(self, name: str) -> None:
        package = self._universe.newest(name)
        if package is None:
            providers = self._universe.providers(name)
            raise FetchError(
                f"there is no package `{name}` for {self._architecture}",
                code="E-DEBIAN-PACKAGE",
                places=[f"provided by `{one.name}`" for one in providers[:5]],
                hint="is the name right, and its suite and component among the archives?",
            )
        self._choose(package)

    def run(self) -> None:
        while self._plain or self._open:
            package, group = self._plain.popleft() if self._plain else self._open.popleft()
            self._meet(package, group)

    def _choose(self, package: Package) -> None:
        if package.name in self.chosen:
            return
        if len(self.chosen) >= _MOST:
            raise FetchError(f"more than {_MOST} packages are needed", code="E-DEBIAN-UNMET")
        self.chosen[package.name] = package
        for provided in package.provides:
            self._provided.setdefault(provided.name, []).append((package, provided))
        left_out = self._without.get("*", frozenset()) | self._without.get(package.name, frozenset())
        for group in package.depends:
            if not any(relation.name in left_out for relation in group):
                (self._plain if len(group) == 1 else self._open).append((package, group))

    def _meet(self, package: Package, group: tuple[Relation, ...]) -> None:
        if any(self._is_met(relation) for relation in group):
            return
        for relation in group:
            found = self._universe.newest(relation.name)
            if found is not None and self._fits(found, relation):
                self._choose(found)
                return
        for relation in group:
            for provider in self._universe.providers(relation.name):
                if any(_provides(one, relation) for one in provider.provides):
                    self._choose(provider)
                    return
        wanted = " | ".join(map(str, group))
        there = [self._universe.newest(relation.name) for relation in group]
        raise FetchError(
            f"`{package}` needs `{wanted}`, which there is not for {self._architecture}",
            code="E-DEBIAN-UNMET",
            places=[f"there is `{one}`" for one in there if one is not None],
            hint="the archives do not fit together: are updates and security fixes among them?",
        )

    def _is_met(self, relation: Relation) -> bool:
        found = self.chosen.get(relation.name)
        if found is not None and self._fits(found, relation):
            return True
        return any(_provides(one, relation) for _package, one in self._provided.get(relation.name, ()))

    def _fits(self, package: Package, relation: Relation) -> bool:
        if relation.qualifier not in {"", "any", "native", self._architecture}:
            return False
        return relation.admits(package.version)

    def check_conflicts(self, chosen: list[Package]) -> None:
        for package in chosen:
            for relation in package.conflicts:
                if relation.qualifier not in {"", "any", "native", self._architecture}:
                    continue
                for other in self._hit(relation):
                    if other.name != package.name:
                        raise FetchError(
                            f"`{package}` and `{other}` cannot be in one image: the first conflicts with `{relation}`",
                            code="E-DEBIAN-CONFLICT",
                            hint="leave one of them out",
                        )

    def _hit(self, relation: Relation) -> Iterable[Package]:
        found = self.chosen.get(relation.name)
        if found is not None and relation.admits(found.version):
            yield found
        for package, provided in self._provided.get(relation.name, ()):
            if _provides(provided, relation):
                yield package


def _provides(provided: Relation, wanted: Relation) -> bool:
    """Tell whether a provided name meets a dependency: one on a version needs a version (policy, 7.5)."""
    if provided.name != wanted.name:
        return False
    return not wanted.operator or (bool(provided.version) and wanted.admits(provided.version))
