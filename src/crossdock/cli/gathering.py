"""From SOURCE to wheels in hand: remembered where nothing changed, through the pipeline otherwise."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from crossdock.cli.building import build_key
from crossdock.cli.console import warn
from crossdock.cli.locking import lock_of, source_of
from crossdock.digest import Digest
from crossdock.lock.source import SourceKind
from crossdock.ship.assemble import path_rules
from crossdock.ship.cargo import memory_key, recall, remember
from crossdock.target.model import Os

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.cli.session import Session
    from crossdock.lock.model import Lock
    from crossdock.ship.cargo import Gathered, WheelInHand
    from crossdock.target.model import Target


#: Options that speak of a resolution, which a lock has behind it.
_RESOLVING = ("no_deps", "pre", "exclude_newer", "constraint", "allow_build")

#: The options that decide, beside the lock and the target, which files are chosen.
_DECIDING_OPTIONS = ("extra", "group", "only_binary", "no_binary", "allow_linux_tag")


def _warn_without_effect(session: Session) -> None:
    given = [name for name in _RESOLVING if session.options.get(name)]
    for name in given:
        warn(f"--{name.replace('_', '-')} has no effect: the source is a lock, which has been resolved")


class Asked:
    """What one command asked for: its source, and what may be remembered of the answer."""

    def __init__(self, session: Session, *, with_project: bool = False) -> None:
        self._session = session
        self._source = source_of(session, with_project=with_project)
        #: Whether the lock's bytes decide everything: a source tree on this disk may change under it.
        self._self_contained = True
        if self._source.kind is SourceKind.LOCK:
            _warn_without_effect(session)

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
        builds = build_key(session)
        if builds is None:
            return []
        asked = [list(options.get(name) or ()) for name in _DECIDING_OPTIONS]
        said = [settings.extras, settings.groups, settings.only_binary, settings.no_binary]
        allowed = sorted(session.allow_bad_record)
        everything = bool(options.get("all_extras"))
        return [
            memory_key(content, target, asked, said, allowed, everything, builds)
            for target in session.targets
        ]

    @property
    def is_plain(self) -> bool:
        """Whether the command's words name all that it read: a lock file, and no target of the project's settings.

        Then the same words with the same files are the same command (crossdock.cli.again). Windows launchers
        come from another package, whose version the words do not tell.
        """
        session = self._session
        if not self.keys:
            return False
        words: list[str] = list(session.options.get("source") or ())
        named = len(words) == 1 and (session.directory / words[0]).is_file()
        own = [name for name in session.options.get("for_") or () if name in session.project.settings.target]
        windows = any(target.os is Os.WINDOWS for target in session.targets)
        silent = not any(session.options.get(name) for name in _RESOLVING)
        return named and silent and bool(session.options.get("for_")) and not own and not windows

    @cached_property
    def lock_digest(self) -> Digest | None:
        """The digest of the lock file's bytes, None where the lock is none or is made in memory."""
        source = self._source
        if source.kind not in (SourceKind.LOCK, SourceKind.UV_LOCK) or source.path is None:
            return None
        return Digest.of(source.path.read_bytes())

    def lock(self) -> Lock:
        """Return the lock that the source is, or that it resolves to."""
        return lock_of(self._session, self._source)

    def shipment_keys(self, interpreter: str | None) -> list[str]:
        """Return the keys of the laid-out shipments, none where SOURCE is not a lock file."""
        accepted = sorted(self._session.accepted)
        return [
            f"{key} {target.name} {interpreter} {accepted} {_launchers(target)}"
            for key, target in zip(self.keys, self._session.targets, strict=False)
        ]

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


def _launchers(target: Target) -> str:
    """Return the version of the launchers that a Windows tree holds."""
    if target.os is not Os.WINDOWS:
        return ""
    from importlib.metadata import version

    return version("distlib")


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
