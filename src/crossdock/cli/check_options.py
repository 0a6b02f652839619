"""The options of `crossdock check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

#: The kinds of findings (crossdock.ship.check.model.Kind), which is imported when the command runs.
_KINDS = ("no-wheel", "native", "impossible", "newer", "licence", "yanked", "unknown", "none")


def check_options(command: F) -> F:
    """Add the policy, and where the report goes."""
    return _report_options(_policy_options(command))


def _policy_options(command: F) -> F:
    return apply_options(
        command,
        [
            click.option(
                "--fail-on",
                multiple=True,
                type=click.Choice(_KINDS),
                help="End with status 1 for such a finding; repeat for several. Default: impossible, and newer or "
                "licence where an option is about it.",
            ),
            click.option(
                "--newer-than",
                metavar="DATE",
                help="Find files that were uploaded later: `2026-11-01` (to its end, UTC), a moment, or an age: `7 days`.",
            ),
            click.option(
                "--allow-licence",
                "--allow-license",
                multiple=True,
                metavar="EXPR",
                help="Only these: SPDX licences, `*` stands for any characters. Repeat for several.",
            ),
            click.option(
                "--deny-licence",
                "--deny-license",
                multiple=True,
                metavar="EXPR",
                help="Not these, for example `AGPL-*`. Repeat for several.",
            ),
            click.option(
                "--fetch",
                is_flag=True,
                help="Fetch the files whose licence the index does not tell; default: say that it is not known.",
            ),
            click.option(
                "--newest/--no-newest",
                default=True,
                show_default=True,
                help="Ask the index for the newest version with a wheel where the locked one has none.",
            ),
        ],
    )


def _report_options(command: F) -> F:
    return apply_options(
        command,
        [
            click.option(
                "--markdown", metavar="FILE", help="The report as Markdown; `-` for standard output."
            ),
            click.option(
                "--html", metavar="FILE", help="The report as one page that needs nothing but itself."
            ),
        ],
    )
