"""Bases made of Debian's packages: what a suite came to, pinned by the base lock or believed for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from crossdock.cli.console import warn
from crossdock.cli.mirrors import archives_of_suite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.image_session import ImageSession
    from crossdock.oci.model import Platform
    from crossdock.ship.image.base_lock import BaseLock
    from crossdock.ship.image.model import BaseImage
    from crossdock.target.model import Target

#: What a suite came to is believed for this many seconds: a second build of a working day is the first one's.
_FRESH = 3600
_FACT = "debian-base"


def debian_base_of(
    session: ImageSession,
    suite: str,
    packages: Sequence[str],
    *,
    target: Target,
    platform: Platform,
    lock: BaseLock,
) -> BaseImage:
    """Return the base made of a suite's packages, pinned ones if the base lock has them."""
    from crossdock.net.debian.chosen import PackageSet
    from crossdock.ship.image.debian.base import debian_base

    spec = "+".join([f"debian:{suite}", *packages])
    archives = archives_of_suite(session, suite)
    now = time.time()
    pinned = lock.package_set(spec, str(platform))
    key = f"{spec} {platform} {archives!r}"
    if pinned is None and not session.options.get("update_base"):
        pinned = _recent(session, key, now)
    base, found = debian_base(
        spec,
        target,
        platform,
        archives=archives,
        http=None if session.options.get("offline") else session.http,
        store=session.store,
        now=now,
        pinned=None if pinned is None else PackageSet.from_json(pinned),
        warn=warn,
    )
    session.base_packages[str(platform)] = (suite, found)
    value = found.to_json()
    lock.note_packages(spec, str(platform), value)
    if pinned is None:
        session.store.put_fact(_FACT, key, [int(now), value])
    return base


def _recent(session: ImageSession, key: str, now: float) -> dict[str, object] | None:
    """Return what the suite came to a moment ago; offline, whenever that was."""
    known = session.store.get_fact(_FACT, key)
    if not isinstance(known, list):
        return None
    fresh = 0 <= now - known[0] < _FRESH or session.options.get("offline")
    return known[1] if fresh else None
