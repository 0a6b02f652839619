"""A wheelhouse as values: the distributions in it, and what each lock needs of them for its targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A wheel or source distribution in the wheelhouse, with what an index says of it.

    `name` is normalized (PEP 503); `size` is in bytes; `upload_time` is as the first index wrote it (PEP 700), empty
    where nobody said. `metadata` is the SHA-256 in hex of the METADATA that lies beside a wheel (PEP 658), empty where
    none does. `yanked` is None for a file that is not yanked, else the reason, which may be empty (PEP 592).
    `provenance` is the URL of the first index's provenance (PEP 740), empty where none is known. `built_from` is set
    for what was built here: `{"filename": .., "sha256": ..}` of the source distribution.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: int
    requires_python: str = ""
    upload_time: str = ""
    yanked: str | None = None
    metadata: str = ""
    provenance: str = ""
    built_from: Mapping[str, str] | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; everything else is a source distribution."""
        return self.filename.endswith(".whl")

    @property
    def path(self) -> str:
        """Where it lies below the wheelhouse, with forward slashes."""
        return f"files/{self.name}/{self.filename}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What one lock needs: the names of its targets, and the paths of its distributions, sorted.

    `sha256` is that of its file in the wheelhouse, in hex. `origin` says whose lock it is, the same after each update.
    Either is empty in a wheelhouse that was written before it was told.
    """

    targets: tuple[str, ...]
    paths: tuple[str, ...]
    sha256: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that is in a wheelhouse: distributions by path, and who needs them by the name of their lock."""

    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    locks: Mapping[str, Needed] = field(default_factory=dict)
