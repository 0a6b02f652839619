"""`crossdock install`: a directory for a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.again import again_key, output_lock, remember_command
from crossdock.cli.console import note, warn
from crossdock.cli.gathering import Asked
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)
from crossdock.cli.session import Session
from crossdock.cli.summary import summary_lines
from crossdock.errors import CrossdockError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.ship.prepared import Prepared
    from crossdock.ship.tree import LinkMode, TreeChange
    from crossdock.target.model import Target

#: Other processes may be healing the same store: each time is one more chance, not a loop.
_ATTEMPTS = 5


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
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Put SOURCE's packages for a target into a directory, every binary proven to fit.

    The directory is synced exactly: what is no longer locked goes, files that are not crossdock's stay.
    """
    session = Session(options)
    root = Path(options["target_directory"])
    mode = _link_mode(options["link_mode"] or session.project.settings.link_mode)
    # Taken before anything is written: what the command reads now is what its answer depends on.
    key = None if options["as_json"] else again_key(click.get_current_context().find_root().obj or ())
    places = directory_names(session.targets)
    asked = Asked(session)
    keys, ready = _ready(session, asked)
    results, parts = [], []
    for shipment, target, prepared, below in zip(keys, session.targets, ready, places, strict=True):
        directory = root / below
        results.append(_install(session, target, shipment, prepared, directory=directory, mode=mode))
        part = {"key": shipment, "directory": below, "target": target.name, "mode": str(mode)}
        parts.append({**part, "quiet": session.quiet})
    plain = not any(prepared.facts["findings"] or prepared.facts["notes"] for prepared in ready)
    if asked.is_plain and plain:
        remember_command(session.store, key, parts, session.said)
    session.store.close()
    if options["as_json"]:
        click.echo(json.dumps({"installed": results}, indent=2))
    return 0


def _interpreter(session: Session) -> str | None:
    return session.options.get("python_path") or session.project.settings.python_path


def _ready(session: Session, asked: Asked) -> tuple[list[str], list[Prepared]]:
    """Return key and laid-out shipment of each target: remembered, or gathered, laid out and remembered."""
    from crossdock.ship.prepared import find_prepared

    keys = asked.shipment_keys(_interpreter(session))
    known = [prepared for key in keys if (prepared := find_prepared(session.store, key)) is not None]
    if not known or len(known) != len(session.targets):
        return _lay_out(session, asked)
    for prepared in known:
        refuse_findings(prepared.facts, session.accepted)
    return keys, known


def _lay_out(session: Session, asked: Asked) -> tuple[list[str], list[Prepared]]:
    from crossdock.ship.assemble import assemble, facts_of
    from crossdock.ship.prepared import prepare

    gathered = asked.gather()
    shipments = [
        assemble(one.target, one.wheels, interpreter=_interpreter(session), accepted=session.accepted_of(one))
        for one in gathered
    ]
    facts = [facts_of(one, shipment) for one, shipment in zip(gathered, shipments, strict=True)]
    for value in facts:
        refuse_findings(value, session.accepted)
    keys = asked.shipment_keys(_interpreter(session)) or [shipment.key for shipment in shipments]
    made = zip(keys, shipments, facts, strict=True)
    return keys, [prepare(session.store, key, shipment, value) for key, shipment, value in made]


def refuse_findings(facts: dict[str, Any], accepted: frozenset[str], *, hint: str = "") -> None:
    """Raise `CrossdockError` with every error of the audit whose package was not accepted by name.

    `facts` are those of a shipment: its `target` by name and its `findings` as JSON. `hint` says what else to do.
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
        hint=hint
        or "lock versions that fit (`crossdock plan`, `crossdock lock --prefer-wheels`), or `--accept NAME` to ship it all the same",
    )


def directory_names(targets: Sequence[Target]) -> list[str]:
    """Return the name of each target's directory: `.` for one, else its name without separators.

    Raises `UsageError` where two would share one: the second would replace the first.
    """
    from crossdock.target.names import canonical_name

    if len(targets) == 1:
        return ["."]
    names = [
        (target.name or canonical_name(target)).replace("/", "-").replace("\\", "-") for target in targets
    ]
    twice = [name for name in names if [other.casefold() for other in names].count(name.casefold()) > 1]
    if twice:
        raise UsageError(
            f"two targets would be written to one directory, `{twice[0]}`",
            code="E-USAGE-SAME-NAME",
            hint="give the target files other names, or install them one by one",
        )
    return names


def _install(
    session: Session, target: Target, key: str, prepared: Prepared, *, directory: Path, mode: LinkMode
) -> dict[str, Any]:
    from crossdock.ship.tree import remove_stale_work

    remove_stale_work(directory)
    prepared, change = _written(session, target, key, prepared, directory=directory, mode=mode)
    for text in prepared.facts["notes"]:
        warn(text)
    if not session.quiet:
        for line in summary_lines(prepared.facts, target.name, directory, change):
            note(line)
    return {**prepared.facts, "target": target.name, "directory": str(directory), **change._asdict()}


def _link_mode(text: str | None) -> LinkMode:
    from crossdock.ship.tree import LinkMode

    try:
        return LinkMode(text or "auto")
    except ValueError as error:
        raise UsageError(
            f"no link mode `{text}`", code="E-SETTINGS-VALUE", hint=f"known: {', '.join(LinkMode)}"
        ) from error


def _written(
    session: Session, target: Target, key: str, prepared: Prepared, *, directory: Path, mode: LinkMode
) -> tuple[Prepared, TreeChange]:
    """Write a tree, from a shipment that is laid out again as long as the store's files turn out damaged."""
    from crossdock.errors import StoreError
    from crossdock.ship.prepared import forget
    from crossdock.ship.tree import DamagedSourceError, write_tree

    for _attempt in range(_ATTEMPTS):
        try:
            with session.store.locked(output_lock(directory)):
                return prepared, write_tree(directory, prepared.files, prepared.receipt, mode=mode)
        except DamagedSourceError:
            # Pruned by another process, or edited through a link: the store heals itself.
            forget(session.store, key)
            prepared = _lay_out(session, Asked(session))[1][session.targets.index(target)]
    raise StoreError(
        f"`{session.store.root}` is changed while `{directory}` is written from it",
        code="E-STORE-UNSTABLE",
        hint="is another program writing into the store? `crossdock cache verify` checks it",
    )
