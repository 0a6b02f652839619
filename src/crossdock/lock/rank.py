"""Which of several wheels a target prefers: ranks of tags as plain strings (pure)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossdock.lock.model import LockedWheel
    from crossdock.target.model import Target

#: Interpreter, ABI, platform. Strings, since making a `packaging.tags.Tag` for each tag of 20,000 wheels takes
#: longer than all the rest of a selection.
TagKey = tuple[str, str, str]


@lru_cache(maxsize=64)
def tag_ranks(target: Target) -> Mapping[TagKey, int]:
    """Return the target's tags with their ranks, 0 for the best (facts: tags are a preference list)."""
    from crossdock.target.tags import wheel_tags

    ranks: dict[TagKey, int] = {}
    for rank, tag in enumerate(wheel_tags(target)):
        ranks.setdefault((tag.interpreter, tag.abi, tag.platform), rank)
    return ranks


def best_wheel(
    wheels: Iterable[LockedWheel], ranks: Mapping[TagKey, int], *, linux: str | None = None
) -> tuple[LockedWheel, str] | None:
    """Return the preferred wheel and the tag by which it fits, or None.

    The lowest rank wins, among equals the highest build number (binary distribution format), then the first.
    `linux` is a bare platform tag (`linux_aarch64`) that is accepted besides the target's own.
    """
    best: tuple[int, LockedWheel, str] | None = None
    for wheel in wheels:
        found = best_tag(wheel, ranks, linux=linux)
        if found is None:
            continue
        rank, tag = found
        if best is None or rank < best[0] or (rank == best[0] and wheel.build > best[1].build):
            best = (rank, wheel, tag)
    return None if best is None else (best[1], best[2])


def best_tag(
    wheel: LockedWheel, ranks: Mapping[TagKey, int], *, linux: str | None = None
) -> tuple[int, str] | None:
    """Return the lowest rank among the wheel's tags, with that tag, or None if the target knows none."""
    best: tuple[int, str] | None = None
    for platform in wheel.platforms:
        for abi in wheel.abis:
            for python in wheel.pythons:
                rank = ranks.get((python, abi, platform))
                if rank is not None and (best is None or rank < best[0]):
                    best = (rank, f"{python}-{abi}-{platform}")
    if best is None and linux is not None and linux in wheel.platforms:
        return _bare_linux_tag(wheel, ranks, linux)
    return best


def bare_linux(target: Target) -> str | None:
    """Return the tag that says only "built somewhere" (`linux_aarch64`), None for other systems."""
    return None if target.libc is None else f"linux_{target.arch}"


def _bare_linux_tag(wheel: LockedWheel, ranks: Mapping[TagKey, int], linux: str) -> tuple[int, str] | None:
    """Rank an allowed bare Linux tag behind every honest one, and among themselves by Python and ABI."""
    order: dict[tuple[str, str], int] = {}
    for (python, abi, platform), rank in ranks.items():
        if platform != "any":
            order.setdefault((python, abi), rank)
    found = [
        (order[python, abi], f"{python}-{abi}-{linux}")
        for python in wheel.pythons
        for abi in wheel.abis
        if (python, abi) in order
    ]
    if not found:
        return None
    rank, tag = min(found)
    return (rank + len(ranks), tag)
