"""A lock and the user's own code -> zips for a place that runs functions, proven before a byte of them is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.oci.model import canonical_json
from crossdock.pipeline.chosen import chosen_wheels
from crossdock.ship.bundle.layout import bundled_wheel, package_prefix, together
from crossdock.ship.bundle.raw import find_raw_wheel, read_raw_wheel
from crossdock.ship.cargo import findings_from_json, shipped_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import LockedPackage
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.hands import Means, WheelFile
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.places import Place
    from crossdock.ship.bundle.raw import RawWheel
    from crossdock.ship.receipt import ShippedPackage
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Raised when the audit's rules change within a version.
_AUDIT_FORM = 1


class Shape(StrEnum):
    """What is made of a lock and an application."""

    FUNCTION = "function"  # everything in one zip
    LAYER = "layer"  # the dependencies alone
    SPLIT = "split"  # a zip with the application, another with the dependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What is wanted: everything that decides the zips beside the lock.

    `place` tells where a target is, `application` gives the user's own code for it below a prefix, None where there
    is none; packages that `leave_out` knows are the application itself.
    """

    place: Callable[[Target], Place]
    application: Callable[[Target, Place], BundledPackage | None]
    leave_out: Callable[[LockedPackage], bool]
    shape: Shape = Shape.FUNCTION
    versioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What goes into one zip: `role` is `function` or `layer`."""

    role: str
    packages: tuple[BundledPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The zips of one target, not written yet. `binaries` counts those that the audit read; `notes` are for the user."""

    target: Target
    place: Place
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    binaries: int
    notes: tuple[str, ...]

    @property
    def packages(self) -> tuple[BundledPackage, ...]:
        """The packages of all zips."""
        return tuple(package for part in self.parts for package in part.packages)


def make_bundles(locked: Locked, request: BundleRequest, means: Means) -> list[Bundle]:
    """Return the zips of every target. Findings are returned, not raised: the caller decides before anything is written.

    Raise what `bring_wheels` raises, `UsageError` for a target that takes no zips, and `ShipError` for packages that
    write one path.
    """
    # A target that is no such place is told before its packages are looked at.
    places = [request.place(target) for target in locked.targets]
    brought = bring_wheels(locked, means, leave_out=request.leave_out)
    return [_bundle(one, place, request, means) for one, place in zip(brought, places, strict=True)]


def _bundle(brought: Wheels, place: Place, request: BundleRequest, means: Means) -> Bundle:
    target = brought.target
    in_layer = request.shape is not Shape.FUNCTION
    prefix = package_prefix(place, target, layer=in_layer, versioned=request.versioned)
    packages = [wheel.bundled(target, prefix) for wheel in brought.wheels]
    own = request.application(target, place)
    application = () if own is None else (own,)
    if in_layer:
        parts = [Part(role="layer", packages=tuple(together(packages)))]
        if request.shape is Shape.SPLIT:
            parts.insert(0, Part(role="function", packages=application))
    else:
        parts = [Part(role="function", packages=tuple(together([*packages, *application])))]
    everything = [package for part in parts for package in part.packages]
    findings, binaries = audit_packages(means.store, target, everything)
    return Bundle(
        target=target,
        place=place,
        parts=tuple(parts),
        findings=findings,
        binaries=binaries,
        notes=brought.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelAtHand:
    """A wheel whose file is in the store, every byte of it verified; nothing of it is unpacked."""

    chosen: ChosenWheel
    raw: RawWheel
    blob: Path

    @property
    def package(self) -> ShippedPackage:
        """The receipt's entry for it."""
        chosen = self.chosen
        return shipped_package(
            self.raw,
            name=chosen.name,
            filename=chosen.filename,
            digest=chosen.digest,
            built_from=chosen.built_from,
        )

    def bundled(self, target: Target, prefix: str) -> BundledPackage:
        """Return it as it lies in a zip below `prefix`."""
        return bundled_wheel(
            self.raw,
            self.blob,
            self.package,
            target=target,
            prefix=prefix,
            direct_url=self.chosen.direct_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """The wheels of one target by name, and what the user should hear."""

    target: Target
    wheels: tuple[WheelAtHand, ...]
    notes: tuple[str, ...]


def bring_wheels(locked: Locked, means: Means, *, leave_out: Callable[[LockedPackage], bool]) -> list[Wheels]:
    """Return the wheels of every target, fetched or built where the store lacks them, each read once.

    Packages for which `leave_out` is true are passed over. Raise `LockError` for a package without a fitting file,
    `FetchError`, `ArchiveError` or `BuildError` for the first file that fails.
    """
    chosen = chosen_wheels(locked, means, leave_out=leave_out)
    return [
        Wheels(target=target, wheels=tuple(_at_hand(locked, target, wheels, means)), notes=notes)
        for target, (wheels, notes) in zip(locked.targets, chosen, strict=True)
    ]


def _at_hand(
    locked: Locked, target: Target, wheels: Sequence[ChosenWheel], means: Means
) -> list[WheelAtHand]:
    known = [_known(means, wheel) for wheel in wheels]
    missing = [wheel for wheel, found in zip(wheels, known, strict=True) if found is None]
    if not missing:
        return [one for one in known if one is not None]
    from crossdock.pipeline.hands import fetched_wheels  # a run that changes nothing fetches nothing

    def take(file: WheelFile) -> tuple[RawWheel, Path]:
        bad = file.name in means.allow_bad_record
        known = find_raw_wheel(means.store, file.digest, file.filename, allow_bad_record=bad)
        return known or read_raw_wheel(
            means.store, file.digest, file.blob, file.filename, allow_bad_record=bad
        ), file.blob

    read = iter(fetched_wheels(locked, target, missing, means, take))
    result = []
    for wheel, found in zip(wheels, known, strict=True):
        if found is None:
            raw, blob = next(read)
            found = WheelAtHand(chosen=wheel, raw=raw, blob=blob)  # noqa: PLW2901  # what is missing is filled in
        result.append(found)
    return result


def _known(means: Means, wheel: ChosenWheel) -> WheelAtHand | None:
    raw = find_raw_wheel(
        means.store,
        wheel.digest,
        wheel.filename,
        allow_bad_record=wheel.name in means.allow_bad_record,
    )
    blob = means.store.blob(wheel.digest) if raw is not None else None
    return None if raw is None or blob is None else WheelAtHand(chosen=wheel, raw=raw, blob=blob)


def audit_packages(
    store: Store, target: Target, packages: Iterable[BundledPackage]
) -> tuple[tuple[Finding, ...], int]:
    """Audit the binaries that are still shipped, all together; return what does not fit and how many were read.

    Paths are judged as they lie beside the packages that Python imports, whatever the prefix of the zip. The same
    binaries for the same target are audited once.
    """
    rows: list[list[Any]] = []
    for package in packages:
        shipped = {file.path for file in (*package.files, *package.shared)}
        name, wheel = ("", "") if package.package is None else (package.package.name, package.package.wheel)
        rows += [
            [path[len(package.record_base) :], name, wheel, list(package.tags), binary]
            for path, binary in package.binaries
            if path in shipped
        ]
    if not rows:
        return (), 0
    key = f"{_AUDIT_FORM} {__version__} {target.key} {Digest.of(canonical_json(rows)).hex}"
    known = store.get_fact("bundle-audit", key)
    if isinstance(known, list):
        return findings_from_json(known), len(rows)
    from crossdock.inspect.audit import audit
    from crossdock.inspect.binary import Binary
    from crossdock.inspect.finding import AuditFile

    files = [
        AuditFile(
            path=path,
            package=name or "the application",
            wheel=wheel,
            tags=tuple(tags),
            binary=Binary.from_json(binary),
        )
        for path, name, wheel, tags, binary in rows
    ]
    findings = audit(files, target)
    store.put_fact("bundle-audit", key, [finding.to_json() for finding in findings])
    return findings, len(rows)
