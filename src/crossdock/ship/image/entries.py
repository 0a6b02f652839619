"""Files and links of an image that come from no wheel, on their way into a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from crossdock.archive.deflate import stored
from crossdock.errors import ImageError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossdock.ship.entries import Entry
    from crossdock.ship.image.layer import LayerWriter

#: Runtimes take such a name for the removal of a file below (image specification, layer.md, "Whiteouts").
_WHITEOUT = ".wh."
#: Files up to this many bytes are compressed, if all of them together have no more than the second number.
_SMALL = 128 << 10
_MOST_SMALL = 2 << 20


def merged(*groups: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return all entries sorted by path; raise `ImageError` if two of them are to lie at one place.

    So is a name refused that runtimes take for a removal.
    """
    found: dict[str, Entry] = {}
    for entry in (entry for group in groups for entry in group):
        _refuse_removal(entry.path)
        other = found.setdefault(entry.path, entry)
        if other is not entry and _bytes_of(other) != _bytes_of(entry):
            raise _twice(entry.path)
    for path in found:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in found:
                raise _twice(parent)
            parent = parent.rpartition("/")[0]
    return tuple(found[path] for path in sorted(found))


def _refuse_removal(path: str) -> None:
    if any(part.startswith(_WHITEOUT) for part in path.split("/")):
        raise ImageError(
            f"`{show(path)}`: runtimes take names that begin with `{_WHITEOUT}` for removals",
            code="E-IMAGE-FILE",
            hint="rename it, or leave it out by `exclude`",
        )


def _twice(path: str) -> ImageError:
    return ImageError(
        f"two files are to lie at `/{show(path)}` of the image",
        code="E-IMAGE-ADD-TWICE",
        hint="give one of them another destination",
    )


def _bytes_of(entry: Entry) -> tuple[str, int, str]:
    return entry.sha256, entry.mode, entry.link


def refuse_below_links(paths: Iterable[str], is_link: Callable[[str], bool]) -> None:
    """Refuse paths of ours that are, or lie below, a symbolic link of the base.

    A layer's directory replaces the link: `/lib` so replaced broke every program of the base (jib's FAQ).
    `is_link` is asked for paths of the base; all are without the first slash.
    """
    known: dict[str, bool] = {}
    for place in paths:
        path = place
        while path:
            if path not in known:
                known[path] = is_link(path)
            if known[path]:
                raise ImageError(
                    f"`/{show(place)}` lies below `/{show(path)}`, a symbolic link of the base",
                    code="E-IMAGE-BELOW-LINK",
                    hint="name the place that the link leads to, or choose another `--prefix`",
                )
            path = path.rpartition("/")[0]


def write_entries(writer: LayerWriter, entries: Sequence[Entry]) -> None:
    """Write `entries` to a layer; raise `ImageError` if a file is no longer what it was when it was looked at.

    Small files are compressed by our own encoder, at some 2 MB a second. Many of them are stored: compressing
    would take longer than the transfer gains, at every edit of the application.
    """
    small = sum(entry.size for entry in entries if entry.size <= _SMALL)
    for entry in entries:
        if entry.link:
            writer.symlink(entry.path, entry.link)
        elif small > _MOST_SMALL and entry.size <= _SMALL:
            content = b"".join(entry.content())
            writer.deflated(
                entry.path,
                raw=stored(content),
                plain=content,
                crc=crc32(content),
                sha=entry.sha256,
                mode=entry.mode,
            )
        else:
            writer.stream(entry.path, entry.content(), size=entry.size, sha=entry.sha256, mode=entry.mode)
