"""Layers laid over each other: the file system that a container sees, as names and facts, never on a disk.

OCI image specification, layer.md ("Applying Changesets", "Whiteouts"). Where the specification is silent we do as
containerd and podman do: a path's directories are reached through the symbolic links of the layers below, its
last part is not, and an entry replaces whatever is there but a directory that stays one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.contents.layer import EntryKind
from crossdock.errors import ImageError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.contents.collect import FileFacts
    from crossdock.contents.layer import Entry, LayerFacts

#: Linux follows 40 links in one path (path_resolution(7)).
_MOST_LINKS = 40
#: Files and directories of one image; above it an image is an attack.
_MOST_NODES = 2_000_000
#: Names that all links together may lead through: real images stay below a million.
_MOST_STEPS = 50_000_000


class Node:
    """A file, directory, symbolic link or device at one place; a directory has `children`."""

    __slots__ = ("children", "facts", "kind", "link")

    def __init__(self, kind: EntryKind, facts: FileFacts | None = None, link: str = "") -> None:
        self.kind = kind
        self.facts = facts
        self.link = link
        self.children: dict[str, Node] = {} if kind is EntryKind.DIRECTORY else _NOTHING


#: What a thing that is no directory holds.
_NOTHING: dict[str, Node] = {}


class Tree:
    """A root file system. Paths go without a leading slash; a link that climbs above the root stays at it."""

    def __init__(self) -> None:
        self.root = Node(EntryKind.DIRECTORY)
        self._nodes = 0
        self._steps = 0

    def add(self, layer: LayerFacts) -> None:
        """Lay a layer over what is there; raise `ImageError` (E-IMAGE-LAYER) for one that does not fit on it."""
        # layer.md: whiteouts hide what lies below, never files of the same layer, wherever they stand in it.
        for entry in layer.entries:
            if entry.kind in {EntryKind.WHITEOUT, EntryKind.OPAQUE}:
                self._hide(entry)
        for entry in layer.entries:
            if entry.kind not in {EntryKind.WHITEOUT, EntryKind.OPAQUE}:
                self._put(entry)

    def at(self, path: str) -> Node | None:
        """Return what lies at a path, links followed to their end; None if nothing does."""
        found = self._follow(path)
        return None if found is None else found[1]

    def real_path(self, path: str) -> str | None:
        """Return the path without links of what lies at `path`, None if nothing does."""
        found = self._follow(path)
        return None if found is None else "/".join(found[0])

    def files(self) -> Iterator[tuple[str, Node]]:
        """Yield everything but directories with its path, each directory's entries in the order they came."""
        waiting = [("", self.root)]
        while waiting:
            path, node = waiting.pop()
            if node.kind is EntryKind.DIRECTORY:
                waiting += [(f"{path}/{name}", child) for name, child in reversed(node.children.items())]
            else:
                yield path[1:], node

    def _follow(self, path: str) -> tuple[list[str], Node] | None:
        """Walk a path as the kernel does; return its true parts and what is there."""
        waiting = path.split("/")[::-1]
        at: list[tuple[str, Node]] = [("", self.root)]
        links = 0
        while waiting:
            part = waiting.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                del at[max(1, len(at) - 1) :]
                continue
            node = at[-1][1].children.get(part)
            if node is None:
                return None
            if node.kind is EntryKind.SYMLINK:
                links += 1
                if links > _MOST_LINKS:
                    return None
                if node.link.startswith("/"):
                    del at[1:]
                steps = node.link.split("/")[::-1]
                self._steps += len(steps)
                if self._steps > _MOST_STEPS:
                    raise _refuse("links that lead through too many others")
                waiting += steps
            else:
                at.append((part, node))
        return [name for name, _ in at[1:]], at[-1][1]

    def _hide(self, entry: Entry) -> None:
        directory, _, name = entry.path.rpartition("/")
        if entry.kind is EntryKind.OPAQUE:
            node = self.at(entry.path)
            if node is not None and node.kind is EntryKind.DIRECTORY:
                node.children.clear()
            return
        parent = self.at(directory)
        if parent is not None and parent.kind is EntryKind.DIRECTORY:
            parent.children.pop(name, None)

    def _put(self, entry: Entry) -> None:
        directory, _, name = entry.path.rpartition("/")
        parent = self._directory(directory)
        old = parent.children.get(name)
        if entry.kind is EntryKind.DIRECTORY:
            if old is None or old.kind is not EntryKind.DIRECTORY:
                parent.children[name] = self._node(Node(EntryKind.DIRECTORY))
            return
        if entry.kind is EntryKind.HARDLINK:
            parent.children[name] = self._linked(entry)
            return
        parent.children[name] = self._node(Node(entry.kind, entry.facts, entry.link))

    def _linked(self, entry: Entry) -> Node:
        """Return what a hard link names: the file itself, not what a link there points to."""
        directory, _, name = entry.link.strip("/").rpartition("/")
        parent = self.at(directory)
        node = None if parent is None or name in {"", ".", ".."} else parent.children.get(name)
        if node is None or node.kind is EntryKind.DIRECTORY:
            raise _refuse(
                f"`{show(entry.path)}` is a hard link to `{show(entry.link)}`, which is no file of the image"
            )
        return node

    def _directory(self, path: str) -> Node:
        """Return the directory at a path, made where it is missing."""
        found = self.at(path)
        if found is not None and found.kind is EntryKind.DIRECTORY:
            return found
        above, _, name = path.rpartition("/")
        # Nothing there, a file, or a link that leads nowhere: runtimes put a directory in its place.
        parent = self._directory(above)
        made = parent.children[name] = self._node(Node(EntryKind.DIRECTORY))
        return made

    def _node(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _refuse(f"more than {_MOST_NODES} files and directories")
        return node


def _refuse(what: str) -> ImageError:
    return ImageError(
        f"broken image: a layer does not lie on those below: {what}",
        code="E-IMAGE-LAYER",
        hint="make or fetch it anew",
    )
