"""A base's layers: one for each group of packages, written once and kept in the store."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING
from zlib import crc32

from crossdock.archive.deflate import stored
from crossdock.archive.tarread import Kind
from crossdock.errors import ImageError
from crossdock.oci.model import canonical_json
from crossdock.ship.image.debian.deb import DebEntry, read_deb
from crossdock.ship.image.debian.made import HOME, NONROOT, made_entries, status_entries
from crossdock.ship.image.debian.tree import MERGED, Taken, placed
from crossdock.ship.image.kept_layers import LayerName, make_layer
from crossdock.ship.image.layer import LayerWriter, Owner, WrittenLayer
from crossdock.ship.image.model import Layer, LayerKind, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink
    from crossdock.net.debian.resolve import PinnedPackage
    from crossdock.store import Store

#: Raised when the same packages would come to other bytes; the compressor's version belongs to it.
_FORMAT = 1
_LEVEL = 9
_ALWAYS = ("bin", "lib", "sbin")
_MODES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}
#: Entries of a system that no package brings.
_MADE = "made here"


class BaseLayers:
    """The layers of packages by group. Files are fetched (by `fetch`, name to path) only if a layer is missing."""

    def __init__(
        self,
        packages: Sequence[PinnedPackage],
        groups: Sequence[str],
        fetch: Callable[[], Mapping[str, Path]],
    ) -> None:
        self._packages = packages
        self._groups = groups
        self._fetch = fetch

    def make(self, store: Store, title: str) -> list[Layer]:
        """Return the layers, the lowest first; raise what reading and writing them raises."""
        layers = []
        for depth, group in enumerate(self._groups):
            if not any(package.group == group for package in self._packages):
                continue
            name = LayerName(key=self._key(depth), kind=LayerKind.BASE, title=f"{title} {group}".strip())
            layers.append(make_layer(store, name, self._writer(group)))
        return layers

    def _key(self, depth: int) -> str:
        """Return a layer's key; what lies below counts, since a path may be there once."""
        below = self._groups[: depth + 1]
        value = [
            "debian",
            _FORMAT,
            [[group, [[one.name, one.sha256] for one in self._of(group)]] for group in below],
        ]
        return sha256(canonical_json(value)).hexdigest()

    def _of(self, group: str) -> list[PinnedPackage]:
        return sorted(one for one in self._packages if one.group == group)

    def _writer(self, group: str) -> Callable[[Sink], tuple[WrittenLayer, tuple[Slice, ...]]]:
        def write(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
            return _write(self._contents[group], out)

        return write

    @cached_property
    def _contents(self) -> dict[str, list[tuple[str, str, list[DebEntry]]]]:
        """By group: packages by name and version with their entries; read and checked together."""
        paths = self._fetch()
        taken = Taken()
        links: set[str] = set()
        contents: dict[str, list[tuple[str, str, list[DebEntry]]]] = {}
        for depth, group in enumerate(self._groups):
            rows = [(one.name, one.version, _entries_of(one, paths[one.name])) for one in self._of(group)]
            if not depth:
                made = made_entries(entry for _name, _version, entries in rows for entry in entries)
                replaced = {entry.path for entry in made}
                rows = [
                    (name, version, [one for one in entries if one.path not in replaced])
                    for name, version, entries in rows
                ]
                rows.insert(0, ("", "", made))
            contents[group] = rows
            for name, _version, entries in contents[group]:
                for entry in entries:
                    taken.add(entry, name or _MADE)
            used = {link for link in MERGED if link not in links and taken.has(f"usr/{link}")}
            used |= set(_ALWAYS) - links
            links |= used
            merged = [DebEntry(link, Kind.SYMLINK, link=f"usr/{link}") for link in sorted(used)]
            contents[group].insert(0, ("", "", merged))
        return contents


def _entries_of(package: PinnedPackage, path: Path) -> list[DebEntry]:
    filename = package.filename.rpartition("/")[2]
    with path.open("rb") as file:
        deb = read_deb(file, filename)
    stated = _field(deb.control, "Package"), _field(deb.control, "Version")
    if stated != (package.name, package.version):
        raise ImageError(
            f"`{filename}` says it is {stated[0]} {stated[1]}, `{package.name} {package.version}` was announced",
            code="E-DEB-FORMAT",
            hint="the archive is broken: take another mirror",
        )
    entries = [*placed(deb.entries), *status_entries(package.name, deb)]
    return sorted(entries, key=lambda entry: entry.path.split("/"))


def _field(control: bytes, name: str) -> str:
    for line in control.decode("utf-8", "replace").splitlines():
        field, _colon, value = line.partition(":")
        if field.lower() == name.lower():
            return value.strip()[:200]
    return ""


def _write(
    rows: Sequence[tuple[str, str, Sequence[DebEntry]]], out: Sink
) -> tuple[WrittenLayer, tuple[Slice, ...]]:
    writer = LayerWriter(out)
    slices = []
    for name, version, entries in rows:
        before, plain, files = writer.size, writer.uncompressed_size, writer.files
        for entry in entries:
            _add(writer, entry)
        if name:
            slices.append(
                Slice(
                    name=name,
                    version=version,
                    compressed=writer.size - before,
                    uncompressed=writer.uncompressed_size - plain,
                    files=writer.files - files,
                )
            )
    return writer.finish(), tuple(slices)


def _add(writer: LayerWriter, entry: DebEntry) -> None:
    if entry.kind is Kind.DIRECTORY:
        owner = Owner(NONROOT, NONROOT) if entry.path == HOME else Owner()
        writer.directory(entry.path, mode=_MODES.get(entry.path, 0o755), owner=owner)
    elif entry.kind is Kind.SYMLINK:
        writer.symlink(entry.path, entry.link)
    else:
        content = entry.content
        writer.deflated(
            entry.path,
            raw=packed(content),
            plain=content,
            crc=crc32(content),
            sha=sha256(content).hexdigest(),
            mode=0o755 if entry.executable else 0o644,
        )


def packed(content: bytes) -> bytes:
    """Return content deflated by libdeflate, whose output depends on its version alone (ADR 8), or stored."""
    import deflate  # only when a layer is written

    squeezed = bytes(deflate.deflate_compress(content, _LEVEL))
    return squeezed if len(squeezed) < len(content) else stored(content)
