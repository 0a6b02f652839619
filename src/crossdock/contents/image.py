"""The contents of an image: of a layout, of an archive, or of a registry's repository. Nothing is unpacked.

Layers are streamed, verified and laid over each other as a runtime would (`crossdock.contents.tree`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.contents.base import environment_of, facts_of
from crossdock.contents.collect import Contents, FileFacts
from crossdock.contents.layer import EntryKind, layer_facts
from crossdock.contents.tree import Tree
from crossdock.errors import ArchiveError, CrossdockError
from crossdock.oci.choose import choose
from crossdock.oci.model import Platform
from crossdock.target.describe import oci_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.oci.choose import Chosen, ManifestReader
    from crossdock.oci.layout import Layout
    from crossdock.oci.model import Descriptor
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Codes that were there before images had their own: scripts rely on them.
_CODES = {"E-IMAGE-NO-PLATFORM": "E-CONTENTS-PLATFORM", "E-IMAGE-SEVERAL": "E-CONTENTS-PLATFORM"}
#: What is said as it is: the image is sound, and something else is missing.
_KEPT_CODES = frozenset({"E-IMAGE-ZSTD"})


def read_image(layout: Layout, *, target: Target | None = None, store: Store | None = None) -> Contents:
    """Return the files of an image as a container sees them.

    An index with several images needs `target` to choose one. Raises `ArchiveError`: E-CONTENTS-IMAGE where parts
    are missing or broken, E-CONTENTS-PLATFORM where no image is for the target or the target chooses none.
    """
    try:
        return read_image_from(layout, layout.entries(), layout.name, target=target, store=store)
    except CrossdockError as error:
        if error.code in _KEPT_CODES or error.code.startswith("E-STORE-"):
            raise
        raise ArchiveError(
            error.message,
            code=_CODES.get(error.code, "E-CONTENTS-IMAGE"),
            places=[layout.name, *error.places],
            hint="name the target of the image with `--for`"
            if error.code in _CODES
            else error.hint or "make or fetch it anew",
        ) from error


def read_image_from(
    reader: ManifestReader,
    entries: Sequence[Descriptor],
    name: str,
    *,
    target: Target | None = None,
    store: Store | None = None,
) -> Contents:
    """Return the files of the image for `target` that `entries` lead to, in a layout or a registry.

    `entries` are what the image's name came to, as for `crossdock.oci.choose.choose`; `name` is for messages. With a
    store each layer is read once. Raise `ImageError` or `ArchiveError`.
    """
    platform = None if target is None else _platform(target, name)
    return contents_of(reader, choose(reader, entries, platform, name=name), name, store=store)


def contents_of(reader: ManifestReader, image: Chosen, name: str, *, store: Store | None = None) -> Contents:
    """Return the files of an image that was chosen, and the libraries that its loader finds."""
    tree = Tree()
    for descriptor, diff_id in zip(image.manifest.layers, image.diff_ids, strict=True):
        tree.add(layer_facts(descriptor, diff_id, reader.blob(descriptor), store=store))
    contents = Contents(kind="image", name=name, image=True)
    for path, node in tree.files():
        if node.kind is EntryKind.SYMLINK:
            contents.files[path] = FileFacts(size=0, link=node.link)
        elif node.facts is not None:
            contents.files[path] = node.facts
    facts = facts_of(tree, environment_of(image.config), image.platform, name=name)
    # Without a C library it is an application's layers alone, whose base is not known.
    contents.base = facts.libraries if facts.libc is not None else None
    return contents


def _platform(target: Target, name: str) -> Platform:
    words = oci_platform(target)
    if words is None:
        raise ArchiveError(
            f"images are not made for {target.os}",
            code="E-CONTENTS-PLATFORM",
            places=[name],
            hint="name a target that runs in containers with `--for`",
        )
    return Platform.parse(words)
