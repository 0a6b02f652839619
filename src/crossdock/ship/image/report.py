"""Where the bytes of an image are, and what changed since the previous one: a page, and lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.report_compare import Change, compare, layers_size, of_kind, totals
from crossdock.ship.report.words import bar, cut, human_size, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossdock.ship.image.model import Image, Layer, PlatformImage
    from crossdock.ship.image.report_compare import Comparison, PackageChange

#: Packages and changes named for a platform.
_MOST_NAMED = 6
_MOST_CHANGES = 8
_NARROWEST = 40
_KINDS = {LayerKind.WHEELS: "packages"}


def report_html(image: Image, previous: Mapping[str, Sequence[Layer]] | None = None) -> str:
    """Return one self-contained HTML page.

    `previous` has the layers of the image before for each platform as `str(Platform)` writes it; None, or a
    platform that it lacks, means that there is nothing to compare with. Equal input gives equal text.
    """
    from crossdock.ship.image.report_page import page

    return page(image, previous)


def report_text(
    image: Image, previous: Mapping[str, Sequence[Layer]] | None = None, *, width: int = 80
) -> str:
    """Return the same in short, as lines of up to `width` characters (40 at least) without colour.

    A name of a package or layer is anybody's word: what cannot be printed is shown as an escape.
    """
    width = max(width, _NARROWEST)
    blocks = []
    for one in image.platforms:
        before = None if previous is None else previous.get(str(one.platform))
        blocks.append("\n".join(_platform(one, None if before is None else compare(one, before), width)))
    if len(image.platforms) > 1:
        total = totals(image)
        stored, shared = human_size(total.stored), human_size(total.shared)
        blocks.append(cut(f"together  {stored} in the registry, {shared} shared by the platforms", width))
    return "\n\n".join(blocks) + "\n"


def _platform(one: PlatformImage, found: Comparison | None, width: int) -> Iterator[str]:
    total = layers_size(one.layers)
    yield f"{one.platform}  {human_size(total)} in {len(one.layers)} layers"
    room = width - 2 - 12 - 11 - 12
    for kind in LayerKind:
        layers = of_kind(one.layers, kind)
        if layers:
            size = layers_size(layers)
            counted = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}"
            yield (
                f"  {_KINDS.get(kind, kind):<11} {human_size(size):>10} {bar(size, total, room)} {counted}"
            )
    largest = sorted(
        (part for layer in one.layers for part in layer.slices),
        key=lambda part: (-part.compressed, part.name),
    )
    named = [f"{part.name} {human_size(part.compressed)}" for part in largest[:_MOST_NAMED]]
    if named:
        yield from wrapped("largest", named, width)
    if found is not None:
        yield from _changes(found, width)


def _changes(found: Comparison, width: int) -> Iterator[str]:
    counted = ", ".join(
        f"{found.count(change)} {change}" for change in Change if change is Change.SAME or found.count(change)
    )
    yield cut(f"  to pull     {human_size(found.pull)} after the previous image (layers: {counted})", width)
    named = [_package(one) for one in found.packages[:_MOST_CHANGES]]
    if len(found.packages) > _MOST_CHANGES:
        named.append(f"{len(found.packages) - _MOST_CHANGES} more")
    if named:
        yield from wrapped("changed", named, width)


def _package(one: PackageChange) -> str:
    if not one.before:
        return f"{one.name} {one.now} added"
    if not one.now:
        return f"{one.name} {one.before} removed"
    return f"{one.name} {one.before} -> {one.now}"
