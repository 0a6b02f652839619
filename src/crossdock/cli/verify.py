"""`crossdock verify`: audit any wheel, directory, zip or image, whoever made it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import paint
from crossdock.cli.options import target_options
from crossdock.cli.session import Session
from crossdock.errors import ArchiveError

if TYPE_CHECKING:
    from crossdock.contents.collect import Contents
    from crossdock.contents.verify import Verdict
    from crossdock.inspect.finding import Finding
    from crossdock.target.model import Target

#: Codes of refusals that speak of the wheel's own words, not of the zip that holds them.
_ABOUT_WHEELS = ("E-WHEEL-", "E-RECORD-")

#: How skopeo and podman mark a registry's image.
_DOCKER = "docker://"
_LAYOUTS = ("oci:", "oci-archive:", "docker-archive:")

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(epilog="Example:  crossdock verify build/ --for lambda-python3.12-arm64")
@click.argument("thing", nargs=-1, required=True, metavar="THING...")
@target_options
@click.option(
    "--insecure", multiple=True, metavar="HOST[:PORT]", help="This registry is spoken to by plain HTTP."
)
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON on standard output.")
@click.option("-q", "--quiet", count=True, help="Only findings.")
def command(**options: Any) -> int:
    """Read every binary of THING and tell what does not fit the target; exit status 1 if something does not.

    THING is a wheel, an installed directory, a zip (a Lambda bundle, a pex), an OCI or Docker archive, an OCI
    layout, or an image of a registry: `registry.example.com/app:1.4`, `docker://python:3.12-slim`.
    """
    session = Session(options)
    results = []
    failed = False
    for name in options["thing"]:
        for target in session.targets:
            verdict = _verdict(session, name, target)
            failed = failed or not verdict.fits
            results.append({"thing": name, "target": target.name, **verdict.to_json()})
            if not options["as_json"]:
                _print(name, target.name, verdict)
    if options["as_json"]:
        click.echo(json.dumps({"verified": results}, indent=2))
    return 1 if failed else 0


def _verdict(session: Session, name: str, target: Target) -> Verdict:
    from crossdock.contents.read import read_contents
    from crossdock.contents.verify import Verdict, verify

    name = _plain_path(session.directory, name)
    path = session.directory / name
    if not path.exists() and is_reference(name):
        return verify(_image_of_registry(session, name.removeprefix(_DOCKER), target), target)
    broken = broken_wheel(path, target)
    if any(not finding.code.startswith(_ABOUT_WHEELS) for finding in broken):
        # As an archive it is not sound: it may be a bomb, so the reader for anything at all does not get it.
        return Verdict(findings=broken, files=0, binaries=0, distributions=0)
    # An image index holds one image for each platform: the target chooses.
    verdict = verify(read_contents(Path(name), target=target, store=session.store), target)
    return replace(verdict, findings=(*broken, *verdict.findings))


def _plain_path(directory: Path, name: str) -> str:
    """Return a layout's or archive's path as `--base` takes it too, without the `oci:` before it."""
    for prefix in _LAYOUTS:
        if name.startswith(prefix) and (directory / name.removeprefix(prefix)).exists():
            return name.removeprefix(prefix)
    return name


def is_reference(name: str) -> bool:
    """Tell whether a word names an image of a registry: it begins as skopeo writes it, or with a host."""
    host, slash, rest = name.partition("/")
    return name.startswith(_DOCKER) or (
        bool(slash and rest) and ("." in host.strip(".") or ":" in host or host == "localhost")
    )


def _image_of_registry(session: Session, name: str, target: Target) -> Contents:
    from crossdock.cli.registries import registry_of
    from crossdock.contents.image import read_image_from
    from crossdock.net.registry.reference import ImageReference
    from crossdock.ship.image.previous import RepositoryContents

    registry, reference = registry_of(session), ImageReference.parse(name)
    top = registry.manifest(reference).descriptor
    contents = RepositoryContents(registry=registry, reference=reference)
    return read_image_from(contents, [top], reference.name, target=target, store=session.store)


def broken_wheel(path: Path, target: Target) -> tuple[Finding, ...]:
    """Read a wheel as `install` would, every byte against RECORD, and return what it would be refused for."""
    if path.suffix != ".whl" or not path.is_file():
        return ()
    from crossdock.archive.wheel import Wheel
    from crossdock.inspect.finding import Finding, Severity
    from crossdock.ship.assemble import path_rules
    from crossdock.store.mapped import mapped

    try:
        with Wheel.open(mapped(path), path.name, rules=path_rules(target)) as wheel:
            for item in wheel.files:
                for _chunk in wheel.stream(item):
                    pass
    except ArchiveError as error:
        message = "; ".join([error.message, *error.places])
        return (
            Finding(
                code=error.code,
                severity=Severity.ERROR,
                message=message,
                wheel=path.name,
                hint=error.hint or "",
            ),
        )
    return ()


def _print(name: str, target: str, verdict: Verdict) -> None:
    import sys

    for finding in verdict.findings:
        severity = str(finding.severity)
        owner = f"{finding.package}: " if finding.package else ""
        click.echo(f"{paint(severity, _COLOURS[severity], sys.stdout)}: {owner}{finding} [{finding.code}]")
        if finding.hint:
            click.echo(f"  hint: {finding.hint}")
    errors = sum(str(finding.severity) == "error" for finding in verdict.findings)
    word = paint("fits", "green", sys.stdout) if verdict.fits else paint("does not fit", "red", sys.stdout)
    click.echo(f"{name}: {word} {target} ({verdict.binaries} binaries read, {errors} errors)")
