"""`crossdock lambda`: a function's zip, a layer, or both, for AWS Lambda and for others that take one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size, warn
from crossdock.cli.lambda_options import bundle_options, content_options, image_options
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)

if TYPE_CHECKING:
    from crossdock.cli.lambda_session import LambdaSession
    from crossdock.pipeline.bundle import Bundle
    from crossdock.ship.bundle.receipt import ZipReceipt


@click.command(
    name="lambda",
    epilog="Example:  crossdock lambda . --for lambda-python3.12-arm64 -o function.zip",
)
@source_options
@target_options
@bundle_options
@content_options
@image_options
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Turn SOURCE into the zip of a function: the packages of its lock and its own code, every binary proven to fit.

    Compressed bytes are copied from the wheels; the same inputs give the same zip on any machine.
    """
    from crossdock.cli.lambda_image import check_kind, image_command

    check_kind(options)
    if options["image"]:
        return image_command(options)
    from crossdock.cli.lambda_json import bundle_json
    from crossdock.cli.lambda_session import LambdaSession
    from crossdock.cli.lambda_test import check_trial

    session = LambdaSession(options)
    check_trial(session)
    results = []
    for bundle in session.bundles():
        _refuse(session, bundle)
        zips = session.write(bundle)
        _tell(session, bundle, zips)
        tried = _tried(session, bundle, zips)
        results.append({**bundle_json(bundle, zips), **tried})
    session.store.close()
    if options["as_json"]:
        click.echo(json.dumps({"bundles": results}, indent=2))
    else:
        for one in (one for result in results for one in result["zips"]):
            click.echo(f"{one['file']}  sha256 {one['sha256']}  source_code_hash {one['source_code_hash']}")
    return 0 if all(one.get("test", {}).get("ok", True) for one in results) else 1


def _tried(session: LambdaSession, bundle: Bundle, zips: list[ZipReceipt]) -> dict[str, Any]:
    """Run the handler that `--test` names with the zips and the other layers, if one is named."""
    if not session.options["test"]:
        return {}
    from crossdock.cli.lambda_test import trial_command

    function = [session.directory / one.file for one in zips if one.role == "function"]
    layers = [session.directory / one.file for one in zips if one.role == "layer"]
    tried = trial_command(
        session,
        bundle.target,
        function=next(iter(function), None),
        layers=[*session.with_layers, *layers],
    )
    return {"test": tried}


def _refuse(session: LambdaSession, bundle: Bundle) -> None:
    """Refuse findings that nobody accepted, before anything is written."""
    from crossdock.cli.install import refuse_findings

    findings = [finding.to_json() for finding in bundle.findings]
    refuse_findings({"findings": findings, "target": bundle.target.name}, session.accepted)
    for finding in bundle.findings:
        if finding.severity == "warning":
            warn(str(finding))
    for text in bundle.notes:
        session.tell(text)


def _tell(session: LambdaSession, bundle: Bundle, zips: list[ZipReceipt]) -> None:
    for one in zips:
        count = sum(package.package is not None for package in one.packages)
        packages = f"{count} package{'' if count == 1 else 's'}"
        files = f"{one.written.files} file{'' if one.written.files == 1 else 's'}"
        session.tell(
            f"{one.file}: {bundle.target.name} {one.role}, {packages}, {files}, "
            f"{human_size(one.written.size)} ({human_size(one.written.unzipped)} unzipped)"
        )
        for package in one.packages:
            if package.package is not None:
                for text in package.package.notes:
                    session.tell(f"{package.package.name} {package.package.version}: {text}")
    counts = {0: "no binaries in it", 1: "its binary fits"}
    fitting = counts.get(bundle.binaries, f"{bundle.binaries} binaries fit")
    errors = sum(finding.severity == "error" for finding in bundle.findings)
    session.tell(f"{bundle.target.name}: {f'{errors} findings accepted by name' if errors else fitting}")
