"""`crossdock targets`: the names, and what one means in every ecosystem's words."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import paint
from crossdock.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
        _print(value)
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


#: Whose word it is, in the order of the description.
_LABELS = {
    "oci_platform": "OCI platform",
    "wheel_platform_tags": "platform tags",
    "uv_python_platform": "uv --python-platform",
    "zig_target": "zig -target",
    "rust_target": "Rust target",
    "bazel": "Bazel",
    "lambda": "AWS Lambda",
    "debian_architecture": "Debian architecture",
    "presets": "the same place as",
}

#: Tags are shown best first; --json has them all.
_SHOWN = 4
_LINE = 80


def _print(value: Mapping[str, Any]) -> None:
    # What the name itself says is not said again.
    others = [preset for preset in value["presets"] if not value["name"].startswith(preset)]
    value = {**value, "presets": others}
    if value["canonical"] == value["name"]:
        value["canonical"] = None
    labels = {key: _LABELS.get(key, key.replace("_", " ")) for key, item in value.items() if item}
    width = max(map(len, labels.values()))
    for key, label in labels.items():
        item = value[key]
        rows = [f"{name} = {text}" for name, text in _flat(item)] if isinstance(item, dict) else _rows(item)
        for row, text in enumerate(rows):
            shown = paint(label, "bold", sys.stdout) if row == 0 else ""
            click.echo(f"{shown}{' ' * (width - (len(label) if row == 0 else 0))}  {text}")


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, item in table.items():
        yield key, " ".join(map(str, item)) if isinstance(item, list) else str(item)


def _rows(item: Any) -> list[str]:
    if not isinstance(item, list):
        return [str(item)]
    if len(", ".join(item)) <= _LINE:
        return [", ".join(item)]
    if len(item) <= _SHOWN:
        return item
    return [*item[:_SHOWN], f"and {len(item) - _SHOWN} more down to {item[-1]}"]
