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
                help="The zip; for several targets a directory, or a name with `{target}` or `{arch}` in it. With "
                "--image an OCI layout (a directory) or an OCI archive (`FILE.tar`).",
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


def content_options(command: F) -> F:
    """Add what is left out, what is added, and where it will run."""
    return apply_options(
        command,
        [
            click.option(
                "--prune",
                multiple=True,
                metavar="RULE",
                help="Leave out `tests`, `headers`, `stubs`, `pycache` or `static`; `all`: every one. Repeat for several.",
            ),
            click.option(
                "--without-provided/--with-provided",
                "without_provided",
                default=None,
                help="Leave out what the runtime brings: boto3, botocore, and what only they need.",
            ),
            click.option(
                "--with-layer",
                "with_layers",
                multiple=True,
                metavar="ZIP",
                help="A layer that the function will have beside: its size counts. Repeat for several.",
            ),
            click.option(
                "--bytecode/--no-bytecode",
                default=None,
                help="Add compiled modules, made by a Python of the target's minor version on this machine.",
            ),
            click.option(
                "--test",
                metavar="HANDLER",
                help="Run the handler (`module.function`) once in AWS's runtime interface emulator.",
            ),
            click.option(
                "--event",
                metavar="FILE|JSON",
                help="With --test: what the handler is called with; default: {}.",
            ),
            click.option("--runtimes", metavar="FILE", help="A table of runtimes of your own over ours."),
            click.option(
                "--report", metavar="FILE.html", help="Write a page that shows where the bytes are."
            ),
            click.option(
                "--s3",
                is_flag=True,
                help="It will be uploaded through S3: the limit of 50 MB zipped is a note.",
            ),
        ],
    )


def image_options(command: F) -> F:
    """Add what a container image in the place of a zip takes."""
    return apply_options(
        command,
        [
            click.option(
                "--image",
                is_flag=True,
                help="A container image for AWS Lambda instead of a zip, for one target.",
            ),
            click.option(
                "--handler",
                metavar="HANDLER",
                help="With --image: the function that is called, `module.function`.",
            ),
            click.option(
                "--push",
                multiple=True,
                metavar="REF",
                help="With --image: push to a registry, `REGISTRY/app:tag`; repeat for more.",
            ),
            click.option(
                "--load",
                type=click.Choice(["auto", "docker", "podman"]),
                is_flag=False,
                flag_value="auto",
                help="With --image: load it into podman or docker.",
            ),
            click.option(
                "--name",
                "names",
                multiple=True,
                metavar="NAME:TAG",
                help="With --image: what it is called in a layout, an archive, and where it is loaded.",
            ),
            click.option(
                "-b",
                "--base",
                metavar="REF",
                help="With --image: what lies below, as in `crossdock image`; default: AWS's image of the runtime, "
                "public.ecr.aws/lambda/python:X.Y.",
            ),
            click.option(
                "--base-lock",
                metavar="FILE",
                help="Take the very base that FILE names; FILE is written where there is none.",
            ),
            click.option(
                "--update-base", is_flag=True, help="Look for a newer base and write --base-lock anew."
            ),
            click.option(
                "--debian-mirror",
                metavar="URL",
                help="Where Debian's packages of a `debian:SUITE` base come from.",
            ),
            click.option(
                "--insecure",
                multiple=True,
                metavar="HOST[:PORT]",
                help="This registry is spoken to by plain HTTP; loopback always may be.",
            ),
            click.option(
                "--registry-realm",
                multiple=True,
                metavar="HOST",
                help="A token server elsewhere that may see the registry's login.",
            ),
        ],
    )
