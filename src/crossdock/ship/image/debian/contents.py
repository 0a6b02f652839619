"""What goes into a base's layers: the files of packages, read and checked together, and how they are written."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from crossdock.archive.deb import DebEntry, read_deb
from crossdock.archive.deflate import stored
from crossdock.archive.tarread import Kind
from crossdock.errors import ImageError
from crossdock.ship.image.debian.made import HOME, NONROOT, made_entries, status_entries
from crossdock.ship.image.debian.tree import MADE, MERGED, Taken, placed
from crossdock.ship.image.layer import LayerWriter, Owner, WrittenLayer
from crossdock.ship.image.model import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink
    from crossdock.net.debian.chosen import PinnedPackage

_LEVEL = 9
_ALWAYS = frozenset({"bin", "lib", "sbin"})
_MODES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}


class Part(NamedTuple):
    """A package's entries in a layer; without a name those that no package brings."""

    name: str
    version: str
    entries: Sequence[DebEntry]


def read_contents(
    groups: Mapping[str, Sequence[PinnedPackage]], paths: Mapping[str, Path]
) -> dict[str, list[Part]]:
    """Return the parts of each group's layer, the first one's with what makes packages a system.

    Raise `ImageError` (E-DEBIAN-CLASH) where two packages want one path, `ArchiveError` for a broken package.
    """
    taken = Taken()
    linked: set[str] = set()
    contents: dict[str, list[Part]] = {}
    for group, packages in groups.items():
        parts = [Part(one.name, one.version, _entries_of(one, paths[one.name])) for one in packages]
        if not contents:
            parts = _with_made(parts)
        for part in parts:
            for entry in part.entries:
                taken.add(entry, part.name or MADE)
        used = {link for link in MERGED if taken.has(f"usr/{link}")} | _ALWAYS
        links = [DebEntry(link, Kind.SYMLINK, link=f"usr/{link}") for link in sorted(used - linked)]
        linked |= used
        contents[group] = [Part("", "", links), *parts]
    return contents


def _with_made(parts: Sequence[Part]) -> list[Part]:
    made = made_entries(entry for part in parts for entry in part.entries)
    replaced = {entry.path for entry in made}
    return [Part("", "", made), *(_without(part, replaced) for part in parts)]


def _without(part: Part, paths: Iterable[str]) -> Part:
    return part._replace(entries=[entry for entry in part.entries if entry.path not in paths])


def _entries_of(package: PinnedPackage, path: Path) -> list[DebEntry]:
    filename = package.filename.rpartition("/")[2]
    with path.open("rb") as file:
        deb = read_deb(file, filename)
    stated = tuple(_field(deb.control, name) for name in ("Package", "Version", "Architecture"))
    if stated != (package.name, package.version, package.architecture):
        raise ImageError(
            f"`{filename}` says it is `{' '.join(stated)}`, `{package.name} {package.version} {package.architecture}` "
            "was announced",
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


def write_layer(parts: Sequence[Part], out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
    """Write a layer, and return what it is and what each package takes of it."""
    writer = LayerWriter(out)
    slices = []
    for name, version, entries in parts:
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
