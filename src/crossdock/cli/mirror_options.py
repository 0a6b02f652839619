"""The options of `crossdock mirror`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def mirror_options(command: F) -> F:
    """Add where the wheelhouse is, what is in it, and where else it goes."""
    return publish_options(_carry_options(_directory_options(command)))


def _directory_options(command: F) -> F:
    return apply_options(
        command,
        [
            click.option(
                "-o", "--output", metavar="DIR", help="The wheelhouse: a directory, made or updated."
            ),
            click.option(
                "--name",
                metavar="NAME",
                help="What the lock is called there: `pylock.NAME.toml`; default: the project's name.",
            ),
            click.option("--sdists", is_flag=True, help="The lock's source distributions as well."),
            click.option(
                "--base-url",
                metavar="URL",
                help="Where the wheelhouse will be served: the lock names URLs below it, not paths.",
            ),
            click.option(
                "--ask-index",
                is_flag=True,
                help="Ask the index what no lock says: yanked files, provenance, upload times.",
            ),
            click.option("--replace", is_flag=True, help="Let a file get other bytes under its name."),
            click.option(
                "--prune", is_flag=True, help="Remove what no lock of the wheelhouse needs any more."
            ),
            click.option(
                "--forget",
                multiple=True,
                metavar="NAME",
                help="Forget a lock of the wheelhouse; its files go with --prune. Repeat for several.",
            ),
        ],
    )


def _carry_options(command: F) -> F:
    return apply_options(
        command,
        [
            click.option(
                "--delta", metavar="FILE.tar", help="Write what is new as one tar, to be carried elsewhere."
            ),
            click.option(
                "--since",
                metavar="MANIFEST",
                help="With --delta: the manifest.json of the other side; default: it has nothing.",
            ),
            click.option(
                "--serve", is_flag=True, help="Serve the wheelhouse on 127.0.0.1 until Ctrl-C, for a look."
            ),
            click.option(
                "--port",
                type=click.IntRange(0, 65535),
                default=0,
                metavar="N",
                help="With --serve: the port.",
            ),
        ],
    )


def publish_options(command: F) -> F:
    """Add the upload to an index."""
    return apply_options(
        command,
        [
            click.option(
                "--to",
                metavar="URL|NAME",
                help="Upload to a package index: the URL of its upload API, or a section of .pypirc.",
            ),
            click.option(
                "--check-url",
                metavar="URL",
                help="With --to: the index's simple API, where it cannot be told from the upload's URL.",
            ),
            click.option("--dry-run", is_flag=True, help="With --to: only say what would be uploaded."),
            click.option(
                "--on-conflict",
                type=click.Choice(["refuse", "skip"]),
                default="refuse",
                show_default=True,
                help="With --to: what to do where the index has other bytes under a file's name.",
            ),
        ],
    )
