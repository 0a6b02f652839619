"""Layers in the store: written once under their key, found again without their wheels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.errors import CrossdockError
from crossdock.oci import media
from crossdock.oci.blob import FileSource
from crossdock.oci.model import Descriptor
from crossdock.ship.image.annotations import layer_annotations
from crossdock.ship.image.model import Layer, LayerKind, Origin, Slice

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.archive.tarwrite import Sink
    from crossdock.ship.image.layer import WrittenLayer
    from crossdock.store import Store

_FACT = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerName:
    """What a layer is called: its key, its kind, and its title for people."""

    key: str
    kind: LayerKind
    title: str


def find_layer(store: Store, name: LayerName) -> Layer | None:
    """Return the layer that was made under this key if its bytes are still whole, else None."""
    known = store.get_fact(_FACT, name.key)
    if not isinstance(known, dict):
        return None
    try:
        digest = Digest.parse(known["digest"])
        path = store.blob(digest)
        return None if path is None else _layer(name, known, FileSource(path), Origin.STORE)
    except (CrossdockError, LookupError, TypeError, ValueError):
        return None  # A fact of another form: the layer is made again.


def known_digest(store: Store, key: str) -> tuple[Digest, Digest] | None:
    """Return digest and diff ID that a key once came to here, whether or not the bytes are still there."""
    known = store.get_fact(_FACT, key)
    try:
        return (Digest.parse(known["digest"]), Digest.parse(known["diff_id"])) if known else None
    except (CrossdockError, LookupError, TypeError):
        return None


def make_layer(
    store: Store, name: LayerName, write: Callable[[Sink], tuple[WrittenLayer, tuple[Slice, ...]]]
) -> Layer:
    """Return the layer of this key, from the store or written now by `write`; one process writes it, others wait."""
    found = find_layer(store, name)
    if found is not None:
        return found
    with store.locked(f"layer-{name.key[:40]}"):
        found = find_layer(store, name)
        if found is not None:
            return found
        made: list[tuple[WrittenLayer, tuple[Slice, ...]]] = []

        def compose(out: Sink) -> Digest:
            made.append(write(out))
            return made[0][0].digest

        path = store.compose(compose)
        fact = _fact(*made[0])
        store.put_fact(_FACT, name.key, fact)
        return _layer(name, fact, FileSource(path), Origin.BUILT)


def _fact(written: WrittenLayer, slices: tuple[Slice, ...]) -> dict[str, Any]:
    return {
        "digest": str(written.digest),
        "size": written.size,
        "diff_id": str(written.diff_id),
        "uncompressed": written.uncompressed_size,
        "toc": str(written.toc_digest),
        "slices": [one.to_json() for one in slices],
    }


def _layer(name: LayerName, known: dict[str, Any], source: FileSource, origin: Origin) -> Layer:
    slices = tuple(Slice(**one) for one in known["slices"])
    return Layer(
        descriptor=Descriptor(
            media_type=media.LAYER_GZIP,
            digest=Digest.parse(known["digest"]),
            size=known["size"],
            annotations=layer_annotations(
                key=name.key,
                kind=name.kind,
                title=name.title,
                slices=slices,
                toc_digest=Digest.parse(known["toc"]),
                uncompressed=known["uncompressed"],
            ),
        ),
        diff_id=Digest.parse(known["diff_id"]),
        source=source,
        kind=name.kind,
        title=name.title,
        origin=origin,
        key=name.key,
        slices=slices,
    )
