"""Places that run functions from a zip: layout, limits and dates of each runtime, as places.toml or a file says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.target.names import preset_target
from crossdock.target.presets import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from crossdock.target.model import Arch, Python, Target
    from crossdock.target.presets import Preset

__all__ = ["Limits", "Place", "Runtime", "RuntimeTable", "deprecation_notes", "place_of", "read_table"]

#: AWS writes to the owners of functions this many days before a runtime is deprecated (Lambda's runtime policy).
_NOTICE_DAYS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a place takes at most, in bytes; None where it states nothing.

    `unzipped` is a function with all its layers; `unzipped_exclusive` says that it must be smaller than that.
    """

    zipped: int | None = None
    unzipped: int | None = None
    unzipped_exclusive: bool = False
    layers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One runtime of a place. Dates are None where none is known; `task_root` is empty where it is not documented.

    `kind` is `lambda`, `agentcore`, `gcf` or `azure-functions`, and `name` the preset's name, `lambda-python3.12`.
    `layout` says where packages lie in the zip: `root`, `site-packages` (`.python_packages/lib/site-packages`) or
    `wheels` (a directory of wheels and a requirements.txt). The zip is unpacked at `task_root`, layers at `layer_root`.
    `provided` are the normalized names of packages that the runtime has.
    """

    kind: str
    name: str
    os: str
    layout: str
    task_root: str = ""
    layer_root: str = ""
    limits: Limits = Limits()
    deprecated: date | None = None
    create_blocked: date | None = None
    update_blocked: date | None = None
    provided: tuple[str, ...] = ()
    remark: str = ""
    source: str = ""
    read: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A place and the preset of targets there, whatever presets.toml knows."""

    place: Place
    preset: Preset


@dataclass(frozen=True, kw_only=True)
class RuntimeTable:
    """Every runtime, by place and Python version."""

    runtimes: tuple[Runtime, ...]

    @cached_property
    def _places(self) -> dict[str, Place]:
        return {runtime.place.name: runtime.place for runtime in self.runtimes}

    @cached_property
    def _names(self) -> Mapping[str, tuple[Preset, Arch | None]]:
        return names_of(runtime.preset for runtime in self.runtimes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all runtimes, with their architecture as the place writes it."""
        return tuple(
            f"{runtime.preset.name}-{runtime.preset.arch_word(arch)}"
            for runtime in self.runtimes
            for arch in runtime.preset.arches
        )

    def place(self, name: str) -> Place | None:
        """Return the place with this name (`lambda-python3.12`), None if there is none."""
        return self._places.get(name)

    def target(self, name: str, *, default_python: Python | None = None) -> Target | None:
        """Return the target of a runtime's name, with or without architecture; None if it is no runtime's.

        `default_python` may add the patch version. What a file says of a runtime goes before presets.toml.
        """
        found = self._names.get(name.strip().lower())
        return None if found is None else preset_target(*found, name.strip(), default_python)

    def targets(self) -> dict[str, Target]:
        """Return the target of every runtime by its name with architecture."""
        found = {name: self.target(name) for name in self.names}
        return {name: target for name, target in found.items() if target is not None}


def read_table(path: Path | None = None) -> RuntimeTable:
    """Return the built-in table, or with the entries of the TOML file `path` over it.

    Raises `UsageError` (E-BUNDLE-RUNTIMES) for a file that cannot be read or has something that is no entry.
    """
    from crossdock.ship.bundle.places_read import built_in, laid_over

    return RuntimeTable(runtimes=built_in() if path is None else laid_over(path))


def place_of(target: Target, *, table: RuntimeTable) -> Place:
    """Return the place that a target is; raise `UsageError` (E-BUNDLE-PLACE) for one that is none.

    Told by the preset that the target was read from: a bare platform may have the same Python and glibc, but says
    nothing of layout and limits.
    """
    place = table.place(target.preset)
    if place is None:
        raise UsageError(
            f"`{target.name or target.key[:12]}` is no place that runs functions from a zip",
            code="E-BUNDLE-PLACE",
            places=[", ".join(runtime.place.name for runtime in table.runtimes)],
            hint="name a runtime, for example `--for lambda-python3.12-arm64`; `crossdock runtimes` lists them",
        )
    return place


def deprecation_notes(place: Place, today: date) -> tuple[str, ...]:
    """Return what users should know of the runtime's end on a day: nothing until 180 days before it."""
    deprecated = place.deprecated
    if deprecated is None or (deprecated - today).days > _NOTICE_DAYS:
        return ()
    begun = today >= deprecated
    first = f"{place.name} {'is deprecated since' if begun else 'will be deprecated on'} {deprecated}"
    ends = [
        f"no {what} {'since' if today >= day else 'from'} {day}{'' if today >= day else ' on'}"
        for what, day in (("new functions", place.create_blocked), ("updates", place.update_blocked))
        if day is not None
    ]
    source = f" ({place.source})" if place.source else ""
    return (": ".join(filter(None, [first, ", ".join(ends)])) + source,)
