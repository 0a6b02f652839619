"""From SOURCE to wheels in hand: remembered where nothing changed, through the pipeline otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.cli.locking import lock_of, source_of
from crossdock.lock.source import SourceKind
from crossdock.ship.assemble import path_rules
from crossdock.ship.cargo import memory_key, recall, remember

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.cli.session import Session
    from crossdock.lock.model import Lock
    from crossdock.lock.source import Source
    from crossdock.ship.cargo import Gathered, WheelInHand


#: The options that decide, beside the lock and the target, which files are chosen.
_DECIDING_OPTIONS = ("extra", "group", "only_binary", "no_binary", "allow_linux_tag")


def gather_all(session: Session, *, need_blobs: bool = False) -> list[Gathered]:
    """Return the wheels of every target of the session, verified and audited; their files too if needed.

    What a lock file's bytes come to for a target is remembered in the store, so a run that changes nothing
    reads no lock, asks no marker and audits nothing again.
    """
    source = source_of(session)
    keys = _keys(session, source)
    known = _recall_all(session, keys)
    if known is not None and not (need_blobs and _lacks_blobs(session, known)):
        return known
    from crossdock.pipeline import gather

    lock = lock_of(session, source)
    gathered = gather(lock, session.select(lock), session.means())
    if keys and _is_self_contained(lock):
        for key, one in zip(keys, gathered, strict=True):
            remember(session.store, key, one)
    return gathered


def _keys(session: Session, source: Source) -> list[str]:
    """Return a key for each target, none where SOURCE is not a lock file."""
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


def _recall_all(session: Session, keys: list[str]) -> list[Gathered] | None:
    if not keys:
        return None
    found: list[Gathered] = []
    for key, target in zip(keys, session.targets, strict=True):
        rules = path_rules(target)
        one = recall(session.store, key, target, rules, allow_bad_record=session.allow_bad_record)
        if one is None:
            return None
        found.append(one)
    return found


def _is_self_contained(lock: Lock) -> bool:
    """Tell whether the lock's bytes decide everything: a source tree on this disk may change under it."""
    return not any(package.directory for package in lock.packages)


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
