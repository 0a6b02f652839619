"""AWS's runtime client, awslambdaric, of a pinned version for a target (`client.toml`)."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from crossdock.errors import TrialError
from crossdock.trial.means import PinnedWheel, fetch_pinned

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.ship.receipt import ShippedPackage
    from crossdock.ship.unpacked import UnpackedWheel
    from crossdock.target.model import Target
    from crossdock.trial.means import TrialMeans

#: The project that talks to the runtime API.
CLIENT = "awslambdaric"

#: Raised when the same wheels would be laid out otherwise.
_FORM = 1
_SITE = "site"


class _Cargo(NamedTuple):
    """A wheel as `assemble` takes it."""

    unpacked: UnpackedWheel
    package: ShippedPackage
    direct_url: None = None


@lru_cache(maxsize=1)
def _pinned() -> tuple[PinnedWheel, ...]:
    text = (resources.files(__package__) / "client.toml").read_text("utf-8")
    return tuple(PinnedWheel.of(table) for table in tomllib.loads(text)["wheel"])


def client_wheels(target: Target) -> tuple[PinnedWheel, ...]:
    """Return the client for a target and all that it needs, of each project the wheel that fits best, by name.

    Raise `TrialError` (E-TRIAL-CLIENT) for a target that no pinned client serves.
    """
    from packaging.utils import parse_wheel_filename

    from crossdock.lock.rank import tag_ranks

    ranks = tag_ranks(target)
    best: dict[str, tuple[int, PinnedWheel]] = {}
    for wheel in _pinned():
        tags = parse_wheel_filename(wheel.filename)[3]
        known = [ranks.get((tag.interpreter, tag.abi, tag.platform)) for tag in tags]
        rank = min((one for one in known if one is not None), default=None)
        if rank is not None and (wheel.project not in best or rank < best[wheel.project][0]):
            best[wheel.project] = (rank, wheel)
    if CLIENT not in best:
        raise TrialError(
            f"there is no runtime client of AWS's for {target.name or target.key}",
            code="E-TRIAL-CLIENT",
            hint="it is known for CPython 3.9 to 3.15 on Linux's x86_64 and aarch64",
        )
    return tuple(best[name][1] for name in sorted(best))


def client_for(target: Target, means: TrialMeans) -> Path:
    """Return a directory for the module path with the client of a target and what it needs, kept in the store.

    Raise what `client_wheels` and `fetch_pinned` raise, and `ArchiveError` for a broken wheel.
    """
    wheels = client_wheels(target)

    def make(work: Path) -> None:
        from crossdock.ship.assemble import assemble, path_rules
        from crossdock.ship.cargo import shipped_package
        from crossdock.ship.prepared import prepare
        from crossdock.ship.tree import LinkMode, write_tree
        from crossdock.ship.unpacked import unpack_wheel

        cargo = []
        for wheel, blob in zip(wheels, fetch_pinned(wheels, means), strict=True):
            unpacked = unpack_wheel(means.store, wheel.digest, blob, wheel.filename, rules=path_rules(target))
            package = shipped_package(
                unpacked, name=wheel.project, filename=wheel.filename, digest=wheel.digest, built_from=None
            )
            cargo.append(_Cargo(unpacked, package))
        shipment = assemble(target, cargo)
        prepared = prepare(means.store, shipment.key, shipment, {})
        # Copies: what runs with it must not be able to change the wheels of the store.
        write_tree(work / _SITE, prepared.files, prepared.receipt, mode=LinkMode.COPY)

    key = f"{_FORM} {' '.join(wheel.sha256 for wheel in wheels)}"
    return means.store.tree("trial-client", key, make) / _SITE
