"""`crossdock lock`: one pylock.toml for all targets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import warn
from crossdock.cli.locking import resolve_source, source_of
from crossdock.cli.options import index_options, run_options, source_options, target_options
from crossdock.cli.session import Session
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.lock.source import Source


@click.command(
    epilog="Example:  crossdock lock . --for linux/arm64 --for lambda-python3.12-arm64 --prefer-wheels"
)
@source_options
@target_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The lock to write; default: pylock.toml beside the source, `-` for standard output.",
)
@click.option(
    "--prefer-wheels/--no-prefer-wheels",
    default=None,
    help="Lock the newest versions that have a wheel for every target.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 if the lock would change.")
@index_options
@run_options
def command(**options: Any) -> int:
    """Resolve SOURCE into one universal lock for all targets; uv resolves, nothing of a package is run."""
    from crossdock.lock.emit import write_lock

    session = Session(options)
    source = source_of(session, relock=True)
    path = _output(session, source)
    wanted = session.options["prefer_wheels"]
    wheels = session.project.settings.prefer_wheels if wanted is None else bool(wanted)
    resolved, notes = resolve_source(session, source, path, prefer_wheels=wheels)
    for text in notes:
        warn(text)
    if options["output"] == "-":
        click.echo(resolved.text, nl=False)
        return 0
    before = path.read_text("utf-8") if path.is_file() else None
    changed = before != resolved.text
    if changed and not options["check"]:
        write_lock(path, resolved.text)
    count = len(resolved.lock.packages)
    verb = "is up to date" if not changed else "would change" if options["check"] else "written"
    session.tell(f"{path}: {count} packages for {len(session.targets)} targets, {verb}")
    if options["as_json"]:
        click.echo(
            json.dumps({"lock": str(path), "packages": count, "changed": changed, "notes": notes}, indent=2)
        )
    return 1 if changed and options["check"] else 0


def _output(session: Session, source: Source) -> Path:
    from crossdock.lock.text import is_lock_name

    named: str | None = session.options["output"]
    if named is None or named == "-":
        return source.directory / "pylock.toml"
    path = session.directory / named
    if path.is_dir():
        return path / "pylock.toml"
    if not is_lock_name(path.name):
        raise UsageError(
            f"a lock must be called pylock.toml or pylock.NAME.toml, not `{path.name}`",
            code="E-USAGE-LOCK-NAME",
            hint="PEP 751 says so, and pip and uv take no other name",
        )
    return path
