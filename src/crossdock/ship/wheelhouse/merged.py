"""What becomes of a wheelhouse: manifests put together, conflicts, what is needed no more (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.ship.wheelhouse.model import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.ship.wheelhouse.model import Distribution


def merged(old: Manifest, new: Manifest) -> Manifest:
    """Return all that both hold; of a distribution in both, and of a lock, the new one counts.

    What an index said of a file stays known where the new one says nothing of it.
    """
    distributions = dict(old.distributions)
    for path, one in new.distributions.items():
        before = distributions.get(path)
        distributions[path] = one if before is None or before.sha256 != one.sha256 else _known(before, one)
    return Manifest(distributions=distributions, locks={**old.locks, **new.locks})


def _known(old: Distribution, new: Distribution) -> Distribution:
    return replace(
        new,
        upload_time=new.upload_time or old.upload_time,
        provenance=new.provenance or old.provenance,
        yanked=old.yanked if new.yanked is None else new.yanked,
    )


def conflicts(old: Manifest, new: Manifest) -> list[Distribution]:
    """Return the distributions of `new` that `old` holds with other bytes."""
    return [
        one
        for path, one in sorted(new.distributions.items())
        if path in old.distributions and old.distributions[path].sha256 != one.sha256
    ]


def other_origins(old: Manifest, new: Manifest) -> list[str]:
    """Return the names of the locks of `new` that `old` holds from elsewhere; one of before does not say from where."""
    return [
        name
        for name, lock in sorted(new.locks.items())
        if name in old.locks and old.locks[name].origin not in {"", lock.origin}
    ]


def dropped_targets(old: Manifest, new: Manifest) -> dict[str, tuple[str, ...]]:
    """Return the targets that locks of `new` were for in `old`, and no longer are, by the lock's name."""
    dropped = {
        name: tuple(target for target in old.locks[name].targets if target not in lock.targets)
        for name, lock in sorted(new.locks.items())
        if name in old.locks
    }
    return {name: targets for name, targets in dropped.items() if targets}


def forgotten(manifest: Manifest, names: Iterable[str]) -> Manifest:
    """Return the manifest without some locks; their files stay until they are pruned."""
    left_out = set(names)
    return replace(
        manifest, locks={name: lock for name, lock in manifest.locks.items() if name not in left_out}
    )


def pruned(manifest: Manifest) -> Manifest:
    """Return the manifest without distributions that no lock needs."""
    needed = {path for lock in manifest.locks.values() for path in lock.paths}
    kept = {path: one for path, one in manifest.distributions.items() if path in needed}
    return replace(manifest, distributions=kept)
