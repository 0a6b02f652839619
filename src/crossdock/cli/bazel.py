"""`crossdock bazel`: files for a Bazel workspace from one lock, for many platforms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.bazel_options import bazel_options
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)

if TYPE_CHECKING:
    from crossdock.cli.bazel_session import BazelSession


@click.command(
    epilog="Example:  crossdock bazel . --for linux/amd64 --for linux/arm64 --python 3.12 --out third_party/py"
)
@source_options
@target_options
@bazel_options
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Write what a Bazel workspace needs for SOURCE on all its targets: wheels by hash, built ones included.

    The files are checked in, and need no module of ours. Labels are those of rules_python's hubs.
    """
    from crossdock.cli.bazel_session import BazelSession

    session = BazelSession(options)
    session.check_words()
    found = session.generate()
    document = session.checked(found) if options["check"] else session.written(found)
    session.store.close()
    if options["as_json"]:
        click.echo(json.dumps(document, indent=2))
    elif not options["check"]:
        _say(session, document)
    return 0


def _say(session: BazelSession, document: dict[str, Any]) -> None:
    click.echo(str(session.options["out"]))
    if document["changed"]:
        session.tell(f"how to use it: {str(session.options['out']).rstrip('/')}/USAGE.md")
