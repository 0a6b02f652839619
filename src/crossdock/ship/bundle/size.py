"""How large a bundle is, where its bytes are, and whether the place takes it; in bytes, zipped and unzipped."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.ship.bundle.prune import Saving, possible
from crossdock.ship.bundle.prune_judge import Removed, test_directories
from crossdock.ship.bundle.prune_rules import RULES
from crossdock.ship.bundle.prune_sources import inner_path, is_metadata
from crossdock.ship.report.words import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from crossdock.ship.bundle.model import BundledPackage, BundleFile
    from crossdock.ship.bundle.places import Limits, Place

#: The end of central directory record.
_END = 22
_LIBRARY = re.compile(r"\.(?:so|dylib)(?:\.[0-9.]+)?$")


class FileKind(StrEnum):
    """What a file is, as reports count it."""

    LIBRARY = "shared libraries"
    PYTHON = "Python"
    DATA = "data"
    TESTS = "tests"
    HEADERS = "headers and sources"
    STATIC = "static libraries"
    STUBS = "stubs"
    BYTECODE = "bytecode"
    METADATA = "metadata"


#: What pruning by a rule takes is counted under one kind, so that the two tables speak of the same bytes.
_KIND_OF_RULE = {
    "headers": FileKind.HEADERS,
    "stubs": FileKind.STUBS,
    "pycache": FileKind.BYTECODE,
    "static": FileKind.STATIC,
}


class Measured(NamedTuple):
    """Files, and their bytes unzipped and in the zip (headers of the zip included)."""

    files: int = 0
    unzipped: int = 0
    zipped: int = 0

    def plus(self, other: Measured) -> Measured:
        """Return both together."""
        return Measured(self.files + other.files, self.unzipped + other.unzipped, self.zipped + other.zipped)


NOTHING = Measured()


@dataclass(frozen=True, slots=True, kw_only=True)
class OneZip:
    """A zip of ours to measure. `role` is `function` or `layer`; `zipped` its size once it is written, else None."""

    name: str
    role: str
    packages: Sequence[BundledPackage]
    zipped: int | None = None


class LayerSize(NamedTuple):
    """Another layer that the function will have, in bytes."""

    name: str
    zipped: int
    unzipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipSize:
    """A zip of ours. `size.zipped` is its real size if it `is_written`, else at most that; `least` at least."""

    name: str
    role: str
    size: Measured
    least: int
    is_written: bool

    @property
    def bound(self) -> str:
        """What to say before `size.zipped`."""
        return "" if self.is_written or self.least == self.size.zipped else "up to "

    def fits(self, limits: Limits) -> bool:
        """Tell whether it may be small enough."""
        return limits.zipped is None or self.least <= limits.zipped


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSize:
    """A package of one of the zips; `name` is empty for the user's own code. Its `kinds` are the largest first."""

    name: str
    version: str
    zip: str
    size: Measured
    kinds: tuple[tuple[FileKind, Measured], ...]

    @property
    def title(self) -> str:
        """Name and version, for people: what cannot be printed is shown as an escape."""
        return plain(f"{self.name} {self.version}".strip()) or "the application"


@dataclass(frozen=True, kw_only=True)
class SizeReport:
    """Where the bytes are.

    `zips` are ours, `layers` others that the function will have; `packages` and `kinds` are the largest first.
    `pruned` is what rules took already. `left_out` are packages that the place brings itself and that
    `--without-provided` would leave out, with what that saves.
    """

    target: str
    place: Place
    zips: tuple[ZipSize, ...]
    packages: tuple[PackageSize, ...]
    kinds: tuple[tuple[FileKind, Measured], ...]
    layers: tuple[LayerSize, ...] = ()
    pruned: tuple[Saving, ...] = ()
    provided: tuple[str, ...] = ()
    provided_size: Measured = NOTHING
    bundled: tuple[BundledPackage, ...] = ()

    @property
    def limits(self) -> Limits:
        """What the place takes at most."""
        return self.place.limits

    @property
    def size(self) -> Measured:
        """Our zips together."""
        return _added(one.size for one in self.zips)

    @property
    def unzipped(self) -> int:
        """Bytes of our zips and the other layers, unzipped: what the place's limit is about."""
        return self.size.unzipped + sum(one.unzipped for one in self.layers)

    @property
    def layer_count(self) -> int:
        """Layers, ours included."""
        return len(self.layers) + sum(one.role == "layer" for one in self.zips)

    @property
    def fits_unzipped(self) -> bool:
        """Whether it fits, unzipped."""
        return fits_unzipped(self.unzipped, self.limits)

    @cached_property
    def savings(self) -> tuple[Saving, ...]:
        """What each rule of pruning would still save; sources are read for it, so only when asked."""
        return tuple(one for one in possible(self.bundled) if one.files)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, without what pruning would save."""
        return {
            "unzipped": self.unzipped,
            "zips": [{"name": one.name, "role": one.role, **one.size._asdict()} for one in self.zips],
            "layers": [one._asdict() for one in self.layers],
            "packages": [
                {"name": one.name, "version": one.version, "zip": one.zip, **one.size._asdict()}
                for one in self.packages
            ],
            "kinds": {str(kind): size._asdict() for kind, size in self.kinds},
            "pruned": [one._asdict() for one in self.pruned],
        }


def size_report(
    target: str,
    place: Place,
    zips: Sequence[OneZip],
    *,
    layers: Iterable[LayerSize] = (),
    removed: Iterable[Removed] = (),
    provided: Collection[str] = (),
) -> SizeReport:
    """Measure the zips made for `target` (its name, for people) at `place`, each package's RECORD included.

    `removed` is what pruning took, `provided` are names that could be left out still (`provided_closure`). As long
    as a zip is not written, what it compresses itself counts as it is.
    """
    rows: list[PackageSize] = []
    sizes: list[ZipSize] = []
    for one in zips:
        found = _measured_zip(one)
        rows += found
        size = _added(row.size for row in found)
        estimate = size.zipped + _END
        least = sum(file.zipped for package in one.packages for file in package.files if file.raw) + _END
        sizes.append(
            ZipSize(
                name=one.name,
                role=one.role,
                size=size._replace(zipped=estimate if one.zipped is None else one.zipped),
                least=least if one.zipped is None else one.zipped,
                is_written=one.zipped is not None,
            )
        )
    kinds: dict[FileKind, Measured] = defaultdict(Measured)
    for row in rows:
        for kind, size in row.kinds:
            kinds[kind] = kinds[kind].plus(size)
    could = [row for row in rows if row.name in provided]
    return SizeReport(
        target=target,
        place=place,
        zips=tuple(sizes),
        packages=tuple(sorted(rows, key=lambda row: (-row.size.unzipped, row.name, row.zip))),
        kinds=_largest_first(kinds),
        layers=tuple(layers),
        pruned=_by_rule(removed),
        provided=tuple(sorted(row.name for row in could)),
        provided_size=_added(row.size for row in could),
        bundled=tuple(package for one in zips for package in one.packages),
    )


def fits_unzipped(size: int, limits: Limits) -> bool:
    """Tell whether so many bytes, unzipped, are within the limit: AWS wants a function with layers to be smaller."""
    if limits.unzipped is None:
        return True
    return size < limits.unzipped if limits.unzipped_exclusive else size <= limits.unzipped


def check_limits(report: SizeReport, *, through_s3: bool = False) -> tuple[str, ...]:
    """Refuse what the place would refuse, and return notes.

    `ShipError` E-BUNDLE-LAYERS for too many layers, E-BUNDLE-SIZE for too many bytes, with the largest packages and
    what pruning would save. A zip for Lambda that its API does not take goes `through_s3`, and is noted once it
    is written.
    """
    from crossdock.ship.bundle.size_text import (
        too_large_unzipped,
        too_large_zipped,
        too_many_layers,
        zipped_words,
    )

    most = report.limits.layers
    if most is not None and report.layer_count > most:
        raise too_many_layers(report, most)
    if not report.fits_unzipped:
        raise too_large_unzipped(report)
    notes = []
    for one in report.zips:
        limit = report.limits.zipped
        if limit is not None and one.least > limit:
            if not (through_s3 and takes_s3(report.place)):
                raise too_large_zipped(report, one, limit)
            if one.is_written:
                notes.append(f"{zipped_words(report, one, limit)}: upload it to S3 first")
    return tuple(notes)


def takes_s3(place: Place) -> bool:
    """Tell whether larger zips than the API takes may come from S3: Lambda's do, the limit unzipped stays."""
    return place.kind == "lambda"


def size_text(report: SizeReport, *, width: int = 80) -> str:
    """Return the report in short, as lines of up to `width` characters (70 at least) without colour."""
    from crossdock.ship.bundle.size_text import text

    return text(report, width)


def size_html(report: SizeReport) -> str:
    """Return the report as one self-contained HTML page; equal reports give equal text."""
    from crossdock.ship.bundle.size_page import page

    return page(report)


def layer_size(path: Path, *, enough: int = 1 << 40) -> LayerSize:
    """Return the size of another layer's zip, proven by reading it unless it says itself that it has more than `enough`.

    Raise `ShipError` (E-BUNDLE-LAYER) for what is no zip.
    """
    from crossdock.ship.bundle.layer_zip import layer_unzipped

    unzipped = layer_unzipped(path, enough=enough)
    return LayerSize(path.name, path.stat().st_size, unzipped)


def kind_of(inner: str, *, in_tests: bool, is_binary: bool) -> FileKind:
    """Return what a file is, by its path as the wheel has it."""
    if is_metadata(inner):
        return FileKind.METADATA
    if in_tests:
        return FileKind.TESTS
    if is_binary or _LIBRARY.search(inner):
        return FileKind.LIBRARY
    for rule in RULES:
        if rule.name in _KIND_OF_RULE and rule.matches(inner):
            return _KIND_OF_RULE[rule.name]
    if inner.endswith((".py", ".pyw")):
        return FileKind.PYTHON
    return FileKind.BYTECODE if inner.endswith((".pyc", ".pyo")) else FileKind.DATA


def _measured_zip(one: OneZip) -> list[PackageSize]:
    from crossdock.ship.bundle.layout import zip_files

    owners = {package.record_path: package for package in one.packages if package.record_path}
    owners |= {file.path: package for package in one.packages for file in package.files}
    files: dict[int, list[BundleFile]] = {id(package): [] for package in one.packages}
    for file in zip_files(one.packages):
        files[id(owners[file.path])].append(file)
    return [_measured_package(one.name, package, files[id(package)]) for package in one.packages]


def _measured_package(zip_name: str, package: BundledPackage, files: Iterable[BundleFile]) -> PackageSize:
    tests = tuple(f"{path}/" for path in test_directories(package)) if package.package else ()
    binaries = {path for path, _facts in package.binaries}
    kinds: dict[FileKind, Measured] = defaultdict(Measured)
    for file in files:
        inner = inner_path(package, file.path)
        kind = kind_of(inner, in_tests=inner.startswith(tests), is_binary=file.path in binaries)
        size = Measured(1, file.size, file.zipped)
        kinds[kind] = kinds[kind].plus(size)
    return PackageSize(
        name=package.name,
        version=package.package.version if package.package else "",
        zip=zip_name,
        size=_added(kinds.values()),
        kinds=_largest_first(kinds),
    )


def _largest_first(kinds: dict[FileKind, Measured]) -> tuple[tuple[FileKind, Measured], ...]:
    return tuple(sorted(kinds.items(), key=lambda item: (-item[1].unzipped, item[0])))


def _added(sizes: Iterable[Measured]) -> Measured:
    total = NOTHING
    for one in sizes:
        total = total.plus(one)
    return total


def _by_rule(removed: Iterable[Removed]) -> tuple[Saving, ...]:
    found: dict[str, list[Removed]] = defaultdict(list)
    for one in removed:
        found[one.rule].append(one)
    return tuple(
        Saving(rule.name, len(files), sum(one.size for one in files), sum(one.compressed for one in files))
        for rule in RULES
        if (files := found.get(rule.name))
    )
