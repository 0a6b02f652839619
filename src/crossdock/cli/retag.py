"""`crossdock retag`: wheels with the tags that are true of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import note, warn
from crossdock.cli.session import Session
from crossdock.errors import CrossdockError, UsageError

if TYPE_CHECKING:
    from crossdock.build.model import Sysroot
    from crossdock.build.retag import Retagged
    from crossdock.build.retag.places import Place


@click.command(
    epilog="Examples:  crossdock retag dist/*.whl   ·   crossdock retag demo-1.0-cp312-cp312-linux_x86_64.whl "
    "--to manylinux2014_x86_64   ·   crossdock retag demo-1.0-cp312-cp312-linux_x86_64.whl --library libpq5"
)
@click.argument("wheel", nargs=-1, required=True, metavar="WHEEL...")
@click.option(
    "--to",
    multiple=True,
    metavar="TAG",
    help="The platform it is to be tagged for (manylinux2014_x86_64), or a whole tag (cp312-cp312-win_amd64); refused "
    "where that is not true. Repeat for several. Default: the best that is true.",
)
@click.option(
    "-o", "--output-dir", metavar="DIR", default="dist", show_default=True, help="Where the wheels go."
)
@click.option(
    "--sysroot",
    metavar="DIR",
    help="Libraries that the wheel needs and Linux does not promise are taken in from here (`/`: this machine's).",
)
@click.option(
    "--library", multiple=True, metavar="PACKAGE", help="Take them in from this package of Debian (libpq5)."
)
@click.option(
    "--release", metavar="SUITE", help="Debian's release for --library; default: the oldest that has it."
)
@click.option(
    "--debian-mirror",
    metavar="URL",
    help="Where Debian's packages come from; default: the sources that apt is set up with.",
)
@click.option("--offline", is_flag=True, help="Only what the store has.")
@click.option("-n", "--dry-run", is_flag=True, help="Tell what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")
@click.option("-q", "--quiet", count=True, help="Only errors.")
def command(**options: Any) -> int:
    """Read what is in a wheel and give it the tags that are true, in its name, WHEEL and RECORD.

    Python, ABI and platform are computed from the binaries, on any host, for Linux (glibc and musl), macOS and Windows.
    What cannot be tagged truly is refused with the file and the symbol or library. A wheel whose tags are true is
    copied as it is. The wheels' paths are printed.
    """
    from crossdock.build.retag import Wish

    session = Session(options)
    wish = Wish.parse(options["to"]) if options["to"] else None
    if options["sysroot"] and options["library"]:
        raise UsageError(
            "libraries are taken from a directory or from Debian, not from both", code="E-RETAG-WHICH"
        )
    rows: list[dict[str, Any]] = []
    failed: list[CrossdockError] = []
    for word in dict.fromkeys(options["wheel"]):
        try:
            rows.append(_one(session, Path(word), wish))
        except CrossdockError as error:
            failed.append(error)
    if options["as_json"]:
        click.echo(json.dumps({"retagged": rows}, indent=2))
    else:
        for path in dict.fromkeys(row["path"] for row in rows):
            click.echo(path)
    for other in failed[1:]:
        places = "".join(f"\n  {place}" for place in other.places)
        warn(f"failed too: {other.message} [{other.code}]{places}")
    if failed:
        raise failed[0]
    return 0


def _one(session: Session, path: Path, wish: Any) -> dict[str, Any]:
    """Retag one wheel and put it where the user wants it; return what is told of it."""
    from crossdock.build.retag import retag
    from crossdock.digest import Digest

    if not path.is_file():
        raise UsageError(f"no such wheel: `{path}`", code="E-RETAG-FILE")
    asked = session.options["sysroot"] or session.options["library"]
    done = retag(path, wish=wish, sysroot=(lambda place: _sysroot(session, place)) if asked else None)
    content = path.read_bytes() if done.content is None else done.content
    out = Path(session.options["output_dir"], done.filename)
    if not session.options["dry_run"]:
        _write(path, out, content)
    _tell(session, done)
    return {
        "source": str(path),
        "path": str(out),
        "filename": done.filename,
        "changed": done.content is not None,
        "sha256": Digest.of(content).hex,
        "bytes": len(content),
        "tags": list(done.tags),
        "because": list(done.because),
        "notes": list(done.notes),
        "grafted": [
            {
                "path": one.path,
                "soname": one.soname,
                "package": None if one.package is None else f"{one.package.name}={one.package.version}",
            }
            for one in done.grafted
        ],
        "findings": [one.to_json() for one in done.findings],
    }


def _write(source: Path, out: Path, content: bytes) -> None:
    """Write a wheel; refuse to write over the one it was made of, or over another."""
    from crossdock.errors import ShipError
    from crossdock.ship.files import write_file

    if out.is_file() and out.read_bytes() == content:
        return
    if out.exists() or out.is_symlink():
        same = out.exists() and out.samefile(source)
        raise ShipError(
            f"`{out}` is {'the wheel itself' if same else 'there and holds something else'}",
            code="E-SHIP-FOREIGN",
            hint="choose another directory by `-o`" + ("" if same else ", or move it away"),
        )
    write_file(out, content)


def _tell(session: Session, done: Retagged) -> None:
    if session.quiet:
        return
    what = "its tags are true" if done.content is None else done.filename
    note(f"{done.source}: {what}" + "".join(f"\n  {one}" for one in dict.fromkeys(done.because)))
    for one in done.grafted:
        package = "" if one.package is None else f" of {one.package.name} {one.package.version}"
        note(f"  {one.soname}{package} taken in as {one.path}")
    for text in done.notes:
        note(f"  {text}")
    for finding in done.findings:
        warn(f"{done.source}: {finding} [{finding.code}]")


def _sysroot(session: Session, place: Place) -> Sysroot:
    """Return the libraries that may be taken in."""
    from crossdock.build.retag.libraries import debian_libraries, directory_of_libraries

    if session.options["sysroot"]:
        return directory_of_libraries(session.directory / session.options["sysroot"], place)
    from crossdock.cli.building import world_of

    return debian_libraries(session.options["library"], place, world_of(session), session.options["release"])
