"""Wheels in hand for a target, and the memory of what a lock came to: the second time asks nobody again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.ship.receipt import ShippedPackage
from crossdock.ship.unpacked import find_unpacked

if TYPE_CHECKING:
    from crossdock.inspect.finding import Finding
    from crossdock.safepath import PathRules
    from crossdock.ship.installed import WheelFacts
    from crossdock.ship.unpacked import UnpackedWheel
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Raised when what is remembered, or a rule that decides it, changes within a version.
_FORM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelInHand:
    """A wheel for a target, whole in the store and verified: what every shipment is made of.

    `name` is normalized. `direct_url` is the content of direct_url.json where one is due (PEP 610);
    `built_from` names the source distribution it was built from here.
    """

    name: str
    filename: str
    digest: Digest
    unpacked: UnpackedWheel
    direct_url: bytes | None = None
    built_from: str | None = None

    @property
    def package(self) -> ShippedPackage:
        """The receipt's entry for it."""
        return shipped_package(
            self.unpacked,
            name=self.name,
            filename=self.filename,
            digest=self.digest,
            built_from=self.built_from,
        )


class ReadWheel(Protocol):
    """A wheel that was read: what the receipt tells of it."""

    @property
    def facts(self) -> WheelFacts: ...  # noqa: D102
    @property
    def dropped(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def problems(self) -> tuple[str, ...]: ...  # noqa: D102


def shipped_package(
    wheel: ReadWheel, *, name: str, filename: str, digest: Digest, built_from: str | None
) -> ShippedPackage:
    """Return the receipt's entry for a wheel; `name` is normalized."""
    notes = [f"start-up hook: {path}" for path in wheel.facts.start_up_hooks]
    notes += [f"dropped: {path}" for path in wheel.dropped]
    notes += wheel.problems
    return ShippedPackage(
        name=name,
        version=wheel.facts.version,
        wheel=filename,
        sha256=digest.hex if digest.algorithm == "sha256" else str(digest),
        built_from=built_from,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All wheels of one target in the lock's order, what the audit found, and what the user should hear."""

    target: Target
    wheels: tuple[WheelInHand, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def memory_key(lock: bytes, target: Target, *words: object) -> str:
    """Return the key of what `lock`'s bytes come to for `target` under the options `words`.

    It is a pure function of these and of our version, so it may be remembered.
    """
    return f"{_FORM} {__version__} {Digest.of(lock).hex} {target.key} {Digest.of(repr(words).encode()).hex}"


def remember(store: Store, key: str, gathered: Gathered) -> None:
    """Keep what a lock came to, for `recall`."""
    value = {
        "wheels": [
            [
                wheel.name,
                wheel.filename,
                str(wheel.digest),
                None if wheel.direct_url is None else wheel.direct_url.decode(),
                wheel.built_from,
            ]
            for wheel in gathered.wheels
        ],
        "findings": [finding.to_json() for finding in gathered.findings],
        "notes": list(gathered.notes),
    }
    store.put_fact("shipment", key, value)


def recall(
    store: Store, key: str, target: Target, rules: PathRules, *, allow_bad_record: frozenset[str]
) -> Gathered | None:
    """Return what `remember` kept if every wheel is still unpacked and whole in the store, else None."""
    known = store.get_fact("shipment", key)
    if not isinstance(known, dict):
        return None
    wheels: list[WheelInHand] = []
    for name, filename, digest, direct_url, built_from in known["wheels"]:
        parsed = Digest.parse(digest)
        unpacked = find_unpacked(
            store, parsed, filename, rules=rules, allow_bad_record=name in allow_bad_record
        )
        if unpacked is None:
            return None
        wheels.append(
            WheelInHand(
                name=name,
                filename=filename,
                digest=parsed,
                unpacked=unpacked,
                direct_url=None if direct_url is None else direct_url.encode(),
                built_from=built_from,
            )
        )
    return Gathered(
        target=target,
        wheels=tuple(wheels),
        findings=findings_from_json(known["findings"]),
        notes=tuple(known["notes"]),
    )


def findings_from_json(values: list[dict[str, Any]]) -> tuple[Finding, ...]:
    """Read findings as `Finding.to_json` gave them."""
    if not values:
        return ()
    from crossdock.inspect.finding import Finding, Severity

    return tuple(
        Finding(**{**item, "severity": Severity(item["severity"]), "others": tuple(item.get("others", ()))})
        for item in values
    )
