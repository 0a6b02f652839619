"""A base's layers: one for each group of packages, written once and kept in the store."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.oci.model import canonical_json
from crossdock.ship.image.kept_layers import LayerName, make_layer
from crossdock.ship.image.model import Layer, LayerKind, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink
    from crossdock.net.debian.chosen import PinnedPackage
    from crossdock.ship.image.debian.contents import Part
    from crossdock.ship.image.layer import WrittenLayer
    from crossdock.store import Store

#: Raised when the same packages would come to other bytes; the compressor's version belongs to it.
_FORMAT = 1


class BaseLayers:
    """The layers of packages by group. Files are fetched (by `fetch`, name to path) only if a layer is missing."""

    def __init__(
        self,
        packages: Sequence[PinnedPackage],
        groups: Sequence[str],
        fetch: Callable[[], Mapping[str, Path]],
    ) -> None:
        self._groups = {
            group: sorted(package for package in packages if package.group == group) for group in groups
        }
        self._fetch = fetch
        self._contents: dict[str, list[Part]] | None = None

    def make(self, store: Store, title: str) -> list[Layer]:
        """Return the layers, the lowest first; raise what reading and writing them raises."""
        layers = []
        for group, packages in self._groups.items():
            if packages:
                name = LayerName(key=self._key(group), kind=LayerKind.BASE, title=f"{title} {group}")
                layers.append(make_layer(store, name, self._writer(group)))
        return layers

    def _key(self, last: str) -> str:
        """Return a layer's key; what lies below counts, since a path may be there once."""
        value: list[object] = ["debian", _FORMAT]
        for group, packages in self._groups.items():
            value.append([group, [[one.name, one.sha256] for one in packages]])
            if group == last:
                break
        return sha256(canonical_json(value)).hexdigest()

    def _writer(self, group: str) -> Callable[[Sink], tuple[WrittenLayer, tuple[Slice, ...]]]:
        def write(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
            from crossdock.ship.image.debian.contents import (  # mostly they are there
                read_contents,
                write_layer,
            )

            if self._contents is None:
                self._contents = read_contents(self._groups, self._fetch())
            return write_layer(self._contents[group], out)

        return write
