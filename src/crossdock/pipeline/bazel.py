"""A lock and targets -> what a Bazel workspace is told: wheels by hash, edges for each platform, layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from crossdock.ship.bazel.edges import circles_of, edges_of
from crossdock.ship.bazel.inside import inside_of
from crossdock.ship.bazel.model import BazelWheel, ForPlatform, Hub
from crossdock.ship.image.grouping import group_wheels
from crossdock.ship.image.options import ImageOptions
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

    from crossdock.pipeline.mirror import ForTarget, Stock
    from crossdock.pipeline.raw_wheels import WheelAtHand
    from crossdock.ship.bazel.model import BazelPlatform, Inside

#: Layers of a base that are reckoned with: none of ours has more, and fewer change nothing below 40 large wheels.
_LAYERS_BELOW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A hub, and the files of the wheels that no URL leads to, by file name."""

    hub: Hub
    wheels: Mapping[str, Path]


def bazel_workspace(
    stock: Stock,
    platforms: Sequence[BazelPlatform],
    *,
    name: str,
    prefix: str,
    base_url: str | None = None,
    roots: Sequence[Requirement] = (),
    allow_bad_record: frozenset[str] = frozenset(),
) -> Workspace:
    """Return what the workspace is told of a stock; `platforms` are those of its targets, in order.

    With `base_url` every wheel comes from a wheelhouse that is served there. Else what no index has, since it was built
    here or lies on this disk, is checked in. `roots` are what the user asked for, as far as that is known.
    """
    wheels = {
        path: _wheel(name, at_hand, stock, base_url, allow_bad_record=allow_bad_record)
        for path, at_hand in sorted(stock.wheels.items())
    }
    requires = {path: at_hand.raw.requires for path, at_hand in stock.wheels.items()}
    hub = Hub(
        name=name,
        prefix=prefix,
        wheels={one.repository: one for one in wheels.values()},
        platforms=[
            _for_platform(platform, taken, wheels, requires, roots)
            for platform, taken in zip(platforms, stock.targets, strict=True)
        ],
    )
    beside = {one.filename: stock.sources[path].blob for path, one in wheels.items() if not one.urls}
    return Workspace(hub=hub, wheels=beside)


def _wheel(
    hub: str, at_hand: WheelAtHand, stock: Stock, base_url: str | None, *, allow_bad_record: frozenset[str]
) -> BazelWheel:
    from crossdock.pipeline.mirror import path_of

    chosen = at_hand.chosen
    one = stock.distributions[path_of(at_hand)]
    return BazelWheel(
        repository=f"{hub}__{re.sub(r'[^a-z0-9]+', '_', chosen.name)}__{one.sha256[:8]}",
        package=chosen.name,
        version=chosen.version,
        filename=chosen.filename,
        sha256=one.sha256,
        size=one.size,
        urls=_urls(at_hand, one.path, base_url),
        inside=_inside(at_hand),
        built_from=one.built_from,
        direct_url="" if chosen.direct_url is None else chosen.direct_url.decode(),
        allow_bad_record=chosen.name in allow_bad_record,
    )


def _urls(at_hand: WheelAtHand, path: str, base_url: str | None) -> tuple[str, ...]:
    if base_url is not None:
        return (f"{base_url.rstrip('/')}/{quote(path)}",)
    url = at_hand.chosen.url
    is_indexed = at_hand.chosen.built_from is None and url is not None
    return (url,) if is_indexed and url is not None and url.startswith(("https://", "http://")) else ()


def _inside(at_hand: WheelAtHand) -> Inside:
    from crossdock.archive.zipread import ZipArchive
    from crossdock.store.mapped import mapped

    with ZipArchive.parse(mapped(at_hand.blob), filename=at_hand.chosen.filename) as archive:
        names = [str(member.name) for member in archive.members if not member.is_dir]
    return inside_of(names, data=f"{at_hand.raw.facts.dist_info.removesuffix('.dist-info')}.data")


def _for_platform(
    platform: BazelPlatform,
    taken: ForTarget,
    wheels: Mapping[str, BazelWheel],
    requires: Mapping[str, Sequence[str]],
    roots: Sequence[Requirement],
) -> ForPlatform:
    mine = {wheels[path].package: wheels[path] for path in taken.paths}
    edges = edges_of({wheels[path].package: requires[path] for path in taken.paths}, platform.target, roots)
    return ForPlatform(
        platform=platform,
        wheels={package: one.repository for package, one in sorted(mine.items())},
        needs=edges.needs,
        extras=edges.extras,
        circles=circles_of(edges.needs),
        layers=_layers(platform, list(mine.values())),
    )


def _layers(platform: BazelPlatform, wheels: Sequence[BazelWheel]) -> tuple[tuple[str, ...], ...]:
    """Return the layers that `crossdock image` would make of the wheels; images run on Linux."""
    if platform.target.os is not Os.LINUX:
        return ()
    named = [_Sized(one.package, one.version, one.size, one.repository) for one in wheels]
    groups = group_wheels(named, layers_below=_LAYERS_BELOW, most=ImageOptions.DEFAULT_LAYERS)
    return tuple(tuple(one.repository for one in group.wheels) for group in groups)


@dataclass(frozen=True, slots=True)
class _Sized:
    """A wheel as grouping looks at it."""

    name: str
    version: str
    size: int
    repository: str
