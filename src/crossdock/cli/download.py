"""`crossdock download`: wheel files for a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from crossdock.cli.console import human_size
from crossdock.cli.install import directory_names, refuse_findings
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)
from crossdock.cli.session import Session


@click.command(
    epilog="Example:  crossdock download -r requirements.txt --platform manylinux2014_aarch64 --python-version 3.11 --only-binary=:all: -d out"
)
@source_options
@target_options
@click.option("-d", "--dest", metavar="DIR", default=".", show_default=True, help="Where the files go.")
@click.option("--by-target", is_flag=True, help="A directory below DIR for each target.")
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Put the wheels of SOURCE for one or many targets into a directory.

    Each file once, verified and audited like everything that is shipped; a pure source distribution
    becomes the wheel that it builds.
    """
    from crossdock.cli.gathering import Asked, blob_of
    from crossdock.ship.files import put_file

    session = Session(options)
    results = []
    gathered = Asked(session).gather(need_blobs=True)
    places = directory_names(session.targets) if options["by_target"] else ["."] * len(gathered)
    for one, below in zip(gathered, places, strict=True):
        findings = {"findings": [item.to_json() for item in one.findings], "target": one.target.name}
        refuse_findings(findings, session.accepted)
        directory = Path(options["dest"]) / below
        written = [put_file(blob_of(session, wheel), directory, wheel.filename) for wheel in one.wheels]
        size = sum(path.stat().st_size for path in (directory / wheel.filename for wheel in one.wheels))
        session.tell(
            f"{one.target.name}: {len(one.wheels)} wheels, {human_size(size)} in {directory} ({sum(written)} new)"
        )
        results.append(
            {
                "target": one.target.name,
                "directory": str(directory),
                "bytes": size,
                "packages": [wheel.package.to_json() for wheel in one.wheels],
            }
        )
    if options["as_json"]:
        click.echo(json.dumps({"downloaded": results}, indent=2))
    return 0
