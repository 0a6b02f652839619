"""Which forms of a package are allowed: pip's `--only-binary` and `--no-binary`, per package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = ":all:"
NONE = ":none:"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatPolicy:
    """Sets of normalized names, or `:all:`; a name counts before `:all:`, as with pip.

    `linux_tags` are the packages whose wheels may carry a bare `linux_<arch>` tag. Such a tag says only that
    the wheel was built somewhere, so nobody's wheel is chosen by it unless the user named the package.
    """

    only_binary: frozenset[str] = frozenset()
    no_binary: frozenset[str] = frozenset()
    linux_tags: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls,
        *,
        only_binary: Iterable[str] = (),
        no_binary: Iterable[str] = (),
        linux_tags: Iterable[str] = (),
    ) -> Self:
        """Read the values of the options, each one a comma-separated list, in the order they were given.

        `:none:` empties what was collected so far. Raises `UsageError` for what is no package name.
        """
        return cls(
            only_binary=_names("--only-binary", only_binary),
            no_binary=_names("--no-binary", no_binary),
            linux_tags=_names("--allow-linux-tag", linux_tags),
        )

    def allows_wheel(self, name: str) -> bool:
        """Tell whether a wheel may be chosen for the package with this normalized name."""
        if name in self.only_binary:
            return True
        return name not in self.no_binary and (ALL not in self.no_binary or ALL in self.only_binary)

    def allows_sdist(self, name: str) -> bool:
        """Tell whether a source distribution may be chosen for the package with this normalized name."""
        if name in self.only_binary:
            return False
        return name in self.no_binary or ALL not in self.only_binary

    def allows_linux_tag(self, name: str) -> bool:
        """Tell whether a bare `linux_<arch>` tag may be believed for this package."""
        return name in self.linux_tags or ALL in self.linux_tags


def _names(option: str, values: Iterable[str]) -> frozenset[str]:
    names: set[str] = set()
    for value in values:
        for item in filter(None, map(str.strip, value.split(","))):
            if item == NONE:
                names.clear()
            elif item == ALL:
                names.add(ALL)
            elif _NAME.fullmatch(item):
                names.add(re.sub(r"[-_.]+", "-", item).lower())
            else:
                raise UsageError(
                    f"not a package name for `{option}`: `{item}`",
                    code="E-USAGE-FORMAT",
                    hint=f"give names separated by commas, `{ALL}` or `{NONE}`",
                )
    return frozenset(names)
