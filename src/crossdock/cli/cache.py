"""`crossdock cache`: the store on this disk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossdock.cli.console import human_size
from crossdock.cli.session import Session

if TYPE_CHECKING:
    from crossdock.build.carried import Carried
    from crossdock.store import Store
    from crossdock.store.report import Pruned, StoreInfo, Verified

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@click.group()
def command() -> None:
    """Look at the store, check it, make it smaller, carry built wheels to other machines."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(*, as_json: bool) -> int:
    """Tell where the store is and what is in it."""
    store = _store()
    found = store.info()
    if as_json:
        _print_json(found)
        return 0
    click.echo(
        f"store: {found.root}{' (temporary: the real one cannot be written)' if found.temporary else ''}"
    )
    click.echo(f"  downloads and built wheels  {found.blobs:6}  {human_size(found.blob_bytes)}")
    click.echo(f"  unpacked wheels, shipments  {found.trees:6}  {human_size(found.tree_bytes)}")
    click.echo(f"  downloads cut short         {found.partials:6}  {human_size(found.partial_bytes)}")
    click.echo(f"  logs of builds              {found.logs:6}  {human_size(found.log_bytes)}")
    click.echo(f"  facts                       {found.facts:6}")
    return 0


@command.command()
@click.option(
    "--heal/--no-heal",
    default=True,
    show_default=True,
    help="Remove what is damaged; the next run fetches it again.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def verify(*, heal: bool, as_json: bool) -> int:
    """Hash everything in the store; exit status 1 if something was damaged."""
    found = _store().verify(heal=heal, provers={"wheel": _prove, "shipment": _prove_shipment})
    if as_json:
        _print_json(found)
    else:
        for item in found.damaged:
            click.echo(f"damaged{' and removed' if heal else ''}: {item}")
        click.echo(
            f"{found.blobs} files, {found.trees} unpacked wheels and shipments, {found.facts} facts, {human_size(found.size)}:"
            f" {len(found.damaged)} damaged"
        )
    return 1 if found.damaged else 0


@command.command()
@click.option("--older-than", metavar="DAYS", type=float, help="Remove what was not used for so many days.")
@click.option("--max-size", metavar="SIZE", help="Then the longest unused, down to this size: 500M, 20G.")
@click.option("--all", "everything", is_flag=True, help="Remove all.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def prune(*, older_than: float | None, max_size: str | None, everything: bool, as_json: bool) -> int:
    """Make the store smaller; safe beside running processes."""
    if older_than is None and max_size is None and not everything:
        raise click.UsageError("say --older-than DAYS, --max-size SIZE or --all")
    limit = 0 if everything else _size(max_size)
    pruned = _store().prune(older_than=None if older_than is None else older_than * 86_400, max_size=limit)
    if as_json:
        _print_json(pruned)
    else:
        click.echo(
            f"removed {pruned.removed} entries, {human_size(pruned.freed)}; {human_size(pruned.kept_bytes)} kept"
        )
        if pruned.busy:
            click.echo("other processes use the store: what was used in the last day was left alone")
    return 0


@command.command()
@click.argument("file", metavar="FILE")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def export(*, file: str, names: tuple[str, ...], as_json: bool) -> int:
    """Write the wheels that were built for targets into FILE, all or those of NAMEs, for another machine's import."""
    from crossdock.build.carried import export_wheels
    from crossdock.cli.session import normalized
    from crossdock.ship.files import write_stream

    store = _store()
    found = write_stream(Path(file), lambda out: export_wheels(store, out, names=normalized(set(names))))
    if as_json:
        _print_json(found)
    else:
        click.echo(f"{found.wheels} wheels, {human_size(found.size)} in {file}")
    return 0


@command.command("import")
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def import_(*, file: str, as_json: bool) -> int:
    """Take the built wheels of FILE, which `crossdock cache export` wrote, so that builds find them."""
    from crossdock.build.carried import import_wheels

    with Path(file).open("rb") as source:
        found = import_wheels(_store(), source, file)
    if as_json:
        _print_json(found)
    else:
        more = f", {found.known} were there" if found.known else ""
        click.echo(f"{found.wheels} wheels{more}")
    return 0


def _print_json(value: Carried | StoreInfo | Verified | Pruned) -> None:
    click.echo(json.dumps(value._asdict(), indent=2, default=str))


def _store() -> Store:
    return Session({}).store


def _prove(_key: str, directory: Path) -> bool:
    from crossdock.ship.unpacked import prove_by_hash

    return prove_by_hash(directory)


def _prove_shipment(_key: str, directory: Path) -> bool:
    from crossdock.ship.prepared import is_whole

    return is_whole(directory)


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(i?b)?", text.strip(), re.IGNORECASE)
    if not found:
        raise click.BadParameter(f"not a size: {text}", param_hint="--max-size")
    return int(found[1]) * _UNITS[found[2].lower()]
