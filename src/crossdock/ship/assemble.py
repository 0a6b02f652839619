"""All wheels of a target together: one map of paths, collisions refused, and the receipt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from crossdock.digest import Digest
from crossdock.errors import ArchiveError, ShipError
from crossdock.ship.collision import both_write
from crossdock.ship.installed import InstalledFile, directory_layout, installed_files
from crossdock.ship.receipt import Receipt, ShippedPackage
from crossdock.ship.tree import RECEIPT
from crossdock.target.model import Os

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossdock.safepath import PathRules
    from crossdock.ship.cargo import Gathered
    from crossdock.ship.unpacked import UnpackedWheel
    from crossdock.target.model import Target


class Cargo(Protocol):
    """What is loaded: an unpacked wheel, its entry for the receipt, and where it came from."""

    @property
    def unpacked(self) -> UnpackedWheel: ...  # noqa: D102
    @property
    def package(self) -> ShippedPackage: ...  # noqa: D102
    @property
    def direct_url(self) -> bytes | None: ...  # noqa: D102


class LoadedFile(NamedTuple):
    """An installed file, and the unpacked wheel that has its bytes unless they were made here."""

    file: InstalledFile
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Everything that goes into one tree: files by path, the receipt, and what runs at Python's start."""

    files: dict[str, LoadedFile]
    receipt: Receipt
    start_up_hooks: tuple[str, ...]
    #: Binaries that the audit read.
    binaries: int

    @property
    def key(self) -> str:
        """A key of what is in it, for shipments that no lock file names."""
        made = [
            (path, entry.file.sha256, entry.file.executable) for path, entry in sorted(self.files.items())
        ]
        return f"content {Digest.of(self.receipt.to_bytes()).hex} {Digest.of(repr(made).encode()).hex}"


def assemble(
    target: Target,
    cargo: Sequence[Cargo],
    *,
    interpreter: str | None = None,
    accepted: Mapping[str, Sequence[str]] | None = None,
) -> Shipment:
    """Lay out `cargo` for `install --target`; the order of the wheels does not matter.

    Two wheels may hold one path if the bytes are the same; otherwise `ShipError` names both owners. So it
    does for names that are one on the target's file system: upper and lower case, Unicode forms.
    """
    layout = directory_layout(target, interpreter)
    files: dict[str, LoadedFile] = {}
    owners: dict[str, str] = {}
    ordered = sorted(cargo, key=lambda item: item.package.name)
    for item in ordered:
        label = f"{item.package.name} {item.package.version}"
        installed = installed_files(
            item.unpacked.facts, target, layout, read=item.unpacked.read, direct_url=item.direct_url
        )
        for file in installed:
            path = file.path
            if path == RECEIPT:
                raise ShipError(
                    f"`{label}` has a file `{RECEIPT}`, which is the name of the receipt",
                    code="E-SHIP-COLLISION",
                    hint="report it to the project: no package can be installed with it",
                )
            other = files.get(path)
            if other is None:
                files[path] = LoadedFile(file, item.unpacked.directory)
                owners[path] = label
            elif (other.file.sha256, other.file.executable) != (file.sha256, file.executable):
                raise both_write(path, (owners[path], other.file.sha256), (label, file.sha256))
    _refuse_twins(files, owners, target)
    receipt = Receipt(
        target=_canonical(target),
        packages=tuple(_with_notes(item.package, accepted or {}) for item in ordered),
        files={path: entry.file.sha256 for path, entry in sorted(files.items())},
    )
    hooks = tuple(
        f"{path} ({item.package.name})" for item in ordered for path in item.unpacked.facts.start_up_hooks
    )
    binaries = sum(len(item.unpacked.binaries) for item in cargo)
    return Shipment(files=files, receipt=receipt, start_up_hooks=hooks, binaries=binaries)


def _with_notes(package: ShippedPackage, accepted: Mapping[str, Sequence[str]]) -> ShippedPackage:
    """Return the receipt's entry with what was accepted of the package by name."""
    return replace(package, notes=(*package.notes, *accepted.get(package.name, ())))


def facts_of(gathered: Gathered, shipment: Shipment) -> dict[str, Any]:
    """Return what a command tells about a shipment, as JSON values."""
    return {
        "target": gathered.target.name,
        "packages": [package.to_json() for package in shipment.receipt.packages],
        "files": len(shipment.files),
        "bytes": sum(entry.file.size for entry in shipment.files.values()),
        "binaries": shipment.binaries,
        "findings": [finding.to_json() for finding in gathered.findings],
        "start_up_hooks": list(shipment.start_up_hooks),
        "notes": list(gathered.notes),
    }


def _canonical(target: Target) -> str:
    from crossdock.target.names import canonical_name

    return canonical_name(target)


def _refuse_twins(files: dict[str, LoadedFile], owners: dict[str, str], target: Target) -> None:
    """Refuse paths of different wheels that are one on the target, and a file where another needs a directory.

    Within a wheel the reader saw to it, so only the top-level names that two wheels share are looked at.
    """
    from crossdock.safepath import PathSet, parse_member_path

    rules = path_rules(target)
    meeting: dict[str, str | None] = {}
    for path in files:
        top = path.partition("/")[0].casefold()
        # Names that are not ASCII may be one in another Unicode form, and where case folds the schemes of one
        # wheel may meet as well: they are always looked at.
        if meeting.setdefault(top, owners[path]) != owners[path] or not top.isascii() or rules.folds:
            meeting[top] = None
    seen = PathSet(rules)
    for path in sorted(path for path in files if meeting[path.partition("/")[0].casefold()] is None):
        try:
            seen.add_file(parse_member_path(path, rules))
        except ArchiveError as error:
            raise ShipError(
                f"`{owners[path]}` cannot be installed beside the others: {error.message}",
                code="E-SHIP-COLLISION",
                places=error.places,
                hint="the names are one on the target's file system; drop one of the packages",
            ) from error


def path_rules(target: Target) -> PathRules:
    """Return the rules that paths must keep on the target's file system."""
    from crossdock.safepath import PathRules

    match target.os:
        case Os.WINDOWS:
            return PathRules.WINDOWS
        case Os.MACOS | Os.IOS:
            return PathRules.MACOS
        case Os.LINUX | Os.ANDROID | Os.EMSCRIPTEN:
            return PathRules.POSIX
