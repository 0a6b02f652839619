"""Symbolic links of a source distribution, resolved among its own names and never through a disk."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from crossdock.errors import ArchiveError
from crossdock.safepath import MAX_PATH_BYTES, show

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import NoReturn

#: MAXSYMLINKS of Linux.
_MAX_HOPS = 40
#: A tree full of links is no source distribution; the work per link is bounded too.
_MAX_LINKS = 4096
_HINT = "links in a source distribution may lead to files of its own; report it to the project"


def resolve_links(links: Mapping[str, str], files: Collection[str], *, limit: int) -> dict[str, str]:
    """Return for each path that exists through a link the file it leads to; raise `ArchiveError` (`E-TAR-LINK`).

    `links` are path and target as it stands, `files` the regular files, all below the top directory. A link to
    a directory gives every file below that. Refused are targets that are absolute or leave the top directory,
    by themselves or through a chain (CVE-2025-8869, CVE-2025-4517, GHSA-3wgq-wrwc-vqmv), lead nowhere or in
    circles, or multiply to more than `limit` files.
    """
    if len(links) > _MAX_LINKS:
        raise ArchiveError(
            f"{len(links)} links, more than {_MAX_LINKS}", code="E-TAR-LIMIT-LINKS", hint=_HINT
        )
    ordered = sorted(files) if links else []
    known = set(ordered)
    places = _Places(links)
    found: dict[str, str] = {}
    for path, target in links.items():
        place = "/".join(places.follow(path))
        if place in known:
            found[path] = place
            continue
        # All names that begin with `place/` lie together, before the first that begins with `place0`.
        first, last = (bisect_left(ordered, place + end) for end in ("/", "0"))
        if not place or path.startswith(f"{place}/"):
            _refuse(path, target, "leads to a directory around it")
        if first == last:
            _refuse(path, target, "leads to nothing in the archive")
        if len(found) + last - first > limit:
            _refuse(path, target, f"multiplies to more than {limit} files")
        found.update((path + file[len(place) :], file) for file in ordered[first:last])
    return found


class _Places:
    """Where links lead when every link on the way is followed; each is worked out once."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._done: dict[str, list[str]] = {}
        self._active: set[str] = set()

    def follow(self, path: str) -> list[str]:
        """Return the parts of the place that the link at `path` leads to."""
        if path in self._done:
            return self._done[path]
        target = self._links[path]
        if path in self._active or len(self._active) >= _MAX_HOPS:
            _refuse(path, target, "leads in circles")
        if len(target.encode()) > MAX_PATH_BYTES:
            _refuse(path, target, "has a target that is too long")
        if target.startswith("/") or "\\" in target or "\0" in target or ":" in target.partition("/")[0]:
            _refuse(path, target, "leads out of the archive")
        self._active.add(path)
        # Nothing lies below a link, so the directories above this one are real.
        parts = path.split("/")[:-1]
        for part in target.split("/"):
            if part == "..":
                if not parts:
                    _refuse(path, target, "leads out of the archive")
                parts.pop()
            elif part not in {"", "."}:
                parts.append(part)
                through = "/".join(parts)
                if through in self._links:
                    parts = list(self.follow(through))
        self._active.remove(path)
        self._done[path] = parts
        return parts


def _refuse(path: str, target: str, what: str) -> NoReturn:
    raise ArchiveError(f"the link `{show(path)}` to `{show(target)}` {what}", code="E-TAR-LINK", hint=_HINT)
