"""The options of `crossdock lambda`: what goes into which zip, and where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def bundle_options(command: F) -> F:
    """Add where the zip goes and what it is."""
    return apply_options(
        command,
        [
            click.option(
                "-o",
                "--output",
                metavar="FILE.zip",
                required=True,
                help="The zip; for several targets a directory, or a name with `{target}` or `{arch}` in it.",
            ),
            click.option("--layer", is_flag=True, help="A layer: the dependencies alone, below `python/`."),
            click.option(
                "--layer-layout",
                type=click.Choice(["plain", "versioned"]),
                help="Below `python/`, or `python/lib/pythonX.Y/site-packages/`; default: plain.",
            ),
            click.option(
                "--split/--no-split",
                default=None,
                help="Two zips: the application, and `FILE-layer.zip` with the dependencies.",
            ),
            click.option(
                "--app",
                metavar="PATH|none",
                help="The application's own code, a directory or script; default: SOURCE if it is one.",
            ),
        ],
    )
