"""An image beside the one before it: layers added, changed, removed and the same, packages from version to version."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from crossdock.ship.image.model import LayerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.model import Image, Layer, PlatformImage


class Change(StrEnum):
    """What became of a layer."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """A layer now and before; one of the two is None if it was added or removed."""

    change: Change
    name: str
    now: Layer | None
    before: Layer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package's versions; empty where the package is not in the image."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed for one platform. `pull` is what a client that has the image before must fetch, in bytes."""

    layers: tuple[LayerChange, ...]
    packages: tuple[PackageChange, ...]
    pull: int

    def count(self, change: Change) -> int:
        """Return how many layers changed in this way."""
        return sum(one.change is change for one in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Bytes of layers over all platforms: each platform's added up, and each layer counted once."""

    separate: int
    stored: int

    @property
    def shared(self) -> int:
        """What the platforms have in common, in bytes."""
        return self.separate - self.stored


def compare(platform: PlatformImage, previous: Sequence[Layer]) -> Comparison:
    """Compare a platform's image with the layers of the one before."""
    held = {layer.descriptor.digest for layer in previous}
    names = layer_names(platform.layers)
    pairs = _pairs(platform.layers, previous)
    changes = [
        LayerChange(change=_change(layer, before, held), name=name, now=layer, before=before)
        for name, layer, before in zip(names, platform.layers, pairs, strict=True)
    ]
    gone = {id(layer) for layer in previous} - {id(before) for before in pairs}
    changes += [
        LayerChange(change=Change.REMOVED, name=name, now=None, before=layer)
        for name, layer in zip(layer_names(previous), previous, strict=True)
        if id(layer) in gone
    ]
    return Comparison(
        layers=tuple(changes),
        packages=_packages(platform.layers, previous),
        pull=len(platform.manifest)
        + len(platform.config)
        + layers_size(layer for layer in platform.layers if layer.descriptor.digest not in held),
    )


def totals(image: Image) -> Totals:
    """Return what all platforms need in a registry, layers that they share counted once."""
    return Totals(
        separate=sum(layers_size(platform.layers) for platform in image.platforms),
        stored=layers_size(layer for platform in image.platforms for layer in platform.layers),
    )


def layers_size(layers: Iterable[Layer]) -> int:
    """Return the compressed bytes of the layers, equal ones once."""
    return sum({layer.descriptor.digest: layer.descriptor.size for layer in layers}.values())


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """Return a name for each layer, every one different: its title, or its place among the base's."""
    result: list[str] = []
    bases = 0
    for layer in layers:
        bases += layer.kind is LayerKind.BASE
        name = layer.title or (f"base layer {bases}" if layer.kind is LayerKind.BASE else str(layer.kind))
        unique, more = name, 2
        while unique in result:
            unique, more = f"{name} ({more})", more + 1
        result.append(unique)
    return result


def of_kind(layers: Sequence[Layer], kind: LayerKind) -> list[Layer]:
    """Return the layers of a kind."""
    return [layer for layer in layers if layer.kind is kind]


def _pairs(now: Sequence[Layer], previous: Sequence[Layer]) -> list[Layer | None]:
    """Return for each layer the one it was before: of the same digest, else a common package, else the name."""
    free = dict(zip(layer_names(previous), previous, strict=True))
    names = layer_names(now)
    found: list[Layer | None] = [None] * len(now)

    def pair(fits: Callable[[str, Layer, str, Layer], bool]) -> None:
        for at, layer in enumerate(now):
            if found[at] is None:
                name = next(
                    (old for old, before in free.items() if fits(names[at], layer, old, before)), None
                )
                found[at] = None if name is None else free.pop(name)

    pair(lambda _name, layer, _old, before: layer.descriptor.digest == before.descriptor.digest)
    # Layers of several packages are called by their number, which says less than what is in them.
    pair(lambda _name, layer, _old, before: bool(_package_names(layer) & _package_names(before)))
    pair(lambda name, layer, old, before: name == old and layer.kind is before.kind)
    return found


def _package_names(layer: Layer) -> set[str]:
    return {one.name for one in layer.slices}


def _change(layer: Layer, before: Layer | None, held: set[Digest]) -> Change:
    if layer.descriptor.digest in held:
        return Change.SAME
    return Change.CHANGED if before is not None else Change.ADDED


def _packages(now: Sequence[Layer], before: Sequence[Layer]) -> tuple[PackageChange, ...]:
    new, old = _versions(now), _versions(before)
    return tuple(
        PackageChange(name=name, before=old.get(name, ""), now=new.get(name, ""))
        for name in sorted(new.keys() | old.keys())
        if new.get(name) != old.get(name)
    )


def _versions(layers: Sequence[Layer]) -> Mapping[str, str]:
    # A base tells its packages only where it was made here, and an image in a registry no longer does.
    ours = (layer for layer in layers if layer.kind is not LayerKind.BASE)
    return {one.name: one.version for layer in ours for one in layer.slices}
