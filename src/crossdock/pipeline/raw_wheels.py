"""The wheels of a lock, in the store and read once each: nothing of them is unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.pipeline.chosen import chosen_wheels
from crossdock.ship.bundle.layout import bundled_wheel
from crossdock.ship.bundle.raw import find_raw_wheel, read_raw_wheel
from crossdock.ship.cargo import shipped_package

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crossdock.lock.model import LockedPackage
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.hands import Means, WheelFile
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.raw import RawWheel
    from crossdock.ship.receipt import ShippedPackage
    from crossdock.target.model import Target


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

    @property
    def is_own(self) -> bool:
        """Whether it was built from a source tree of the user's."""
        choice = self.chosen.choice
        return choice is not None and choice.package.directory is not None

    def bundled(self, target: Target, prefix: str) -> BundledPackage:
        """Return it as it lies in a zip below `prefix`."""
        return bundled_wheel(
            self.raw,
            self.blob,
            self.package,
            target=target,
            prefix=prefix,
            direct_url=self.chosen.direct_url,
            squeeze=self.chosen.built_from is not None,
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
