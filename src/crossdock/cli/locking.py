"""From the words on the command line to a lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.cli.session import normalized
from crossdock.lock.source import SourceKind, find_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.cli.session import Session
    from crossdock.lock.model import Lock
    from crossdock.lock.resolve import Resolved, ResolveOptions
    from crossdock.lock.source import Source


def source_of(session: Session, *, relock: bool = False, with_project: bool = False) -> Source:
    """Tell what SOURCE, `-r` and `-c` mean together; `with_project` if the project itself is shipped too."""
    options = session.options
    source = find_source(
        options.get("source") or (),
        directory=session.directory,
        files=[Path(name) for name in options.get("requirement") or ()],
        constraints=[Path(name) for name in options.get("constraint") or ()],
        relock=relock,
    )
    for word in source.requirements:
        if os.path.isdir(session.directory / word):  # noqa: PTH112  # a URL may be longer than any path
            session.tell(f"`{word}` is taken as a package; for the directory of that name write ./{word}")
    if source.kind in (SourceKind.PROJECT, SourceKind.UV_LOCK) and not (relock or with_project):
        session.tell(f"{source.name}: what the project needs; the project itself is not among it")
    return source


def lock_of(session: Session, source: Source) -> Lock:
    """Return the lock that `source` is, or resolve one in memory for the session's targets.

    Without a lock the newest versions that have wheels are taken, as pip does for `--only-binary`: nobody
    has said which version it must be.
    """
    if source.kind is SourceKind.LOCK and source.path is not None:
        from crossdock.lock.pylock import read_lock

        return read_lock(source.path)
    session.tell(f"Resolving {source.name} (no lock: `crossdock lock` keeps one)")
    path = source.directory / "pylock.toml"
    resolved, notes = resolve_source(
        session, source, path, prefer_wheels=source.kind is not SourceKind.UV_LOCK
    )
    for text in notes:
        session.tell(text)
    return resolved.lock


def resolve_source(
    session: Session, source: Source, path: Path, *, prefer_wheels: bool
) -> tuple[Resolved, list[str]]:
    """Resolve `source` for the session's targets into a lock at `path` (not written); notes are for the user."""
    from crossdock.lock.resolve import resolve

    options, static = resolve_options(session), static_version_of(session)

    def once(asked: ResolveOptions) -> Resolved:
        return resolve(
            source,
            session.targets,
            environ=session.uv[1],
            options=asked,
            lock_directory=path.parent,
            filename=path.name,
            static_version=static,
        )

    if not prefer_wheels:
        return once(options), []
    from crossdock.cli.index import project_files
    from crossdock.lock.prefer import prefer_wheels as search

    files = project_files(session)
    preferred = search(once, options, session.targets, files, formats=session.formats)
    for bound in preferred.bounds:
        session.tell(f"held back for its wheels: {bound}")
    return preferred.resolved, list(preferred.notes)


def static_version_of(session: Session) -> Callable[[str], str | None]:
    """Return a function that looks into a package's newest source distribution, run by nobody, for fixed metadata."""

    def static_version(name: str) -> str | None:
        from crossdock.cli.index import project_files
        from crossdock.errors import CrossdockError
        from crossdock.lock.static import newest_static_version
        from crossdock.net.sdist_info import pkg_info_of

        if session.options.get("offline"):
            return None
        try:
            return newest_static_version(
                project_files(session)(name), lambda file: pkg_info_of(file, session.store, session.http)
            )
        except CrossdockError:
            return None  # Then the resolver says what is missing.

    return static_version


def resolve_options(session: Session) -> ResolveOptions:
    """Return what the command line and the project say about resolving."""
    from crossdock.lock.resolve import ResolveOptions

    options = session.options
    extra = list(session.uv[0])
    if options.get("no_deps"):
        extra.append("--no-deps")
    if options.get("pre"):
        extra += ["--prerelease", "allow"]
    if options.get("exclude_newer"):
        extra += ["--exclude-newer", str(options["exclude_newer"])]
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
