"""The picture of one platform's image: its layers and their packages as SVG, areas as the bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.report_compare import human_size, layer_names, layers_size, of_kind
from crossdock.ship.image.report_treemap import Rect, split, squarify

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.model import Layer

#: Between the base and what lies above it, in the picture's units.
_GAP = 10.0
#: A rectangle from this width and height on has a larger label.
_LARGE = (150.0, 90.0)
#: Of a character of the sans-serif fonts that systems have, in shares of the font's size; a bit more than they need.
_CHARACTER = 0.58
_LINE = 16.0
_PAD = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A rectangle to draw: a package of a layer, or a layer whose packages are not known."""

    label: str
    size: int
    rect: Rect


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A layer's rectangle and its parts'."""

    layer: Layer
    name: str
    rect: Rect
    parts: tuple[Part, ...]


def regions(layers: Sequence[Layer], within: Rect) -> list[Region]:
    """Lay the layers out, the base apart: left of ours in a wide rectangle, below ours in a high one."""
    base, ours = of_kind(layers, LayerKind.BASE), [one for one in layers if one.kind is not LayerKind.BASE]
    sizes = float(layers_size(base)), float(layers_size(ours))
    if within.width >= within.height:
        base_place, our_place = split(sizes, within, gap=_GAP, across=True)
    else:
        our_place, base_place = split((sizes[1], sizes[0]), within, gap=_GAP, across=False)
    names = dict(zip(map(id, layers), layer_names(layers), strict=True))
    return [
        Region(layer=layer, name=names[id(layer)], rect=rect, parts=_parts(layer, names[id(layer)], rect))
        for group, place in ((base, base_place), (ours, our_place))
        for layer, rect in zip(
            group, squarify([float(one.descriptor.size) for one in group], place), strict=True
        )
        if rect.area > 0
    ]


def draw(
    layers: Sequence[Layer], *, width: int, height: int, fresh: Collection[Digest], css: str, label: str
) -> str:
    """Return the SVG. Layers with a digest in `fresh` are framed: a client that has the image before lacks them."""
    lines = [
        f'<svg class="map {css}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">',
    ]
    for region in regions(layers, Rect(0.0, 0.0, float(width), float(height))):
        layer = region.layer
        is_fresh = layer.descriptor.digest in fresh
        lines.append("<g>")
        lines += [_part(part, region, is_fresh=is_fresh) for part in region.parts]
        lines.append(_rect(region.rect, "edge"))
        if is_fresh:
            lines.append(_rect(_inset(region.rect, 3.0), "fresh"))
        lines.append("</g>")
    return "\n".join([*lines, "</svg>"])


def fill(layer: Layer) -> str:
    """Return the CSS class of a layer's colour: its kind's, and one of its own where packages share a layer."""
    shares = layer.kind is LayerKind.WHEELS and len(layer.slices) > 1
    return "several" if shares else str(layer.kind)


def _parts(layer: Layer, name: str, rect: Rect) -> tuple[Part, ...]:
    weighed = [one for one in layer.slices if one.compressed > 0]
    if not weighed:
        return (Part(label=name, size=layer.descriptor.size, rect=rect),)
    places = squarify([float(one.compressed) for one in weighed], rect)
    return tuple(
        Part(label=f"{one.name} {one.version}".strip(), size=one.compressed, rect=place)
        for one, place in zip(weighed, places, strict=True)
    )


def _part(part: Part, region: Region, *, is_fresh: bool) -> str:
    said = f"{part.label}: {human_size(part.size)}\n{region.name}, layer of {human_size(region.layer.descriptor.size)}"
    if is_fresh:
        said += "\nnot in the previous image"
    return (
        f"<g><title>{escape(said)}</title>"
        f"{_rect(part.rect, f'slice {fill(region.layer)}')}{_label(part, inset=3.0 if is_fresh else 0.0)}</g>"
    )


def _label(part: Part, *, inset: float) -> str:
    rect = _inset(part.rect, inset)
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


def _rect(rect: Rect, css: str) -> str:
    return (
        f'<rect class="{css}" x="{rect.x:.2f}" y="{rect.y:.2f}" '
        f'width="{rect.width:.2f}" height="{rect.height:.2f}"/>'
    )


def _inset(rect: Rect, by: float) -> Rect:
    return Rect(rect.x + by, rect.y + by, max(rect.width - 2 * by, 0.0), max(rect.height - 2 * by, 0.0))
