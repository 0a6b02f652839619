"""The report as one page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from crossdock.ship.image.model import LayerKind, Origin
from crossdock.ship.image.report_compare import (
    Change,
    compare,
    layer_names,
    layers_size,
    of_kind,
    totals,
)
from crossdock.ship.image.report_map import draw, fill
from crossdock.ship.report.drawing import swatch
from crossdock.ship.report.page import document, figures
from crossdock.ship.report.words import counted, human_size

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.model import Image, Layer, PlatformImage
    from crossdock.ship.image.report_compare import Comparison, LayerChange

#: Width and height of a platform's picture on wide screens and on telephones.
_WIDE = (1000, 460)
_NARROW = (340, 520)
#: Packages named in a table's row before the rest is only counted.
_MOST_NAMED = 12
_ORIGINS = {
    Origin.BUILT: "made by this run",
    Origin.STORE: "from the store",
    Origin.PREVIOUS: "from the previous image",
    Origin.BASE: "of the base",
}
_LEGEND = {
    "base": "base",
    "wheels": "packages, a layer each",
    "several": "small packages, several a layer",
    "environment": "environment",
    "bytecode": "bytecode",
    "application": "application",
}


def page(image: Image, previous: Mapping[str, Sequence[Layer]] | None) -> str:
    """Return the page: an overview, then for each platform the picture, what changed, and all layers."""
    name = image.annotations.get("org.opencontainers.image.title") or "Image"
    version = image.annotations.get("org.opencontainers.image.version", "")
    title = f"{name} {version}".strip()
    compared = {
        str(one.platform): compare(one, previous[str(one.platform)])
        for one in image.platforms
        if previous and str(one.platform) in previous
    }
    return document(
        f"{title}: where the bytes are",
        header=[
            f"<h1>{escape(title)}</h1>",
            f'<p class="soft"><code>{escape(str(image.descriptor.digest))}</code></p>',
        ],
        main=[
            *_figures(image, compared),
            *(line for one in image.platforms for line in _platform(image, one, compared)),
        ],
        footer="Sizes are those of the compressed layers, as a registry keeps and a client pulls them. "
        "Areas in the pictures are to each other as these sizes are.",
    )


def _figures(image: Image, compared: Mapping[str, Comparison]) -> list[str]:
    total = totals(image)
    several = len(image.platforms) > 1
    shared = f"{human_size(total.shared)} shared, counted once" if several else "one platform"
    cards = [
        (
            "In the registry",
            human_size(total.stored),
            f"{len(image.platforms)} platforms, {shared}" if several else shared,
        )
    ]
    for one in image.platforms:
        size, base = layers_size(one.layers), layers_size(of_kind(one.layers, LayerKind.BASE))
        found = compared.get(str(one.platform))
        if found is None:
            cards.append((str(one.platform), human_size(size), f"{human_size(base)} of it the base"))
        else:
            cards.append(
                (f"To update {one.platform}", human_size(found.pull), f"to pull, of {human_size(size)}")
            )
    return figures(cards)


def _platform(image: Image, one: PlatformImage, compared: Mapping[str, Comparison]) -> list[str]:
    name = str(one.platform)
    found = compared.get(name)
    fresh = _fresh(found)
    packages = sum(len(layer.slices) for layer in one.layers)
    size = human_size(layers_size(one.layers))
    label = f"Treemap of the layers and packages of {name}; the table of layers says the same in words"
    elsewhere = {
        layer.descriptor.digest
        for other in image.platforms
        if other is not one
        for layer in other.layers
        if layer.kind is not LayerKind.BASE
    }
    return [
        "<section>",
        f"<h2>{escape(name)}</h2>",
        (
            f'<p class="soft">{size} in {counted(len(one.layers), "layer")}, {counted(packages, "package")}'
            f"{_on(one)}</p>"
        ),
        *_legend(one.layers, fresh),
        draw(one.layers, width=_WIDE[0], height=_WIDE[1], fresh=fresh, css="wide", label=label),
        draw(one.layers, width=_NARROW[0], height=_NARROW[1], fresh=fresh, css="narrow", label=label),
        *([] if found is None else _changes(found)),
        *_layers(one.layers, fresh, elsewhere),
        "</section>",
    ]


def _on(one: PlatformImage) -> str:
    if not one.base.name:
        return ""
    pinned = f' title="{escape(str(one.base.digest))}"' if one.base.digest else ""
    return f", on <span{pinned}>{escape(one.base.name)}</span>"


def _fresh(found: Comparison | None) -> frozenset[Digest]:
    changes = () if found is None else found.layers
    return frozenset(
        change.now.descriptor.digest
        for change in changes
        if change.now is not None and change.change in {Change.CHANGED, Change.ADDED}
    )


def _legend(layers: Sequence[Layer], fresh: Collection[Digest]) -> list[str]:
    sizes: dict[str, list[Layer]] = {}
    for layer in layers:
        sizes.setdefault(fill(layer), []).append(layer)
    rows = [
        f"<li>{swatch(css)}{words} <b>{human_size(layers_size(sizes[css]))}</b></li>"
        for css, words in _LEGEND.items()
        if css in sizes
    ]
    if fresh:
        mark = '<svg viewBox="0 0 14 14" aria-hidden="true"><rect class="fresh" x="2" y="2" width="10" height="10"/></svg>'
        rows.append(f"<li>{mark}not in the previous image</li>")
    return ['<ul class="legend">', *rows, "</ul>"]


def _changes(found: Comparison) -> list[str]:
    counted = ", ".join(
        f"{found.count(change)} {change}" for change in Change if change is Change.SAME or found.count(change)
    )
    lines = [
        "<h3>Since the previous image</h3>",
        (
            f"<p>A client that has it pulls <strong>{human_size(found.pull)}</strong>. "
            f'<span class="soft">Layers: {counted}.</span></p>'
        ),
    ]
    lines.append('<div class="changes">')
    if found.packages:
        lines += [
            "<table>",
            "<thead><tr><th>package</th><th>before</th><th>now</th></tr></thead>",
            "<tbody>",
            *(
                f"<tr><td>{escape(one.name)}</td><td>{escape(one.before) or _SOFT_NONE}</td>"
                f"<td>{escape(one.now) or _SOFT_NONE}</td></tr>"
                for one in found.packages
            ),
            "</tbody>",
            "</table>",
        ]
    changed = [one for one in found.layers if one.change is not Change.SAME]
    if changed:
        lines += [
            "<table>",
            '<thead><tr><th>layer</th><th></th><th class="number">before</th><th class="number">now</th></tr></thead>',
            "<tbody>",
            *map(_changed_row, changed),
            "</tbody>",
            "</table>",
        ]
    lines.append("</div>")
    return lines


_SOFT_NONE = '<span class="soft">none</span>'


def _changed_row(one: LayerChange) -> str:
    sizes = (
        f'<td class="number">{_SOFT_NONE if layer is None else human_size(layer.descriptor.size)}</td>'
        for layer in (one.before, one.now)
    )
    return f"<tr><td>{escape(one.name)}</td><td>{one.change}</td>{''.join(sizes)}</tr>"


def _layers(layers: Sequence[Layer], fresh: Collection[Digest], elsewhere: Collection[Digest]) -> list[str]:
    rows = (
        _layer_row(name, layer, fresh, elsewhere)
        for name, layer in zip(layer_names(layers), layers, strict=True)
    )
    return [
        f"<details><summary>All {counted(len(layers), 'layer')}, from the lowest</summary>",
        '<table class="layers">',
        (
            '<thead><tr><th>layer</th><th class="number">size</th><th>packages</th><th>where from</th>'
            "<th>digest</th></tr></thead>"
        ),
        "<tbody>",
        *rows,
        "</tbody>",
        "</table>",
        "</details>",
    ]


def _layer_row(name: str, layer: Layer, fresh: Collection[Digest], elsewhere: Collection[Digest]) -> str:
    digest = str(layer.descriptor.digest)
    shared = (
        '<br> <span class="soft">shared by platforms</span>' if layer.descriptor.digest in elsewhere else ""
    )
    new = ' <span class="note">new</span>' if layer.descriptor.digest in fresh else ""
    return (
        f'<tr><td><span class="chip">{swatch(fill(layer))}<span>{escape(name)}{new}</span></span></td>'
        f'<td class="number">{human_size(layer.descriptor.size)}</td>'
        f'<td class="packages">{_packages(layer)}</td>'
        f'<td class="from">{_ORIGINS[layer.origin]}{shared}</td>'
        f'<td class="digest"><code title="{digest}">{digest.partition(":")[2][:12]}</code></td></tr>'
    )


def _packages(layer: Layer) -> str:
    if len(layer.slices) == 1 and layer.title.startswith(layer.slices[0].name):
        only = layer.slices[0]
        return f"{counted(only.files, 'file')}, {human_size(only.uncompressed)} unpacked"
    largest = sorted(layer.slices, key=lambda one: (-one.compressed, one.name))
    named = [
        f"<b>{escape(one.name)}</b> {escape(one.version)} ({human_size(one.compressed)})"
        for one in largest[:_MOST_NAMED]
    ]
    if len(largest) > _MOST_NAMED:
        rest = largest[_MOST_NAMED:]
        named.append(f"{len(rest)} more ({human_size(sum(one.compressed for one in rest))})")
    return ", ".join(named)
