"""`crossdock runtimes`: where functions run from a zip, what is there, and until when."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import paint
from crossdock.cli.options import index_options
from crossdock.cli.session import Session
from crossdock.errors import FetchError, UsageError

if TYPE_CHECKING:
    from crossdock.ship.bundle.places import Limits, Place, Runtime, RuntimeTable
    from crossdock.ship.bundle.refresh import SourceWheel

_MIB = 1 << 20

_HEAD = (
    "runtime",
    "OS",
    "glibc",
    "CPUs",
    "deprecated",
    "no new from",
    "no updates",
    "zip",
    "unzipped",
    "layers",
)


@click.command(epilog="Example:  crossdock runtimes --refresh -o runtimes.toml")
@click.option(
    "--runtimes", metavar="FILE", type=click.Path(path_type=Path), help="A table of your own over ours."
)
@click.option(
    "--refresh",
    is_flag=True,
    help="Make AWS Lambda's table anew, from the newest cfn-lint and aws-lambda-builders of the package index.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="With --refresh: the file to write; default: standard output."
)
@index_options
@click.option("--offline", is_flag=True, help="Ask no index.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("-q", "--quiet", count=True, help="Only errors.")
def command(**options: Any) -> int:
    """List the runtimes of AWS Lambda, Bedrock AgentCore, Google and Azure: system, CPUs, limits and dates."""
    from crossdock.ship.bundle.places import read_table

    session = Session(options)
    if options["output"] and not options["refresh"]:
        raise UsageError("`-o` is for `--refresh`", code="E-USAGE")
    if options["refresh"]:
        if options["runtimes"]:
            raise UsageError("`--runtimes` has no meaning beside `--refresh`", code="E-USAGE")
        if options["as_json"] and options["output"] in (None, "-"):
            raise UsageError("`--json` beside `--refresh` needs a file to write: `-o`", code="E-USAGE")
        return _refresh(session)
    table = read_table(options["runtimes"])
    if options["as_json"]:
        click.echo(json.dumps([_json(runtime) for runtime in table.runtimes], indent=2))
    else:
        _print(table)
    return 0


def _json(runtime: Runtime) -> dict[str, Any]:
    place, preset = runtime.place, runtime.preset
    dates = (place.deprecated, place.create_blocked, place.update_blocked, place.read)
    deprecated, create, update, read = (str(day) if day else None for day in dates)
    return {
        "name": place.name,
        "kind": place.kind,
        "targets": [f"{preset.name}-{preset.arch_word(arch)}" for arch in preset.arches],
        "os": place.os,
        "libc": {"kind": str(preset.libc.kind), "version": f"{preset.libc.major}.{preset.libc.minor}"},
        "architectures": [str(arch) for arch in preset.arches],
        "python": preset.python,
        "layout": place.layout,
        "task_root": place.task_root or None,
        "layer_root": place.layer_root or None,
        "limits": {
            "zipped": place.limits.zipped,
            "unzipped": place.limits.unzipped,
            "unzipped_exclusive": place.limits.unzipped_exclusive,
            "layers": place.limits.layers,
        },
        "deprecated": deprecated,
        "create_blocked": create,
        "update_blocked": update,
        "provided": list(place.provided),
        "remark": place.remark or None,
        "source": place.source or None,
        "read": read,
    }


# The table


def _print(table: RuntimeTable) -> None:
    today = date.today()  # noqa: DTZ011  # the user's own day
    rows = [_HEAD, *(_row(runtime) for runtime in table.runtimes)]
    colours = ["bold", *(_colour(runtime.place, today) for runtime in table.runtimes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row, colour in zip(rows, colours, strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(paint(line, colour, sys.stdout) if colour else line)
    remarks = [f"{place.name}: {place.remark}" for place in _places(table) if place.remark]
    sources = dict.fromkeys(
        f"{place.kind}: {place.source}{f', read {place.read}' if place.read else ''}"
        for place in _places(table)
        if place.source
    )
    click.echo("\n" + "\n".join([*remarks, *sources]))


def _places(table: RuntimeTable) -> list[Place]:
    return [runtime.place for runtime in table.runtimes]


def _row(runtime: Runtime) -> tuple[str, ...]:
    place, preset = runtime.place, runtime.preset
    return (
        place.name,
        place.os,
        f"{preset.libc.major}.{preset.libc.minor}",
        ", ".join(preset.arch_word(arch) for arch in preset.arches),
        *(str(day) if day else "-" for day in (place.deprecated, place.create_blocked, place.update_blocked)),
        *_limits(place.limits),
    )


def _limits(limits: Limits) -> tuple[str, str, str]:
    unzipped = _size(limits.unzipped)
    return (
        _size(limits.zipped),
        f"< {unzipped}" if limits.unzipped_exclusive and limits.unzipped else unzipped,
        str(limits.layers or "-"),
    )


def _size(count: int | None) -> str:
    return "-" if count is None else f"{count / _MIB:g} MiB"


def _colour(place: Place, today: date) -> str:
    if place.update_blocked is not None and place.update_blocked <= today:
        return "red"
    return "yellow" if place.deprecated is not None and place.deprecated <= today else ""


# Another table


def _refresh(session: Session) -> int:
    from crossdock.ship.bundle.refresh import DATES, GLIBC, refreshed

    sources = [_newest(session, package) for package in (DATES, GLIBC)]
    made = refreshed(*sources, today=date.today())  # noqa: DTZ011  # the user's own day
    for line in made.notes:
        session.tell(line)
    output = session.options["output"]
    if output in (None, "-"):
        click.echo(made.text, nl=False)
        return 0
    from crossdock.ship.bundle.places import read_table
    from crossdock.ship.bundle.refresh import differences
    from crossdock.ship.files import write_file

    path = session.directory / output
    write_file(path, made.text.encode())
    changes = list(differences(read_table(), read_table(path)))
    if session.options["as_json"]:
        value = {"file": str(path), "sources": [str(one) for one in sources], "notes": list(made.notes)}
        click.echo(json.dumps({**value, "differences": changes}, indent=2))
        return 0
    for line in changes:
        session.tell(line)
    same = "" if changes else "; it says what crossdock knows already"
    session.tell(f"wrote {output} from {' and '.join(map(str, sources))}{same}")
    return 0


def _newest(session: Session, package: str) -> SourceWheel:
    from crossdock.cli.console import Progress
    from crossdock.cli.index import index_of
    from crossdock.cli.sdists import digest_of
    from crossdock.net.fetch import Download, fetch_all
    from crossdock.ship.bundle.refresh import SourceWheel, newest_wheel

    if session.options["offline"]:
        raise FetchError(
            f"offline, and the newest `{package}` is asked of the index",
            code="E-FETCH-OFFLINE",
            hint="run once without `--offline`",
        )
    version, file = newest_wheel(package, index_of(session).files(package))
    wanted = Download(url=file.url, digest=digest_of(file), size=file.size, name=file.filename)
    reporter = Progress("Downloading", quiet=session.quiet)
    ((_, blob),) = fetch_all([wanted], store=session.store, http=session.http, reporter=reporter)
    return SourceWheel(package=package, version=version, filename=file.filename, blob=blob)
