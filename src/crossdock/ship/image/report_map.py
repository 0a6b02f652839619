"""The picture of one platform's image: its layers and their packages as SVG, areas as the bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.report_compare import layer_names, layers_size, of_kind
from crossdock.ship.report.drawing import Part, box, inset, label
from crossdock.ship.report.treemap import Rect, split, squarify
from crossdock.ship.report.words import human_size

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.model import Layer

#: Between the base and what lies above it, in the picture's units.
_GAP = 10.0


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
        lines.append(box(region.rect, "edge"))
        if is_fresh:
            lines.append(box(inset(region.rect, 3.0), "fresh"))
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
        f"{box(part.rect, f'slice {fill(region.layer)}')}{label(part, within=3.0 if is_fresh else 0.0)}</g>"
    )
