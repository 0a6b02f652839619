"""A case that is yet to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.measure import Contestant, Series


def _nothing(_series: Sequence[Series]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The commands of a case, how often they take turns, and what to say about the figures."""

    title: str
    text: str
    contestants: Sequence[Contestant]
    base: str
    rounds: int
    conclude: Callable[[Sequence[Series]], list[str]] = _nothing
