"""From the words on the command line to a lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.cli.session import normalized
from crossdock.lock.source import SourceKind, find_source

if TYPE_CHECKING:
    from crossdock.cli.session import Session
    from crossdock.lock.model import Lock
    from crossdock.lock.resolve import ResolveOptions
    from crossdock.lock.source import Source


def source_of(session: Session, *, relock: bool = False) -> Source:
    """Tell what SOURCE, `-r` and `-c` mean together."""
    options = session.options
    return find_source(
        options.get("source") or (),
        directory=session.directory,
        files=[Path(name) for name in options.get("requirement") or ()],
        constraints=[Path(name) for name in options.get("constraint") or ()],
        relock=relock,
    )


def lock_of(session: Session) -> Lock:
    """Return the lock that SOURCE is, or resolve one in memory for the session's targets."""
    source = source_of(session)
    if source.kind is SourceKind.LOCK and source.path is not None:
        from crossdock.lock.pylock import read_lock

        return read_lock(source.path)
    from crossdock.lock.resolve import resolve

    session.tell(f"Resolving {source.name} (no lock: `crossdock lock` keeps one)")
    return resolve(source, session.targets, environ=os.environ, options=resolve_options(session)).lock


def resolve_options(session: Session) -> ResolveOptions:
    """Return what the command line and the project say about resolving."""
    from crossdock.lock.resolve import ResolveOptions
    from crossdock.net.settings import uv_arguments

    options = session.options
    arguments, _environ = uv_arguments(session.index)
    extra = list(arguments)
    if options.get("no_deps"):
        extra.append("--no-deps")
    if options.get("pre"):
        extra += ["--prerelease", "allow"]
    if options.get("exclude_newer"):
        extra += ["--exclude-newer", str(options["exclude_newer"])]
    if options.get("offline"):
        extra.append("--offline")
    settings = session.project.settings
    allowed = {name for value in options.get("allow_build") or () for name in value.split(",")}
    names = allowed | set(settings.allow_build)
    return ResolveOptions(
        extras=tuple(options.get("extra") or settings.extras),
        all_extras=bool(options.get("all_extras")),
        groups=tuple(options.get("group") or settings.groups),
        allow_build=normalized(names - {":all:"}) | (names & {":all:"}),
        extra_args=tuple(extra),
    )
