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
from crossdock.ship.image.records import decode_records, encode_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossdock.archive.tarwrite import Sink
    from crossdock.ship.image.layer import WrittenLayer
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.records import WheelRecord
    from crossdock.ship.image.wheel_layer import WheelSource
    from crossdock.store import Store
    from crossdock.target.model import Target

_FACT = "layer"
_RECORDS = "layer-records"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLayer:
    """A layer of wheels with what is known of them, also as the blob that travels beside the image."""

    layer: Layer
    records: tuple[WheelRecord, ...]
    packed: bytes


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
    except (CrossdockError, LookupError, TypeError, ValueError, AttributeError):
        return None  # A fact of another form: the layer is made again.


def known_digest(store: Store, key: str) -> tuple[Digest, Digest] | None:
    """Return digest and diff ID that a key once came to here, whether or not the bytes are still there."""
    known = store.get_fact(_FACT, key)
    try:
        return (Digest.parse(known["digest"]), Digest.parse(known["diff_id"])) if known else None
    except (CrossdockError, LookupError, TypeError, AttributeError):
        return None


def make_layer(
    store: Store,
    name: LayerName,
    write: Callable[[Sink], tuple[WrittenLayer, tuple[Slice, ...]]],
    *,
    again: bool = False,
) -> Layer:
    """Return the layer of this key, from the store or written now by `write`; one process writes it, others wait.

    With `again` it is written even if the store has it.
    """
    found = None if again else find_layer(store, name)
    if found is not None:
        return found
    with store.locked(f"layer-{name.key[:40]}"):
        found = None if again else find_layer(store, name)
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


def find_records(store: Store, name: LayerName) -> RecordedLayer | None:
    """Return a layer of wheels with its records if the store has both whole, else None."""
    known = store.get_fact(_RECORDS, name.key)
    layer = find_layer(store, name) if isinstance(known, str) else None
    if layer is None or not isinstance(known, str):
        return None
    try:
        blob = store.blob(Digest.parse(known))
        if blob is None:
            return None
        packed = blob.read_bytes()
        return RecordedLayer(layer=layer, records=decode_records(packed), packed=packed)
    except (CrossdockError, OSError):
        return None  # As above.


def make_wheel_layer(
    store: Store, name: LayerName, wheels: Sequence[WheelSource], *, target: Target, layout: ImageLayout
) -> RecordedLayer:
    """Return the layer with `wheels` and its records, from the store or written now.

    Raises what `write_wheel_layer` raises; then nothing of it stays.
    """
    found = find_records(store, name)
    if found is not None:
        return found
    # Not the lock of the layer alone: whoever waits must find the records as well, or would write it again.
    with store.locked(f"records-{name.key[:40]}"):
        return find_records(store, name) or _make_recorded(store, name, wheels, target, layout)


def _make_recorded(
    store: Store, name: LayerName, wheels: Sequence[WheelSource], target: Target, layout: ImageLayout
) -> RecordedLayer:
    from crossdock.ship.image.wheel_layer import write_wheel_layer  # a run that changes nothing writes none

    read: list[tuple[WheelRecord, ...]] = []

    def write(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
        made = write_wheel_layer(wheels, target=target, layout=layout, out=out, scratch=store.scratch)
        read.append(made.records)
        return made.written, made.slices

    # Without its records a layer is of no use here, so it is written again where they are gone.
    layer = make_layer(store, name, write, again=True)
    packed = encode_records(read[0])
    digest = Digest.of(packed)
    store.ingest(digest, (packed,), len(packed))
    store.put_fact(_RECORDS, name.key, str(digest))
    return RecordedLayer(layer=layer, records=read[0], packed=packed)


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
