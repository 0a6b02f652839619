"""`crossdock verify`: audit any wheel, directory, zip or image, whoever made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import paint
from crossdock.cli.options import target_options
from crossdock.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.inspect.finding import Finding

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(epilog="Example:  crossdock verify build/ --for lambda-python3.12-arm64")
@click.argument("thing", nargs=-1, required=True, metavar="THING...")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON on standard output.")
@click.option("-q", "--quiet", count=True, help="Only findings.")
def command(**options: Any) -> int:
    """Read every binary of THING and tell what does not fit the target; exit status 1 if something does not.

    THING is a wheel, an installed directory, a zip (a Lambda bundle, a pex), an OCI or Docker archive or an
    OCI layout.
    """
    from crossdock.contents import read_contents, verify_contents
    from crossdock.inspect.finding import Severity

    session = Session(options)
    results = []
    failed = False
    for name in options["thing"]:
        contents = read_contents(Path(name))
        for target in session.targets:
            findings = verify_contents(contents, target)
            bad = any(finding.severity is Severity.ERROR for finding in findings)
            failed = failed or bad
            results.append(
                {
                    "thing": name,
                    "target": target.name,
                    "fits": not bad,
                    "binaries": len(contents.binaries),
                    "findings": [finding.to_json() for finding in findings],
                }
            )
            if not options["as_json"]:
                _print(name, target.name, len(contents.binaries), findings, bad=bad)
    if options["as_json"]:
        click.echo(json.dumps({"verified": results}, indent=2))
    return 1 if failed else 0


def _print(name: str, target: str, binaries: int, findings: Sequence[Finding], *, bad: bool) -> None:
    import sys

    for finding in findings:
        severity = str(finding.severity)
        owner = f"{finding.package}: " if finding.package else ""
        click.echo(f"{paint(severity, _COLOURS[severity], sys.stdout)}: {owner}{finding} [{finding.code}]")
        if finding.hint:
            click.echo(f"  hint: {finding.hint}")
    errors = sum(str(finding.severity) == "error" for finding in findings)
    verdict = paint("does not fit", "red", sys.stdout) if bad else paint("fits", "green", sys.stdout)
    click.echo(f"{name}: {verdict} {target} ({binaries} binaries read, {errors} errors)")
