"""`crossdock build`: a wheel for a target from a source distribution."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import warn
from crossdock.cli.options import index_options
from crossdock.cli.session import Session
from crossdock.errors import CrossdockError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from crossdock.pipeline import Means
    from crossdock.pipeline.building import BuiltFile, ToBuild
    from crossdock.target.model import Target


class BuildSession(Session):
    """One run of `crossdock build`: its settings are the project's that is built, else those of the working directory."""

    def __init__(self, options: dict[str, Any]) -> None:
        words = options["sdist"]
        one = words[0] if len(words) == 1 and Path(words[0]).is_dir() else None
        super().__init__({**options, "source": (one,) if one else (), "cross_build": True})


@click.command(
    epilog="Examples:  crossdock build lxml==5.3.0 --for linux/arm64 --python 3.12   ·   "
    "crossdock build ./project --for linux/arm64 --for musllinux_1_2_x86_64   ·   "
    "crossdock build dist/demo-1.0.tar.gz --for linux/arm/v7 --glibc 2.28 --library libffi-dev"
)
@click.argument("sdist", nargs=-1, required=True, metavar="SDIST...")
@click.option(
    "--for",
    "for_",
    multiple=True,
    metavar="TARGET",
    help="Where the wheel will run; repeat for several. A name (`crossdock targets` lists them) or a file.",
)
@click.option("--python", metavar="X.Y", help="Python of targets whose name does not say (3.12, 3.13t).")
@click.option(
    "-o", "--output-dir", metavar="DIR", default="dist", show_default=True, help="Where the wheels go."
)
@click.option(
    "--glibc",
    metavar="X.Y",
    help="Compile for this glibc; default: the target's, or 2.17 where its name says none.",
)
@click.option(
    "--library",
    multiple=True,
    metavar="PACKAGE",
    help="A package of Debian with headers and libraries that it needs (libffi-dev).",
)
@click.option("--sysroot", metavar="DIR", help="The target's headers and libraries, in place of Debian's.")
@click.option(
    "--target-python", metavar="DIR", help="The target's Python, as installed or as Debian lays it out."
)
@click.option(
    "-C",
    "--config-setting",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting for the build backend (PEP 517).",
)
@click.option("--require", multiple=True, metavar="REQUIREMENT", help="One more build requirement (PEP 508).")
@click.option(
    "--rebuild", is_flag=True, help="Build what was built before again, with libraries as they are now."
)
@click.option(
    "--executor",
    metavar="ADDRESS",
    help="Build on a cluster: `dask://HOST:PORT` (the extra `dask`); default: on this machine.",
)
@click.option(
    "--allow-unsandboxed",
    is_flag=True,
    help="Let builds run with your rights where this machine can make no sandbox.",
)
@click.option(
    "--debian-mirror",
    metavar="URL",
    help="Where Debian's packages come from; default: the sources that apt is set up with.",
)
@index_options
@click.option("--offline", is_flag=True, help="Only what the store has.")
@click.option(
    "-j",
    "--jobs",
    "processors",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processors that builds share; default: all.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")
@click.option("-q", "--quiet", count=True, help="Only errors.")
def command(**options: Any) -> int:
    """Build wheels for targets from source distributions, on this machine, with zig as their compiler.

    SDIST is a .tar.gz or .zip, a project directory, a URL with #sha256=..., or a requirement. What is built is
    proven to fit its target, and tagged by what it needs. The wheels' paths are printed.
    """
    from crossdock.cli.sdists import source_of_word

    session = BuildSession(options)
    targets = session.targets
    means = session.means()
    sources = [source_of_word(session, word) for word in options["sdist"]]
    pairs = list(
        {(_same(source), target.key): (source, target) for source in sources for target in targets}.values()
    )
    done, failed = _build_all(pairs, means)
    rows = [_written(session, source, target, built) for source, target, built in done]
    if options["as_json"]:
        click.echo(json.dumps({"built": rows}, indent=2))
    else:
        for path in dict.fromkeys(row["path"] for row in rows):
            click.echo(path)
    if failed:
        for error in failed[1:]:
            warn(f"failed too: {error.message} [{error.code}]")
        raise failed[0]
    return 0


def _same(source: ToBuild) -> str:
    return str(source.digest or source.directory)


def _build_all(
    pairs: list[tuple[ToBuild, Target]], means: Means
) -> tuple[list[tuple[ToBuild, Target, BuiltFile]], list[CrossdockError]]:
    """Build everything side by side; what fails does not keep the rest from being built."""
    from crossdock.pipeline.building import build_wheel

    if means.building is None:
        raise UsageError("building is switched off", code="E-BUILD-OFF", hint="[tool.crossdock.build] cross")
    if len(pairs) == 1:
        source, target = pairs[0]
        return [(source, target, build_wheel(source, target, means))], []
    builder = means.building.builder()
    done, failed = [], []
    with ThreadPoolExecutor(builder.workers, thread_name_prefix="build") as threads:
        futures: list[Future[BuiltFile]] = [threads.submit(build_wheel, *pair, means) for pair in pairs]
        try:
            for (source, target), future in zip(pairs, futures, strict=True):
                try:
                    done.append((source, target, future.result()))
                except CrossdockError as error:
                    failed.append(error)
        except BaseException:
            for future in futures:
                future.cancel()
            builder.stop()
            raise
    return done, failed


def _written(session: BuildSession, source: ToBuild, target: Target, built: BuiltFile) -> dict[str, Any]:
    """Put a wheel where the user wants it; return what is told of it."""
    from crossdock.ship.files import write_file

    path = Path(session.options["output_dir"], built.filename)
    content = built.blob.read_bytes()
    if not (path.is_file() and path.read_bytes() == content):
        write_file(path, content)
    crossed = built.crossed
    if crossed is not None and crossed.from_store:
        session.tell(f"{built.filename}: built before{' on another machine' if crossed.imported else ''}")
    if not session.options["as_json"]:
        return {"path": str(path)}
    from crossdock.archive.names import WheelName
    from crossdock.build.crossed import provenance_of

    report = {} if crossed is None else crossed.report
    name = WheelName.parse(built.filename)
    return {
        "source": source.filename or str(source.directory),
        "target": target.name or target.key,
        "path": str(path),
        "filename": built.filename,
        "sha256": built.digest.hex,
        "bytes": len(content),
        "tags": report.get("tags") or sorted(name.tag_names),
        "floor": report.get("floor"),
        "grafted": report.get("grafted", []),
        "findings": report.get("findings", []),
        "provenance": provenance_of(content) or None,
        "log": None if crossed is None or crossed.log is None else str(crossed.log),
        "seconds": 0.0 if crossed is None else round(crossed.seconds, 2),
        "from_store": crossed is not None and crossed.from_store,
        "imported": crossed is not None and crossed.imported,
    }
