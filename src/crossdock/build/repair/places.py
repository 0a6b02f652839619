"""Where a wheel's files lie once installed, as far as it is known which lie beside which.

Binary distribution format, "The .data directory": purelib and platlib become the directory of imports; `data` is the
prefix, and what leads from there to the imports differs; where scripts go is not known at all.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATA = re.compile(r"(?P<root>[^/]+\.data/(?P<scheme>[a-z]+)/)(?P<inner>.+)")
_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?P<rest>$|/.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file of a wheel: `member` is its name there, `inner` its path below `root`.

    Files of one root lie beside one another once installed; the root of all that is imported is empty.
    """

    member: str
    root: str
    inner: str
    is_script: bool = False

    def to(self, directory: str) -> str:
        """Return the search path's entry that leads from the file to a directory below its root."""
        way = posixpath.relpath(directory or ".", posixpath.dirname(self.inner) or ".")
        return "$ORIGIN" if way == "." else f"$ORIGIN/{way}"

    def resolve(self, entry: str) -> str:
        """Return the directory below the root that an entry of the search path means."""
        found = _ORIGIN.fullmatch(entry)
        rest = found["rest"] if found else ""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.inner), f".{rest}"))


def place_of(member: str) -> Place:
    """Return where a member of a wheel goes."""
    found = _DATA.fullmatch(member)
    if found is None:
        return Place(member=member, root="", inner=member)
    if found["scheme"] in {"purelib", "platlib"}:
        return Place(member=member, root="", inner=found["inner"])
    return Place(
        member=member, root=found["root"], inner=found["inner"], is_script=found["scheme"] == "scripts"
    )


def relative_rpath(rpath: Sequence[str], place: Place) -> list[str]:
    """Return the entries that start at the file itself and stay below its root: others are of this machine."""
    kept = []
    for entry in rpath:
        leads_out = place.resolve(entry).partition("/")[0] == ".."
        if _ORIGIN.fullmatch(entry) and not leads_out:
            kept.append(entry)
    return kept
