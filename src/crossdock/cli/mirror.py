"""`crossdock mirror`: what locks need for many targets as a static package index, or uploaded to one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size
from crossdock.cli.mirror_options import mirror_options
from crossdock.cli.mirror_words import check_importing, check_pairs, check_tidying
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)
from crossdock.cli.stock import count_of, refuse_stock, tell_targets

if TYPE_CHECKING:
    from crossdock.cli.mirror_session import MirrorSession, Result

#: The word in place of SOURCE that takes a delta in; a directory of that name is `./import`.
IMPORT = "import"


@click.command(
    epilog="Example:  crossdock mirror . --for linux/arm64 --for win_amd64 --python 3.12 -o wheelhouse\n\n"
    "`crossdock mirror import FILE.tar -o DIR` takes in what --delta wrote elsewhere."
)
@source_options
@target_options
@mirror_options
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Put what SOURCE needs for all its targets into a static package index, each file once, built wheels included.

    A second run writes what changed. Any web server serves the directory, and pip and uv install from it.
    """
    from crossdock.cli.mirror_session import MirrorSession

    session = MirrorSession(options)
    words = tuple(options["source"] or ())
    if words[:1] == (IMPORT,):
        from crossdock.cli.mirror_import import import_command

        check_importing()
        return import_command(session, words[1:])
    if (
        not words
        and not options["requirement"]
        and (options["forget"] or options["prune"] or options["serve"])
    ):
        document = _tidied(session)
    else:
        document = _mirrored(session)
    session.store.close()
    if options["as_json"]:
        click.echo(json.dumps(document, indent=2))
    elif options["output"]:
        click.echo(f"{options['output'].rstrip('/')}/simple/")
    if options["serve"]:
        from crossdock.cli.mirror_serve import serve

        serve(session.root, options["port"], session.tell)
    return 0


def _tidied(session: MirrorSession) -> dict[str, Any]:
    """Forget, prune, or only look: no SOURCE is named."""
    check_tidying()
    _ = session.root, session.known_there
    result = session.tidy()
    tell_of(session, result)
    return document_of(session, result)


def _mirrored(session: MirrorSession) -> dict[str, Any]:
    from crossdock.cli.gathering import Asked

    check_pairs()
    session.check_words()
    asked = Asked(session)
    key = session.memory_key(asked) if session.options["output"] else None
    result = session.unchanged(key) if not session.options["to"] else None
    document: dict[str, Any] = {}
    if result is None:
        stock, locked = session.stock(asked)
        refuse_stock(session, stock)
        targets = tell_targets(session, stock)
        if session.options["output"]:
            result = session.write(stock, locked)
            result.targets = targets
            session.remember(key, result)
        if session.options["to"]:
            from crossdock.cli.mirror_publish import publish

            document["published"] = publish(session, stock)
    if result is not None:
        tell_of(session, result)
        document |= document_of(session, result)
    return document


def tell_of(session: MirrorSession, result: Result) -> None:
    """Say what the wheelhouse holds and what was written."""
    manifest, changed = result.manifest, result.changed
    projects = len({one.name for one in manifest.distributions.values()})
    size = sum(one.size for one in manifest.distributions.values())
    what = f"{count_of(len(manifest.distributions), 'file')} of {count_of(projects, 'project')}, {human_size(size)}"
    if changed.nothing:
        session.tell(f"{session.options['output']}: {what}; nothing changed")
        return
    written = f"{len(changed.files)} new ({human_size(changed.size)})"
    removed = f", {len(changed.removed)} removed" if changed.removed else ""
    session.tell(f"{session.options['output']}: {what}; {written}{removed}")


def document_of(session: MirrorSession, result: Result) -> dict[str, Any]:
    """Return the receipt, and write the delta that is asked for."""
    document: dict[str, Any] = {
        "directory": session.options["output"],
        "lock": session.lock_path,
        "distributions": len(result.manifest.distributions),
        "locks": sorted(result.manifest.locks),
        "targets": result.targets,
        "written": result.changed.files,
        "removed": result.changed.removed,
        "bytes": result.changed.size,
        "pages": result.changed.pages,
    }
    delta = session.delta(result)
    return document if delta is None else {**document, "delta": delta}
