"""What an upload to an index would do: each file compared by its hash with what the index lists (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossdock.net.pages import ProjectFile
    from crossdock.ship.wheelhouse.model import Distribution


class Fate(StrEnum):
    """What is to become of a file."""

    UPLOAD = "upload"
    SAME = "same"  # the index has these very bytes
    CONFLICT = "conflict"  # the index has other bytes under this name
    UNKNOWN = "unknown"  # the index has the name and tells no hash to compare


class Outcome(StrEnum):
    """What became of a file."""

    UPLOADED = "uploaded"  # and the index lists it with our bytes
    THERE = "was there"  # with our bytes
    SKIPPED = "skipped"  # the index has other bytes or tells no hash, and the user wants them left
    UNPROVEN = "unproven"  # the index took it, and does not list it or tells no hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A distribution and its fate; `listed` is the hash that the index tells of its name, empty where none."""

    distribution: Distribution
    fate: Fate
    listed: str = ""


def plan_uploads(
    distributions: Iterable[Distribution], listed: Mapping[str, Iterable[ProjectFile]]
) -> list[Planned]:
    """Return the fate of each distribution by what an index lists of its project: wheels first, sdists last.

    A client that sees a release half uploaded must find its wheels, not compile.
    """
    ordered = sorted(distributions, key=lambda one: (not one.is_wheel, one.name, one.filename))
    return [_planned(one, listed.get(one.name, ())) for one in ordered]


def _planned(one: Distribution, files: Iterable[ProjectFile]) -> Planned:
    there = next((file for file in files if file.filename == one.filename), None)
    if there is None:
        return Planned(distribution=one, fate=Fate.UPLOAD)
    known = there.hashes.get("sha256", "")
    if not known:
        return Planned(distribution=one, fate=Fate.UNKNOWN)
    return Planned(distribution=one, fate=Fate.SAME if known == one.sha256 else Fate.CONFLICT, listed=known)
