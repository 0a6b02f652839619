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

    from crossdock.ship.cargo import Gathered
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
    gathered = gather_for(session)
    results = []
    many = len(gathered) > 1
    for one in gathered:
        directory = root / directory_name(one.target) if many else root
        results.append(_install(session, one, directory))
    if options["as_json"]:
        click.echo(json.dumps({"installed": results}, indent=2))
    return 0


def gather_for(session: Session, *, need_blobs: bool = False) -> list[Gathered]:
    """Lock, select, fetch, build, verify for every target of the session; raise for findings not accepted."""
    from crossdock.cli.gathering import gather_all

    gathered = gather_all(session, need_blobs=need_blobs)
    for text in dict.fromkeys(text for one in gathered for text in one.notes):
        warn(text)
    session.store.close()
    refuse_findings(gathered, session.accepted)
    return gathered


def refuse_findings(gathered: Sequence[Gathered], accepted: frozenset[str]) -> None:
    """Raise `CrossdockError` with every error of the audit whose package was not accepted by name."""
    for one in gathered:
        errors = [finding for finding in one.findings if finding.severity == "error"]
        refused = [finding for finding in errors if finding.package not in accepted]
        if not refused:
            for finding in errors:
                warn(f"accepted by name: {finding}")
            continue
        packages = list(dict.fromkeys(finding.package for finding in refused))
        files = len({(finding.package, finding.path) for finding in refused})
        more = f" and {len(packages) - 1} more packages" if len(packages) > 1 else ""
        raise CrossdockError(
            f"{files} {'binary' if files == 1 else 'binaries'} in `{packages[0]}`{more} do not fit {one.target.name}",
            code="E-FINDINGS",
            places=[str(finding) for finding in refused],
            hint="lock versions that fit (`crossdock plan`, `crossdock lock --prefer-wheels`), or `--accept NAME` to ship it all the same",
        )


def directory_name(target: Target) -> str:
    """Return the name of a target's own directory where several are asked for: no separators in it."""
    from crossdock.target.names import canonical_name

    return (target.name or canonical_name(target)).replace("/", "-")


def _install(session: Session, one: Gathered, directory: Path) -> dict[str, Any]:
    from crossdock.ship.assemble import assemble
    from crossdock.ship.tree import remove_stale_work, write_tree

    settings = session.project.settings
    mode = _link_mode(session.options.get("link_mode") or settings.link_mode)
    interpreter = session.options.get("python_path") or settings.python_path
    shipment = assemble(one.target, one.wheels, interpreter=interpreter)
    remove_stale_work(directory)
    change = write_tree(directory, shipment.files, shipment.receipt, mode=mode)
    size = sum(entry.file.size for entry in shipment.files.values())
    binaries = sum(len(wheel.unpacked.binaries) for wheel in one.wheels)
    kept = f", {change.kept} unchanged, {change.removed} removed" if change.kept or change.removed else ""
    session.tell(
        f"{one.target.name}: {len(one.wheels)} packages, {len(shipment.files)} files, {human_size(size)} in {directory}"
        f" ({change.written} written{kept}); {binaries} binaries fit"
    )
    for hook in shipment.start_up_hooks:
        session.tell(f"runs at every start of Python: {hook}")
    return {
        "target": one.target.name,
        "directory": str(directory),
        "files": len(shipment.files),
        "bytes": size,
        "written": change.written,
        "kept": change.kept,
        "removed": change.removed,
        "binaries": binaries,
        "packages": [package.to_json() for package in shipment.receipt.packages],
        "findings": [finding.to_json() for finding in one.findings],
    }


def _link_mode(text: str | None) -> Any:
    from crossdock.ship.tree import LinkMode

    try:
        return LinkMode(text or "auto")
    except ValueError as error:
        raise UsageError(
            f"no link mode `{text}`", code="E-SETTINGS-VALUE", hint=f"known: {', '.join(LinkMode)}"
        ) from error
