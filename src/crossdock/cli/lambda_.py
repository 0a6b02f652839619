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


#: Packages named in the line of a rule before the rest is only counted.
_NAMED = 6


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
    bundles = session.bundles()
    for bundle in bundles:
        _refuse(session, bundle)
    results = []
    for bundle, zips in zip(bundles, session.write(bundles), strict=True):
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
    from crossdock.pipeline.audited import APPLICATION

    findings = [finding.to_json() for finding in bundle.findings]
    own = any(finding.package == APPLICATION for finding in bundle.findings)
    hint = (
        f"build the application's own binaries for the target, or `--accept '{APPLICATION}'`" if own else ""
    )
    refuse_findings({"findings": findings, "target": bundle.target.name}, session.accepted, hint=hint)
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
    for text in _pruned(bundle):
        session.tell(text)
    unfit = len({(finding.package, finding.path) for finding in bundle.findings})
    fit = bundle.binaries - unfit
    counts = {0: "no binaries in it", 1: "its binary fits"}
    fitting = (
        counts.get(bundle.binaries, f"{fit} binaries fit")
        if not unfit
        else f"{fit} binaries fit, {unfit} do not"
    )
    errors = sum(finding.severity == "error" for finding in bundle.findings)
    session.tell(f"{bundle.target.name}: {f'{errors} findings accepted by name' if errors else fitting}")


def _pruned(bundle: Bundle) -> list[str]:
    """Return a line for each rule that took something: how much, and of whom."""
    lines = []
    for rule in dict.fromkeys(one.rule for one in bundle.removed):
        taken = [one for one in bundle.removed if one.rule == rule]
        packages = sorted({one.package for one in taken})
        named = ", ".join(packages[:_NAMED]) + (
            f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
        )
        size = human_size(sum(one.size for one in taken))
        lines.append(f"pruned {rule}: {len(taken)} file{'' if len(taken) == 1 else 's'}, {size}, of {named}")
    return lines
