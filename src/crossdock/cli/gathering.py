"""From SOURCE to wheels in hand: remembered where nothing changed, through the pipeline otherwise."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.locking import lock_of, source_of
from crossdock.lock.source import SourceKind
from crossdock.ship.assemble import path_rules
from crossdock.ship.cargo import memory_key, recall, remember

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.cli.session import Session
    from crossdock.ship.cargo import Gathered, WheelInHand


#: The options that decide, beside the lock and the target, which files are chosen.
_DECIDING_OPTIONS = ("extra", "group", "only_binary", "no_binary", "allow_linux_tag")


class Asked:
    """What one command asked for: its source, and what may be remembered of the answer."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._source = source_of(session)
        #: Whether the lock's bytes decide everything: a source tree on this disk may change under it.
        self._self_contained = True

    @property
    def keys(self) -> list[str]:
        """A key for each target, none where SOURCE is not a lock file that decides everything."""
        return self._keys if self._self_contained else []

    @cached_property
    def _keys(self) -> list[str]:
        source, session = self._source, self._session
        if source.kind is not SourceKind.LOCK or source.path is None:
            return []
        try:
            content = source.path.read_bytes()
        except OSError:
            return []  # The reader of locks says it better.
        options, settings = session.options, session.project.settings
        asked = [list(options.get(name) or ()) for name in _DECIDING_OPTIONS]
        said = [settings.extras, settings.groups, settings.only_binary, settings.no_binary]
        allowed = sorted(session.allow_bad_record)
        everything = bool(options.get("all_extras"))
        return [memory_key(content, target, asked, said, allowed, everything) for target in session.targets]

    def shipment_keys(self, interpreter: str | None) -> list[str]:
        """Return the keys of the laid-out shipments, none where SOURCE is not a lock file."""
        names = (target.name for target in self._session.targets)
        return [f"{key} {name} {interpreter}" for key, name in zip(self.keys, names, strict=False)]

    def gather(self, *, need_blobs: bool = False) -> list[Gathered]:
        """Return the wheels of every target, verified and audited; their files too if needed.

        What a lock file's bytes come to for a target is remembered in the store, so a run that changes
        nothing reads no lock, asks no marker and audits nothing again.
        """
        session = self._session
        known = self._recall()
        if known is not None and not (need_blobs and _lacks_blobs(session, known)):
            return known
        from crossdock.pipeline import gather

        lock = lock_of(session, self._source)
        gathered = gather(lock, session.select(lock), session.means())
        self._self_contained = not any(package.directory for package in lock.packages)
        for key, one in zip(self.keys, gathered, strict=False):
            remember(session.store, key, one)
        return gathered

    def _recall(self) -> list[Gathered] | None:
        if not self.keys:
            return None
        session = self._session
        found: list[Gathered] = []
        for key, target in zip(self.keys, session.targets, strict=True):
            rules = path_rules(target)
            one = recall(session.store, key, target, rules, allow_bad_record=session.allow_bad_record)
            if one is None:
                return None
            found.append(one)
        return found


def _lacks_blobs(session: Session, gathered: list[Gathered]) -> bool:
    """Tell whether a wheel was pruned while its unpacked form stayed."""
    return any(session.store.blob(wheel.digest) is None for one in gathered for wheel in one.wheels)


def blob_of(session: Session, wheel: WheelInHand) -> Path:
    """Return the wheel's file in the store; `StoreError` if another process pruned it just now."""
    from crossdock.errors import StoreError

    blob = session.store.blob(wheel.digest)
    if blob is None:
        raise StoreError(
            f"`{wheel.filename}` is no longer in the store",
            code="E-STORE-GONE",
            hint="run again: it is fetched anew",
        )
    return blob
