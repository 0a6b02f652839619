"""The options of `crossdock bazel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

#: Rule sets that get files of their own, and what is written for them.
ADAPTERS = ("rules_python", "rules_pycross", "rules_py", "gazelle")


def bazel_options(command: F) -> F:
    """Add where the files go, what the hub is called, and for whom else something is written."""
    return apply_options(
        command,
        [
            click.option(
                "--out",
                metavar="DIR",
                default="third_party/py",
                show_default=True,
                help="The directory of the workspace that is written.",
            ),
            click.option(
                "--hub", metavar="NAME", default="pypi", show_default=True, help="The hub: `@NAME`."
            ),
            click.option(
                "--prefix",
                metavar="PATH",
                default="/app",
                show_default=True,
                help="The environment's directory in images, as for `crossdock image`.",
            ),
            click.option(
                "--libc-of",
                metavar="LABEL",
                help="The `platforms` package of another hub of the workspace, whose glibc and musl are taken.",
            ),
            click.option(
                "--base-url",
                metavar="URL",
                help="Where a wheelhouse of `crossdock mirror` is served: all wheels come from there.",
            ),
            click.option(
                "--distdir",
                metavar="DIR",
                help="Put all wheels there as well, for `bazel build --distdir` without a network.",
            ),
            click.option(
                "--adapter",
                multiple=True,
                type=click.Choice(ADAPTERS),
                help="Files for this rule set as well. Repeat for several.",
            ),
            click.option(
                "--workspace/--no-workspace",
                default=None,
                help="A macro for WORKSPACE as well; default: where there is no MODULE.bazel.",
            ),
            click.option(
                "--check", is_flag=True, help="Write nothing; fail where a file is not what the lock says."
            ),
        ],
    )
