"""A bundle's size as one page that needs nothing but itself: limits, a treemap of packages, tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from crossdock.ship.bundle.size import FileKind, Measured
from crossdock.ship.report.drawing import Part, box, label, swatch
from crossdock.ship.report.page import document, figures
from crossdock.ship.report.treemap import Rect, squarify
from crossdock.ship.report.words import counted, human_size, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.ship.bundle.size import PackageSize, SizeReport

#: Width and height of the picture on wide screens and on telephones.
_WIDE = (1000, 480)
_NARROW = (340, 540)
#: Kinds of one package named in its row.
_MOST_KINDS = 4
_CLASSES = {kind: f"k-{kind.name.lower()}" for kind in FileKind}
_LAYER_CLASS = "k-layer"


class Region(NamedTuple):
    """A package's rectangle, or another layer's, and those of its kinds of files with their CSS classes."""

    title: str
    size: int
    rect: Rect
    parts: tuple[tuple[str, Part], ...]


def page(report: SizeReport) -> str:
    """Return the page."""
    return document(
        f"{plain(report.target)}: where the bytes are",
        header=[
            f"<h1>{_escaped(report.target)}</h1>",
            f'<p class="soft">{_escaped(", ".join(one.name for one in report.zips))} for {_escaped(report.place.name)}</p>',
        ],
        main=[
            *figures((plain(what), figure, remark) for what, figure, remark in _cards(report)),
            *_meters(report),
            "<h2>Packages</h2>",
            *_legend(report),
            _map(report, *_WIDE, css="wide"),
            _map(report, *_NARROW, css="narrow"),
            *_package_table(report),
            "<h2>Kinds of files</h2>",
            *_table(("kind",), [((str(kind),), size) for kind, size in report.kinds]),
            *_pruning(report),
        ],
        footer="Areas in the picture are to each other as the unzipped sizes are. Zipped sizes count the zip's headers.",
        styles=["kinds.css"],
    )


def regions(report: SizeReport, within: Rect) -> list[Region]:
    """Lay out the packages and other layers by their unzipped bytes, and within a package its kinds of files."""
    found = [(one.title, one.size.unzipped, one.kinds) for one in report.packages]
    sizes = [size for _title, size, _kinds in found] + [one.unzipped for one in report.layers]
    rects = squarify([float(size) for size in sizes], within)
    result = [
        Region(title, size, rect, _parts(kinds, rect))
        for (title, size, kinds), rect in zip(found, rects, strict=False)
    ]
    for layer, rect in zip(report.layers, rects[len(found) :], strict=True):
        part = Part(label="another layer", size=layer.unzipped, rect=rect)
        result.append(Region(plain(layer.name), layer.unzipped, rect, ((_LAYER_CLASS, part),)))
    return [one for one in result if one.rect.area > 0]


def _parts(kinds: Sequence[tuple[FileKind, Measured]], rect: Rect) -> tuple[tuple[str, Part], ...]:
    shown = [(kind, size.unzipped) for kind, size in kinds if size.unzipped]
    places = squarify([float(size) for _kind, size in shown], rect)
    return tuple(
        (_CLASSES[kind], Part(label=str(kind), size=size, rect=place))
        for (kind, size), place in zip(shown, places, strict=True)
    )


def _cards(report: SizeReport) -> list[tuple[str, str, str]]:
    limits = report.limits
    of = "" if limits.unzipped is None else f"of {human_size(limits.unzipped)}"
    others = f", {counted(len(report.layers), 'other layer')} included" if report.layers else ""
    cards = [("Unzipped", human_size(report.unzipped), f"{of}{others}".lstrip(", "))]
    for one in report.zips:
        most = "" if limits.zipped is None else f"of {human_size(limits.zipped)}"
        cards.append((f"{one.name}, zipped", f"{one.bound}{human_size(one.size.zipped)}", most))
    cards.append(
        (
            "In it",
            counted(sum(one.name != "" for one in report.packages), "package"),
            counted(report.size.files, "file"),
        )
    )
    if report.layer_count and limits.layers is not None:
        cards.append(("Layers", str(report.layer_count), f"of at most {limits.layers}"))
    return cards


def _meters(report: SizeReport) -> list[str]:
    limits = report.limits
    rows = []
    if limits.unzipped is not None:
        rows.append(("unzipped, with all layers", report.unzipped, limits.unzipped, report.fits_unzipped))
    if limits.zipped is not None:
        rows += [
            (f"{one.name}, zipped {one.bound}".rstrip(), one.size.zipped, limits.zipped, one.fits(limits))
            for one in report.zips
        ]
    if not rows:
        return []
    return ['<section class="meters">', *(_meter(*row) for row in rows), "</section>"]


def _meter(what: str, size: int, limit: int, fits: bool) -> str:
    used = 1000 * min(size, limit) / limit
    said = f"{100 * size / limit:.0f} % of {human_size(limit)}"
    over = "" if fits else f' <span class="over">too large by {human_size(max(size - limit, 0))}</span>'
    return (
        f"<div><span>{_escaped(what)}</span><span>{said}{over}</span></div>"
        f'<svg class="meter" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{_escaped(what)}: {said}"><rect class="track" width="1000" height="10"/>'
        f'<rect class="{"used" if fits else "over"}" width="{used:.1f}" height="10"/></svg>'
    )


def _legend(report: SizeReport) -> list[str]:
    rows = [
        f"<li>{swatch(_CLASSES[kind])}{kind} <b>{human_size(size.unzipped)}</b></li>"
        for kind, size in report.kinds
    ]
    if report.layers:
        size = sum(one.unzipped for one in report.layers)
        rows.append(f"<li>{swatch(_LAYER_CLASS)}other layers <b>{human_size(size)}</b></li>")
    return ['<ul class="legend">', *rows, "</ul>"]


def _map(report: SizeReport, width: int, height: int, *, css: str) -> str:
    named = "Treemap of the packages and their kinds of files; the table below says the same in words"
    lines = [f'<svg class="map {css}" viewBox="0 0 {width} {height}" role="img" aria-label="{named}">']
    for one in regions(report, Rect(0.0, 0.0, float(width), float(height))):
        lines.append("<g>")
        for fill, part in one.parts:
            said = f"{one.title}: {human_size(one.size)}\n{part.label}: {human_size(part.size)}"
            lines.append(f"<g><title>{_escaped(said)}</title>{box(part.rect, f'slice {fill}')}</g>")
        lines += [box(one.rect, "edge"), label(Part(label=one.title, size=one.size, rect=one.rect)), "</g>"]
    return "\n".join([*filter(None, lines), "</svg>"])


def _package_table(report: SizeReport) -> list[str]:
    several = len(report.zips) > 1
    heads = ("package", "most of it", *(("in",) if several else ()))
    rows = [((one.title, _kinds(one), *((one.zip,) if several else ())), one.size) for one in report.packages]
    rows += [
        ((one.name, "another layer", *(("",) if several else ())), Measured(0, one.unzipped, one.zipped))
        for one in report.layers
    ]
    return _table(heads, rows)


def _kinds(one: PackageSize) -> str:
    shown = [(kind, size.unzipped) for kind, size in one.kinds if size.unzipped]
    return ", ".join(f"{kind} {human_size(size)}" for kind, size in shown[:_MOST_KINDS])


def _pruning(report: SizeReport) -> list[str]:
    lines: list[str] = []
    if report.pruned:
        lines.append("<h2>Pruned already</h2>")
        lines += _table(
            ("rule",), [((one.rule,), Measured(one.files, one.size, one.compressed)) for one in report.pruned]
        )
    could = [
        ((f"--prune {one.rule}", ""), Measured(one.files, one.size, one.compressed)) for one in report.savings
    ]
    if report.provided:
        remark = f"{', '.join(report.provided)}: those of the runtime run then, which are older"
        could.append((("--without-provided", remark), report.provided_size))
    if could:
        lines += ["<h2>What could be saved</h2>", *_table(("option", ""), could)]
    return lines


def _table(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Measured]]) -> list[str]:
    words = "".join(f"<th>{_escaped(head)}</th>" for head in heads)
    numbers = "".join(f'<th class="number">{head}</th>' for head in ("files", "unzipped", "zipped"))
    body = (
        "<tr>"
        + "".join(
            f"<td>{_escaped(word)}</td>" if at == 0 else f'<td class="packages">{_escaped(word)}</td>'
            for at, word in enumerate(said)
        )
        + f'<td class="number">{size.files or ""}</td><td class="number">{human_size(size.unzipped)}</td>'
        f'<td class="number">{human_size(size.zipped)}</td></tr>'
        for said, size in rows
    )
    return [
        '<div class="scroll"><table>',
        f"<thead><tr>{words}{numbers}</tr></thead>",
        "<tbody>",
        *body,
        "</tbody>",
        "</table></div>",
    ]


def _escaped(text: str) -> str:
    """Return a text for HTML; a name is anybody's word, and may hold what no page can."""
    return escape("\n".join(map(plain, text.split("\n"))))
