"""`crossdock install`: a directory for a target, and `shipping`, what it shares with download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size, warn
from crossdock.cli.options import index_options, run_options, ship_options, source_options, target_options
from crossdock.cli.session import Session
from crossdock.errors import CrossdockError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.gathering import Asked
    from crossdock.ship.prepared import Prepared
    from crossdock.target.model import Target


@click.command(
    epilog="Examples:  crossdock install . --for linux/arm64 --target out   ·   crossdock install flask==3.1 --for win_arm64 --python 3.13 --target out"
)
@source_options
@target_options
@click.option(
    "-t",
    "--target",
    "target_directory",
    metavar="DIR",
    required=True,
    help="The directory; with several targets one below it for each.",
)
@click.option(
    "--python-path",
    metavar="PATH",
    help="Python's path on the target for scripts; default: found on its PATH, relocatable.",
)
@click.option(
    "--link-mode",
    type=click.Choice(["auto", "hardlink", "copy"]),
    help="How files come from the store; default: links where the file system can.",
)
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Put SOURCE's packages for a target into a directory, every binary proven to fit.

    The directory is synced exactly: what is no longer locked goes, files that are not crossdock's stay.
    """
    session = Session(options)
    root = Path(options["target_directory"])
    placed = place(session)
    many = len(placed) > 1
    results = []
    for target, prepared in placed:
        directory = root / directory_name(target) if many else root
        results.append(_install(session, target, prepared, directory))
    if options["as_json"]:
        click.echo(json.dumps({"installed": results}, indent=2))
    return 0


def place(session: Session) -> list[tuple[Target, Prepared]]:
    """Return what lies ready for each target: remembered, or gathered, laid out and remembered."""
    from crossdock.cli.gathering import Asked
    from crossdock.ship.prepared import find_prepared

    asked = Asked(session)
    known = [find_prepared(session.store, key) for key in asked.shipment_keys(_interpreter(session))]
    ready = [prepared for prepared in known if prepared is not None]
    if not ready or len(ready) != len(session.targets):
        ready = _lay_out(session, asked)
    for prepared in ready:
        refuse_findings(prepared.facts, session.accepted)
    return list(zip(session.targets, ready, strict=True))


def _interpreter(session: Session) -> str | None:
    return session.options.get("python_path") or session.project.settings.python_path


def _lay_out(session: Session, asked: Asked) -> list[Prepared]:
    from crossdock.ship.assemble import assemble, facts_of
    from crossdock.ship.prepared import prepare

    gathered = asked.gather()
    keys: Sequence[str | None] = asked.shipment_keys(_interpreter(session)) or [None] * len(gathered)
    prepared = []
    for key, one in zip(keys, gathered, strict=True):
        refuse_findings(
            {"findings": [item.to_json() for item in one.findings], "target": one.target.name},
            session.accepted,
        )
        shipment = assemble(one.target, one.wheels, interpreter=_interpreter(session))
        prepared.append(prepare(session.store, key or shipment.key, shipment, facts_of(one, shipment)))
    return prepared


def refuse_findings(facts: dict[str, Any], accepted: frozenset[str]) -> None:
    """Raise `CrossdockError` with every error of the audit whose package was not accepted by name.

    `facts` are those of a shipment: its `target` by name and its `findings` as JSON.
    """
    if not facts["findings"]:
        return
    from crossdock.ship.cargo import findings_from_json

    errors = [finding for finding in findings_from_json(facts["findings"]) if finding.severity == "error"]
    refused = [finding for finding in errors if finding.package not in accepted]
    if not refused:
        for finding in errors:
            warn(f"accepted by name: {finding}")
        return
    packages = list(dict.fromkeys(finding.package for finding in refused))
    files = len({(finding.package, finding.path) for finding in refused})
    more = f" and {len(packages) - 1} more packages" if len(packages) > 1 else ""
    raise CrossdockError(
        f"{files} {'binary' if files == 1 else 'binaries'} in `{packages[0]}`{more} do not fit {facts['target']}",
        code="E-FINDINGS",
        places=[str(finding) for finding in refused],
        hint="lock versions that fit (`crossdock plan`, `crossdock lock --prefer-wheels`), or `--accept NAME` to ship it all the same",
    )


def directory_name(target: Target) -> str:
    """Return the name of a target's own directory where several are asked for: no separators in it."""
    from crossdock.target.names import canonical_name

    return (target.name or canonical_name(target)).replace("/", "-")


def _install(session: Session, target: Target, prepared: Prepared, directory: Path) -> dict[str, Any]:
    from crossdock.ship.tree import DamagedSourceError, remove_stale_work, write_tree

    mode = _link_mode(session.options.get("link_mode") or session.project.settings.link_mode)
    remove_stale_work(directory)
    try:
        change = write_tree(directory, prepared.files, prepared.receipt, mode=mode)
    except DamagedSourceError:
        # Pruned by another process, or edited through a link: laid out again, the store heals itself.
        prepared = _lay_out_again(session, target)
        change = write_tree(directory, prepared.files, prepared.receipt, mode=mode)
    facts = prepared.facts
    kept = f", {change.kept} unchanged, {change.removed} removed" if change.kept or change.removed else ""
    for text in facts["notes"]:
        warn(text)
    session.tell(
        f"{target.name}: {len(facts['packages'])} packages, {facts['files']} files, {human_size(facts['bytes'])} in {directory}"
        f" ({change.written} written{kept}); {facts['binaries']} binaries fit"
    )
    for hook in facts["start_up_hooks"]:
        session.tell(f"runs at every start of Python: {hook}")
    return {**facts, "target": target.name, "directory": str(directory), **change._asdict()}


def _lay_out_again(session: Session, target: Target) -> Prepared:
    from crossdock.cli.gathering import Asked

    return _lay_out(session, Asked(session))[session.targets.index(target)]


def _link_mode(text: str | None) -> Any:
    from crossdock.ship.tree import LinkMode

    try:
        return LinkMode(text or "auto")
    except ValueError as error:
        raise UsageError(
            f"no link mode `{text}`", code="E-SETTINGS-VALUE", hint=f"known: {', '.join(LinkMode)}"
        ) from error
