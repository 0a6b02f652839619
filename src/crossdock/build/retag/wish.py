"""What a user asks a wheel to be called, and whether that is true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Self

from crossdock.build.retag.code import heaviest, words_of
from crossdock.build.retag.floors import beyond
from crossdock.build.retag.places import Place, Platform, is_looked_for, parse_platform, promises
from crossdock.errors import UsageError
from crossdock.target.model import LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossdock.build.repair.pythons import Pair
    from crossdock.build.repair.survey import Contents
    from crossdock.build.retag.code import CodeFile
    from crossdock.build.retag.judge import Judged
    from crossdock.build.retag.places import Version

_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Tags asked for: platforms, and the (python, abi) pairs with them; no pairs: those that are true."""

    platforms: tuple[Platform, ...]
    pairs: tuple[Pair, ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> Self:
        """Read platform tags or whole tags, dots between several; raise `UsageError` (E-RETAG-TAG)."""
        platforms: dict[str, Platform] = {}
        pairs: set[Pair] = set()
        for word in words:
            parts = word.strip().lower().split("-")
            if len(parts) not in {1, _PARTS} or not all(all(part.split(".")) for part in parts):
                raise _unknown(word)
            for tag in parts[-1].split("."):
                platforms[tag] = _platform(tag)
            if len(parts) == _PARTS:
                pairs |= set(product(parts[0].split("."), parts[1].split(".")))
        if "any" in platforms and len(platforms) > 1:
            raise UsageError("`any` says every platform: no other goes with it", code="E-RETAG-TAG")
        return cls(platforms=tuple(platforms[tag] for tag in sorted(platforms)), pairs=tuple(sorted(pairs)))

    @property
    def tags(self) -> tuple[str, ...]:
        """The platform tags, sorted."""
        return tuple(one.tag for one in self.platforms)

    @property
    def is_any(self) -> bool:
        """Whether `any` is asked for."""
        return self.tags == ("any",)

    @property
    def places(self) -> dict[Place, Version | None]:
        """What the platforms promise; of `linux_<cpu>` nothing."""
        return promises(one for one in self.platforms if not one.bare)


def _unknown(word: str) -> UsageError:
    return UsageError(
        f"not a platform tag that a wheel can be given here: `{word}`",
        code="E-RETAG-TAG",
        hint="write for example manylinux_2_28_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64, win_amd64 or any",
    )


def _platform(tag: str) -> Platform:
    found = parse_platform(tag)
    if found is None:
        raise _unknown(tag)
    if not is_looked_for(found):
        raise UsageError(
            f"no installer looks for wheels of `{tag}`",
            code="E-RETAG-TAG",
            hint="macOS has 10.x, and whole versions from 11 on; PEP 600 has glibc from 2.5 on for x86, from 2.17 on for"
            " most others",
        )
    return found


def untruths(
    wish: Wish, judged: Sequence[Judged], code: Sequence[CodeFile], contents: Contents
) -> tuple[str, ...]:
    """Return what makes a wish untrue, a line each: which file, which symbol or library. Empty if it is true."""
    known = {one.place: one for one in judged}
    found: dict[str, None] = {}
    for place, version in wish.places.items():
        one = known.get(place)
        lines = _elsewhere(place, code) if one is None else _reasons(one, version, contents)
        found |= dict.fromkeys(lines)
    for platform in wish.platforms:
        if platform.bare and not any(place[:2] == platform.places[0][:2] for place in known):
            found |= dict.fromkeys(_elsewhere(platform.places[0], code))
    for pair in wish.pairs:
        for one in judged:
            if pair not in {claim.pair for claim in one.claims}:
                found |= dict.fromkeys(one.doubts or [f"`{'-'.join(pair)}` is not what its modules are for"])
    return tuple(found)


def _reasons(judged: Judged, version: Version | None, contents: Contents) -> Iterator[str]:
    for floor in beyond(judged.survey, contents, judged.place, version):
        has = (
            ""
            if version is None
            else f"; {_version_words(judged.place)} {version[0]}.{version[1]} has it not"
        )
        yield f"{floor}{has if judged.place.os is Os.LINUX else ''}"
    yield from judged.reasons()


def _version_words(place: Place) -> str:
    return "musl" if place.libc is LibcKind.MUSL else "glibc"


def _elsewhere(place: Place, code: Sequence[CodeFile]) -> Iterator[str]:
    """Say of the files that decide what they are for, as they are not for a place."""
    for one in heaviest(code):
        yield f"{words_of(one)}, not for {place}"
