"""What our layers and manifests say of themselves, so that the next build finds them in a registry by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossdock.ship.image.model import Layer, LayerKind, Origin, Slice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.digest import Digest
    from crossdock.oci.blob import BlobSource
    from crossdock.oci.model import Descriptor

#: On a layer: what its bytes are a function of (Layer.key).
KEY = "dev.crossdock.layer.key"
#: On a layer: its LayerKind, its title, and its packages as JSON rows of a Slice's fields.
KIND = "dev.crossdock.layer.kind"
TITLE = "dev.crossdock.layer.title"
PACKAGES = "dev.crossdock.layer.packages"

#: estargz specification, "Layer descriptor annotations"; the second is podman's (containers/storage).
TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size"


def layer_annotations(
    *, key: str, kind: LayerKind, title: str, slices: Iterable[Slice], toc_digest: Digest, uncompressed: int
) -> dict[str, str]:
    """Return the annotations of a layer that we made."""
    rows = [[one.name, one.version, one.compressed, one.uncompressed, one.files] for one in slices]
    found = {
        KEY: key,
        KIND: str(kind),
        TITLE: title,
        TOC_DIGEST: str(toc_digest),
        UNCOMPRESSED_SIZE: str(uncompressed),
    }
    if rows:
        found[PACKAGES] = json.dumps(rows, separators=(",", ":"))
    return found


def layer_of(descriptor: Descriptor, diff_id: Digest, source: BlobSource, origin: Origin) -> Layer:
    """Return a layer of an image made earlier; one without our annotations is a base's.

    Annotations are input: what cannot be read of them counts as absent.
    """
    found = descriptor.annotations
    try:
        kind = LayerKind(found.get(KIND, "base"))
    except ValueError:
        kind = LayerKind.BASE
    ours = kind is not LayerKind.BASE
    return Layer(
        descriptor=descriptor,
        diff_id=diff_id,
        source=source,
        kind=kind,
        title=found.get(TITLE, "") if ours else "",
        origin=origin if ours else Origin.BASE,
        key=found.get(KEY, "") if ours else "",
        slices=_slices(found.get(PACKAGES, "")) if ours else (),
    )


def _slices(text: str) -> tuple[Slice, ...]:
    try:
        rows = json.loads(text or "[]")
        return tuple(
            Slice(
                name=str(name),
                version=str(version),
                compressed=int(compressed),
                uncompressed=int(uncompressed),
                files=int(files),
            )
            for name, version, compressed, uncompressed, files in rows
        )
    except (ValueError, TypeError, OverflowError, RecursionError):  # JSON as Python reads it has `Infinity`
        return ()
