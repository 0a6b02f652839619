"""Options that several commands share; pip's spellings are understood where pip has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

#: Flags of pip that ask for what crossdock does anyway, or that change nothing in the result.
_PIP_NO_EFFECT = (
    "--no-compile",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--no-input",
    "--no-warn-script-location",
    "--no-warn-conflicts",
    "--ignore-installed",
    "--upgrade",
    "--force-reinstall",
    "--no-color",
    "--prefer-binary",
    "--require-virtualenv",
)


def apply_options(command: F, options: list[Callable[[F], F]]) -> F:
    """Add options to a command, in the order that its help lists them in."""
    for option in reversed(options):
        command = option(command)
    return command


def target_options(command: F) -> F:
    """Add --for, --python and pip's way to say the same."""
    return apply_options(
        command,
        [
            click.option(
                "--for",
                "for_",
                multiple=True,
                metavar="TARGET",
                help="Where the result will run; repeat for several. A name (`crossdock targets` lists them) or a file.",
            ),
            click.option(
                "--python",
                metavar="X.Y",
                help="Python of targets whose name does not say (3.12, 3.12.4, 3.13t, pypy3.11).",
            ),
            click.option(
                "--platform",
                multiple=True,
                metavar="TAG",
                help="pip's way to name a target: a platform tag; several are one target that takes them all.",
            ),
            click.option("--python-version", metavar="X.Y", help="pip's spelling of --python."),
            click.option(
                "--implementation", metavar="cp|pp|py", help="pip's: the implementation for --platform."
            ),
            click.option(
                "--abi",
                multiple=True,
                metavar="ABI",
                help="pip's: the ABI for --platform, for example cp313t.",
            ),
        ],
    )


def source_options(command: F) -> F:
    """Add SOURCE, requirements files, extras, groups and formats."""
    return apply_options(
        command,
        [
            click.argument("source", nargs=-1, metavar="SOURCE..."),
            click.option("-r", "--requirement", multiple=True, metavar="FILE", help="A requirements file."),
            click.option("-c", "--constraint", multiple=True, metavar="FILE", help="A constraints file."),
            click.option("--extra", multiple=True, metavar="NAME", help="An extra of the project or lock."),
            click.option("--all-extras", is_flag=True, help="Every extra of the project or lock."),
            click.option("--group", multiple=True, metavar="NAME", help="A dependency group (PEP 735)."),
            click.option(
                "--only-binary",
                multiple=True,
                metavar="NAMES",
                help="Never build these from source; `:all:` for all.",
            ),
            click.option(
                "--no-binary",
                multiple=True,
                metavar="NAMES",
                help="Never take a wheel of these; `:all:` for all.",
            ),
            click.option(
                "--no-deps", is_flag=True, help="The requirements themselves, without what they need."
            ),
            click.option("--pre", is_flag=True, help="Allow pre-releases."),
            click.option(
                "--require-hashes",
                is_flag=True,
                help="pip's: every requirement carries a hash. The lock always does.",
            ),
            click.option(
                "--allow-build",
                multiple=True,
                metavar="NAMES",
                help="uv may run these packages' build to learn what they need.",
            ),
            click.option("--exclude-newer", metavar="DATE", help="Resolve as the index was then."),
        ],
    )


def index_options(command: F) -> F:
    """Add pip's options for the index; what is not said comes from uv's and pip's own settings."""
    return apply_options(
        command,
        [
            click.option(
                "-i",
                "--index-url",
                metavar="URL",
                help="The package index; default: uv's and pip's settings.",
            ),
            click.option("--extra-index-url", multiple=True, metavar="URL", help="One more index."),
            click.option(
                "-f", "--find-links", multiple=True, metavar="PLACE", help="A directory or page with files."
            ),
            click.option("--no-index", is_flag=True, help="Only --find-links."),
            click.option(
                "--trusted-host", multiple=True, metavar="HOST", help="Do not check this host's certificate."
            ),
            click.option("--cert", metavar="FILE", help="CA bundle."),
            click.option("--client-cert", metavar="FILE", help="Client certificate and key in one PEM file."),
            click.option("--proxy", metavar="URL", help="Proxy for everything."),
            click.option("--timeout", type=float, metavar="SECONDS", help="Wait this long for an answer."),
            click.option("--retries", type=int, metavar="N", help="Try a download this often again."),
            click.option(
                "--keyring-provider", metavar="NAME", help="disabled, auto, import or subprocess, as pip's."
            ),
        ],
    )


def build_options(command: F) -> F:
    """Add how what has no wheel is built."""
    return apply_options(
        command,
        [
            click.option(
                "--cross-build/--no-cross-build",
                "cross_build",
                default=None,
                help="Compile for the target what has no wheel for it; default: yes.",
            ),
            click.option(
                "--executor",
                metavar="ADDRESS",
                help="Build on a cluster: `dask://HOST:PORT` (the extra `dask`); default: on this machine.",
            ),
            click.option(
                "--allow-unsandboxed",
                is_flag=True,
                help="Let builds run with your rights where this machine can make no sandbox.",
            ),
        ],
    )


def run_options(command: F) -> F:
    """Add what concerns the run and not the result; pip's flags without effect here are taken in silence."""
    options: list[Callable[[F], F]] = [
        click.option("--offline", is_flag=True, help="Only what the store has."),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(1, 64),
            default=12,
            show_default=True,
            help="Downloads at once.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output."),
        click.option("-q", "--quiet", count=True, help="Only errors."),
        click.option("-v", "--verbose", count=True, hidden=True),
        click.option("--progress-bar", hidden=True, expose_value=False),
        click.option("--root-user-action", hidden=True, expose_value=False),
        click.option("-U", "pip_upgrade", is_flag=True, hidden=True, expose_value=False),
    ]
    options += [click.option(flag, is_flag=True, hidden=True, expose_value=False) for flag in _PIP_NO_EFFECT]
    return apply_options(command, options)


def ship_options(command: F) -> F:
    """Add what a user may accept by name; every such word is in the receipt."""
    return apply_options(
        command,
        [
            click.option(
                "--accept",
                multiple=True,
                metavar="NAME",
                help="Ship this package though the audit has findings.",
            ),
            click.option(
                "--allow-bad-record",
                multiple=True,
                metavar="NAME",
                help="Take this package's wheel though its RECORD is wrong.",
            ),
            click.option(
                "--allow-linux-tag",
                multiple=True,
                metavar="NAMES",
                help="Take wheels of these with a bare linux_<arch> tag.",
            ),
        ],
    )
