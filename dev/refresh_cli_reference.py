"""Writes docs/reference/command-line.md from the commands themselves: `python dev/refresh_cli_reference.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"

_HEAD = """\
# Command line

*Written by `dev/refresh_cli_reference.py` from the commands themselves: change those, then run it.*

Results go to standard output, progress and messages to standard error. `--json` gives the result as JSON.
What the exit statuses mean: [exit statuses](exit-statuses.md). What SOURCE may be: [sources](sources.md).
"""

_PIP_HEAD = """\
## Flags of pip that are taken and change nothing

So that a `pip download` or `pip install --target` line works as it is, {commands} also take these. They ask for what
happens anyway, or for what has no meaning here.
"""


def page() -> str:
    """Return the text of the page."""
    from crossdock.cli.main import root

    context = click.Context(root, info_name="crossdock")
    lines = [_HEAD]
    silent: dict[str, list[str]] = {}
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if command is not None:
            lines += _command(command, f"crossdock {name}", context, level=2)
            for parameter in command.params:
                if isinstance(parameter, click.Option) and parameter.hidden:
                    silent.setdefault(", ".join(parameter.opts), []).append(name)
    commands = sorted({name for names in silent.values() for name in names})
    lines += [_PIP_HEAD.format(commands=" and ".join(_listed(commands)))]
    lines += [", ".join(f"`{flag}`" for flag in sorted(silent)) + ".", ""]
    return "\n".join(lines)


def _listed(names: list[str]) -> list[str]:
    quoted = [f"`{name}`" for name in names]
    return [", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted


def _command(command: click.Command, path: str, parent: click.Context, *, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    yield f"{'#' * level} {path}"
    yield ""
    if command.help:
        yield " ".join(command.help.replace("\f", " ").split())
        yield ""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{path} {usage}\n```"
    if command.epilog:
        yield ""
        yield " ".join(command.epilog.split())
    rows = [
        _row(option) for option in command.params if isinstance(option, click.Option) and not option.hidden
    ]
    if rows:
        yield ""
        yield "| option | meaning |"
        yield "| --- | --- |"
        yield from rows
    yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _command(below, f"{path} {name}", context, level=level + 1)


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag and not option.count:
        metavar = option.metavar or _choices(option)
        names += f" {metavar}"
    notes = [" ".join((option.help or "").split())]
    if option.multiple:
        notes.append("May repeat.")
    if option.required:
        notes.append("Required.")
    if option.show_default and isinstance(option.default, bool | int | str):
        notes.append(f"Default: {_default(option)}.")
    text = " ".join(note for note in notes if note)
    return f"| {names.replace('|', chr(92) + '|')} | {text.replace('|', chr(92) + '|')} |"


def _choices(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    return option.type.name.upper().replace(" RANGE", "")


def _default(option: click.Option) -> str:
    if isinstance(option.default, bool):
        return f"`{option.opts[0] if option.default else option.secondary_opts[0]}`"
    return f"`{option.default}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
