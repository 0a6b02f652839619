"""What a build takes over from the previous image: layers by their keys, and the records that travel beside it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossdock.errors import CrossdockError
from crossdock.oci.blob import Blob, read_blob
from crossdock.oci.model import Manifest, parse_manifest
from crossdock.ship.image.annotations import KEY
from crossdock.ship.image.kept_layers import RecordedLayer, known_digest
from crossdock.ship.image.previous import compare_with_store
from crossdock.ship.image.records import ARTIFACT_TYPE, base_key, decode_base, decode_records

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from crossdock.ship.image.model import Layer
    from crossdock.ship.image.previous import Contents, Previous
    from crossdock.ship.image.records import WheelRecord
    from crossdock.store import Store

#: Packed records of one layer above this size are not fetched: the largest wheels have some hundred KiB.
_LARGEST = 16 << 20
#: Records fetched at once.
_THREADS = 8


class TakenOver:
    """The previous image as `crossdock.pipeline.image.PreviousLayers`; read when something of it is needed.

    `read` gives the image and where its contents are, None if there is none. Layers that are not what this
    machine once made for their key are refused (E-IMAGE-LAYER-MISMATCH); broken records count as absent.
    """

    def __init__(
        self,
        read: Callable[[], tuple[Previous, Contents] | None],
        store: Store,
        warn: Callable[[str], None],
    ) -> None:
        self._read = read
        self._store = store
        self._warn = warn
        #: One broken record is seldom alone, and says all that there is to say.
        self._warned = False

    @cached_property
    def found(self) -> tuple[Previous, Contents] | None:
        """The previous image, read now if it was not before."""
        return self._read()

    @cached_property
    def _layers(self) -> Mapping[str, Layer]:
        if self.found is None:
            return {}
        layers = self.found[0].layers_by_key()
        compare_with_store(layers.values(), lambda key: known_digest(self._store, key))
        return layers

    def layer(self, key: str) -> Layer | None:
        """Return any layer of ours, None if it has no such layer."""
        return self._layers.get(key)

    def recorded(self, keys: Collection[str]) -> Mapping[str, RecordedLayer]:
        """Return those of the layers of wheels that it has with their records."""
        wanted = [key for key in keys if key in self._layers and key in self._records]
        if not wanted:
            return {}
        from crossdock.ship.image.parallel import in_threads  # as many requests as layers

        unpacked = in_threads(self._unpack, wanted, threads=_THREADS)
        return {one.layer.key: one for one in unpacked if one is not None}

    def base_facts(self, key: str) -> Any:
        """Return the facts of a base as `facts_to_json` gave them, None if it has none under this key."""
        blob = self._records.get(base_key(key))
        if blob is None:
            return None
        try:
            return decode_base(read_blob(blob.descriptor, blob.source, _LARGEST))
        except CrossdockError as error:
            self._unusable(error)
            return None

    @cached_property
    def _records(self) -> Mapping[str, Blob]:
        """Where the records of each layer are, by its key."""
        if self.found is None:
            return {}
        previous, contents = self.found
        records: dict[str, Blob] = {}
        for platform in previous.platforms:
            try:
                entries = previous.referrers(platform.descriptor.digest)
            except CrossdockError as error:
                # Registries that do not know the API answer this path with anything; the image itself was there.
                self._unusable(error)
                continue
            for entry in entries:
                if entry.artifact_type != ARTIFACT_TYPE:
                    continue
                try:
                    manifest = parse_manifest(contents.manifest(entry.digest), entry.media_type)
                except CrossdockError as error:
                    self._unusable(error)
                    continue
                if isinstance(manifest, Manifest):
                    for layer in manifest.layers:
                        blob = Blob(descriptor=layer, source=contents.blob(layer))
                        records[layer.annotations.get(KEY, "")] = blob
        return records

    def _unpack(self, key: str) -> RecordedLayer | None:
        blob = self._records[key]
        try:
            known = self._store.blob(blob.descriptor.digest)
            packed = (
                read_blob(blob.descriptor, blob.source, _LARGEST) if known is None else known.read_bytes()
            )
            records = decode_records(packed)
            _check_binaries(records)
        except CrossdockError as error:
            self._unusable(error)
            return None
        return RecordedLayer(layer=self._layers[key], records=records, packed=packed)

    def _unusable(self, error: CrossdockError) -> None:
        if self._warned:
            return
        self._warned = True
        self._warn(f"what the previous image tells of its wheels cannot be used: {error.message}")


def _check_binaries(records: Iterable[WheelRecord]) -> None:
    """Raise `InspectError` for facts of binaries that are none: the audit takes them as they stand."""
    from crossdock.inspect.facts import Binary

    for record in records:
        for _path, binary in record.binaries:
            Binary.from_json(binary)
