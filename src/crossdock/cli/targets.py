"""`crossdock targets`: the names, and what one means in every ecosystem's words."""

from __future__ import annotations

import json
from typing import Any

import click

from crossdock.cli.console import paint
from crossdock.cli.session import Session


@click.command(epilog="Example:  crossdock targets lambda-python3.12-arm64")
@click.argument("name", required=False)
@click.option("--python", metavar="X.Y", help="Python of a target whose name does not say.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(name: str | None, *, python: str | None, as_json: bool) -> int:
    """List the targets known by name, or tell what NAME means: tags, markers, and other tools' words."""
    if name is None:
        return _list(as_json=as_json)
    from crossdock.target.describe import describe

    session = Session({"for_": (name,), "python": python, "quiet": as_json})
    value = describe(session.targets[0])
    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        _print(value, "")
    return 0


def _list(*, as_json: bool) -> int:
    from crossdock.target.names import known_names

    names = known_names()
    if as_json:
        click.echo(json.dumps([{"name": name, "meaning": meaning} for name, meaning in names], indent=2))
        return 0
    width = max(len(name) for name, _ in names)
    for name, meaning in names:
        click.echo(f"{name:{width}}  {meaning}")
    click.echo(
        "\nAlso: OCI platforms (linux/arm/v7), triples (aarch64-unknown-linux-musl), wheel platform tags\n"
        "(manylinux_2_28_aarch64), cp312-linux-aarch64-glibc2.34, and TOML or pex JSON files."
    )
    return 0


def _print(value: Any, indent: str) -> None:
    import sys

    for key, item in value.items():
        label = paint(str(key).replace("_", " "), "bold", sys.stdout)
        if isinstance(item, dict):
            click.echo(f"{indent}{label}")
            _print(item, indent + "  ")
        elif isinstance(item, list | tuple):
            _print_list(label, item, indent)
        elif item is not None:
            click.echo(f"{indent}{label}: {item}")


def _print_list(label: str, items: Any, indent: str) -> None:
    shown = [str(item) for item in items]
    short = ", ".join(shown)
    if len(short) <= 90:  # noqa: PLR2004
        click.echo(f"{indent}{label}: {short}")
        return
    click.echo(f"{indent}{label} ({len(shown)})")
    for text in [*shown[:8], *(["…"] if len(shown) > 8 else [])]:  # noqa: PLR2004
        click.echo(f"{indent}  {text}")
