"""`crossdock mirror import`: a delta bundle taken into the wheelhouse on the other side of a gap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from crossdock.errors import UsageError
from crossdock.ship.wheelhouse.delta import opened_delta, refuse_lacking
from crossdock.ship.wheelhouse.directory import read_wheelhouse, turn, update
from crossdock.ship.wheelhouse.merged import forgotten, merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.mirror_session import MirrorSession, Result


def import_command(session: MirrorSession, files: Sequence[str]) -> int:
    """Take delta bundles into the wheelhouse, in order; each whole or not at all."""
    from crossdock.cli.mirror import document_of, tell_of

    if not files:
        raise UsageError(
            "no delta bundle to import",
            code="E-WHEELHOUSE-IMPORT",
            hint="`crossdock mirror import FILE.tar -o DIR`; a directory called import is `./import`",
        )
    _ = session.root, session.known_there
    documents = []
    for name in files:
        result = _imported(session, name)
        tell_of(session, result)
        documents.append(document_of(session, result))
    session.store.close()
    if session.options["as_json"]:
        click.echo(json.dumps({"imported": documents}, indent=2))
    else:
        click.echo(f"{session.options['output'].rstrip('/')}/simple/")
    return 0


def _imported(session: MirrorSession, name: str) -> Result:
    from crossdock.cli.mirror_session import Result

    path = session.directory / name
    if not path.is_file():
        why = "no regular file" if path.exists() else "no such file"
        raise UsageError(
            f"{why}: `{name}`",
            code="E-WHEELHOUSE-IMPORT",
            hint="give what `crossdock mirror … --delta FILE.tar` wrote",
        )
    with turn(session.root):
        # Before anything is unpacked: nothing is written into a directory that is somebody else's.
        old = read_wheelhouse(session.root)
        with opened_delta(path, session.root) as delta:
            refuse_lacking(delta, old, path.name)
            session.compare(old, delta.manifest)
            new = session.pruned(forgotten(merged(old, delta.manifest), session.forget(old)))
            changed = update(
                session.root, old, new, delta.sources, delta.locks, sweep=session.options["prune"]
            )
    return Result(manifest=new, changed=changed)
