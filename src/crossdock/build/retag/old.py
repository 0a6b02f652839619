"""The wheel as it came: what its name claims, what its WHEEL states, what a new one cannot keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossdock.build.canonical import members_of
from crossdock.build.produced import LIMITS
from crossdock.build.repair.survey import Contents
from crossdock.build.retag.places import parse_platform, promises

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.archive.wheel import Wheel
    from crossdock.build.repair.pythons import Pair
    from crossdock.build.retag.places import Place, Version


class Old(NamedTuple):
    """A wheel to be retagged: `named` are the tags of its file name, `stated` those of WHEEL; `lost` is for people."""

    filename: str
    contents: Contents
    pairs: tuple[Pair, ...]
    platforms: tuple[str, ...]
    stated: frozenset[str]
    named: frozenset[str]
    purelib: bool
    lost: tuple[str, ...]

    @property
    def claimed(self) -> dict[Place, Version | None]:
        """What its platforms promise."""
        known = (parse_platform(tag) for tag in self.platforms)
        return promises(one for one in known if one is not None and not one.bare)

    @property
    def is_exact(self) -> bool:
        """Whether its platform tags say what `claimed` says, and no more."""
        known = [parse_platform(tag) for tag in self.platforms]
        return all(one is not None and not one.bare for one in known)


def read_old(path: Path) -> Old:
    """Read a wheel whole, every byte against RECORD; raise `ArchiveError` for one that is not sound.

    Its name may have other tags than its WHEEL: that is how a wheel renamed by hand looks.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules
    from crossdock.store.mapped import mapped

    with Wheel.open(
        mapped(path), path.name, rules=PathRules.POSIX, limits=LIMITS, allow_other_tags=True
    ) as wheel:
        contents = Contents(
            dist_info=wheel.dist_info,
            name=wheel.filename.name,
            version=wheel.filename.version,
            build=wheel.filename.build,
            members={one.name: one for one in members_of(wheel)},
        )
        # A file name says each of its Pythons with each of its ABIs on each of its platforms.
        named = {tuple(tag.split("-")) for tag in wheel.filename.tag_names}
        return Old(
            filename=path.name,
            contents=contents,
            pairs=tuple(sorted({(python, abi) for python, abi, _ in named})),
            platforms=tuple(sorted({platform for *_, platform in named})),
            stated=wheel.stated_tags,
            named=wheel.filename.tag_names,
            purelib=wheel.root_is_purelib,
            lost=_lost(wheel),
        )


def _lost(wheel: Wheel) -> tuple[str, ...]:
    """Say what a wheel that is written anew cannot keep."""
    names = {str(member.name) for member in wheel.archive.members}
    signed = [one for one in ("RECORD.jws", "RECORD.p7s") if f"{wheel.dist_info}/{one}" in names]
    lost = [f"{', '.join(signed)} signed the old RECORD, and is left out"] if signed else []
    if wheel.dropped:
        lost.append(
            f"bytecode in __pycache__ ({len(wheel.dropped)} files) is left out: it is never installed"
        )
    return tuple(lost)
