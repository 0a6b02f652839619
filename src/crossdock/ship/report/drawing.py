"""Pieces of a treemap as SVG: rectangles, and names where they have room."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from crossdock.ship.report.treemap import Rect
from crossdock.ship.report.words import human_size

#: A rectangle from this width and height on has a larger label.
_LARGE = (150.0, 90.0)
#: Of a character of the sans-serif fonts that systems have, in shares of the font's size; a bit more than they need.
_CHARACTER = 0.58
_LINE = 16.0
_PAD = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A rectangle to draw, and what is said of it; `size` in bytes."""

    label: str
    size: int
    rect: Rect


def swatch(css: str) -> str:
    """Return a small square of a CSS class, for legends and tables."""
    return f'<svg viewBox="0 0 14 14" aria-hidden="true"><rect class="{css}" width="14" height="14" rx="3"/></svg>'


def label(part: Part, *, within: float = 0.0) -> str:
    """Return the part's name and size, as much of them as has room `within` so many units from its edges."""
    rect = inset(part.rect, within)
    width, height = rect.width - 2 * _PAD, rect.height - _PAD
    is_large = rect.width >= _LARGE[0] and rect.height >= _LARGE[1]
    for font, css in ((15.0, "big"), (12.5, ""), (10.0, "tiny"))[0 if is_large else 1 :]:
        text = _fitted(part.label, width / (font * _CHARACTER))
        if text and height >= font and (css == "tiny" or not text.endswith("…")):
            break
    else:
        return ""
    x, y = rect.x + _PAD, rect.y + _PAD + font * 0.85
    lines = _text(text, x, y, css)
    size = human_size(part.size)
    if height >= font + _LINE and width >= len(size) * 11 * _CHARACTER:
        lines += _text(
            size, x, y + (_LINE + 3 if css == "big" else _LINE), "tiny" if css == "tiny" else "size"
        )
    return lines


def _fitted(label: str, room: float) -> str:
    """Return the label, its name alone, or the name's start, whatever has room for; nothing if less than four."""
    name = label.split(" ", 1)[0]
    for text in (label, name):
        if len(text) <= room:
            return text
    short = int(room) - 1
    return f"{name[:short]}…" if short >= 4 else ""  # noqa: PLR2004 - fewer say nothing


def _text(text: str, x: float, y: float, css: str) -> str:
    named = f' class="{css}"' if css else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def box(rect: Rect, css: str) -> str:
    """Return a rectangle of a CSS class."""
    return (
        f'<rect class="{css}" x="{rect.x:.2f}" y="{rect.y:.2f}" '
        f'width="{rect.width:.2f}" height="{rect.height:.2f}"/>'
    )


def inset(rect: Rect, by: float) -> Rect:
    """Return the rectangle without a margin of `by` units."""
    return Rect(rect.x + by, rect.y + by, max(rect.width - 2 * by, 0.0), max(rect.height - 2 * by, 0.0))
