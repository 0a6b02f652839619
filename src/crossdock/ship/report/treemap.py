"""Squarified treemaps: rectangles whose areas are to each other as the values are, and near to squares.

Bruls, Huizing, van Wijk: Squarified Treemaps, 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle from its left upper corner, in any unit."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Width times height."""
        return self.width * self.height


def squarify(values: Sequence[float], within: Rect) -> list[Rect]:
    """Divide `within` among the values; the result is in their order, with nothing for values not above zero."""
    total = sum(value for value in values if value > 0)
    result = [Rect(within.x, within.y, 0.0, 0.0)] * len(values)
    if total <= 0:
        return result
    order = sorted((at for at, value in enumerate(values) if value > 0), key=lambda at: (-values[at], at))
    areas = [values[at] * within.area / total for at in order]
    left, start = within, 0
    while start < len(order):
        end = _row_end(areas, start, min(left.width, left.height))
        placed, left = _place(areas[start:end], left, last=end == len(order))
        for at, rect in zip(order[start:end], placed, strict=True):
            result[at] = rect
        start = end
    return result


def split(values: tuple[float, float], within: Rect, *, gap: float, across: bool) -> tuple[Rect, Rect]:
    """Divide `within` into two with a gap between them, side by side if `across`, else one above the other.

    A value of zero gets nothing, and the other then all without a gap.
    """
    first, second = values
    if first <= 0 or second <= 0:
        nothing = Rect(within.x, within.y, 0.0, 0.0)
        return (nothing, within) if first <= 0 else (within, nothing)
    share = first / (first + second)
    if across:
        width = (within.width - gap) * share
        rest = within.width - gap - width
        return (
            Rect(within.x, within.y, width, within.height),
            Rect(within.x + width + gap, within.y, rest, within.height),
        )
    height = (within.height - gap) * share
    rest = within.height - gap - height
    return (
        Rect(within.x, within.y, within.width, height),
        Rect(within.x, within.y + height + gap, within.width, rest),
    )


def _row_end(areas: Sequence[float], start: int, side: float) -> int:
    """Return where the row that begins at `start` ends: one more would make its worst rectangle longer."""
    end, total = start + 1, areas[start]
    worst = _worst(areas[start], areas[start], total, side)
    while end < len(areas):
        longer = total + areas[end]
        # The areas fall, so the row's first is its largest and its last its smallest.
        with_next = _worst(areas[start], areas[end], longer, side)
        if with_next > worst:
            break
        end, total, worst = end + 1, longer, with_next
    return end


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    if smallest <= 0 or side <= 0 or total <= 0:
        return float("inf")
    square = (side / total) ** 2
    return max(largest * square, 1 / (smallest * square) if smallest * square > 0 else float("inf"))


def _place(row: Sequence[float], left: Rect, *, last: bool) -> tuple[list[Rect], Rect]:
    """Lay a row along the shorter side; return its rectangles and what is left."""
    total = sum(row)
    upright = left.width >= left.height
    side = left.height if upright else left.width
    room = left.width if upright else left.height
    # Rounding must neither leave a sliver nor pass the edge.
    depth = room if last or side <= 0 else min(total / side, room)
    placed, at = [], 0.0
    for area in row:
        length = min(side * (area / total), side - at) if total > 0 else 0.0
        placed.append(
            Rect(left.x, left.y + at, depth, length) if upright else Rect(left.x + at, left.y, length, depth)
        )
        at += length
    if upright:
        return placed, Rect(left.x + depth, left.y, left.width - depth, left.height)
    return placed, Rect(left.x, left.y + depth, left.width, left.height - depth)
