"""What is asked for, and the packages that it came to: values that a lock can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError
from crossdock.safepath import PathRules, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PinnedPackage:
    """A package that was chosen: enough to have the same bytes again, from any mirror."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    filename: str
    #: The archive that had it.
    suite: str
    #: The group of roots that it was added for.
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """All packages of a base for one architecture, by name; `roots` are those that were asked for."""

    roots: tuple[str, ...]
    packages: tuple[PinnedPackage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "roots": list(self.roots),
            "packages": [
                {field: getattr(one, field) for field in PinnedPackage.__dataclass_fields__}
                for one in self.packages
            ],
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` gave; raise `FetchError` (E-DEBIAN-PINNED) for anything else."""
        try:
            packages = tuple(PinnedPackage(**one) for one in value["packages"])
            for one in packages:
                Digest("sha256", one.sha256)
                parse_member_path(one.filename, PathRules.POSIX)
                parse_member_path(one.name, PathRules.POSIX)
                texts = (one.name, one.version, one.architecture, one.suite, one.group)
                if any(type(text) is not str for text in texts) or type(one.size) is not int or one.size < 0:
                    raise ValueError(one.name)  # noqa: TRY301  # one text for all
            return cls(roots=tuple(map(str, value["roots"])), packages=packages)
        except (LookupError, TypeError, ValueError, AttributeError, CrossdockError) as error:
            raise FetchError(
                "the pinned packages of the base cannot be read",
                code="E-DEBIAN-PINNED",
                hint="renew them by `--update-base`",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: roots by group, each group seeing what those before it came to.

    `optional` roots, by group as well, are taken where the archives have them. `without`: see `closure`.
    """

    groups: Mapping[str, Sequence[str]]
    optional: Mapping[str, Sequence[str]]
    without: Mapping[str, frozenset[str]]
    architecture: str

    @property
    def roots(self) -> tuple[str, ...]:
        """All that must be there, by name."""
        return tuple(sorted({name for names in self.groups.values() for name in names}))

    def key(self) -> list[object]:
        """Return what the answer depends on, in an order of its own."""
        return [
            [(group, *names) for group, names in self.groups.items()],
            sorted((group, *names) for group, names in self.optional.items()),
            sorted((name, *sorted(names)) for name, names in self.without.items()),
            self.architecture,
        ]
