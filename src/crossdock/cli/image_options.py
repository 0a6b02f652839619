"""The options of `crossdock image`: where it comes from, where it goes, and what its configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli.options import apply_options

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def output_options(command: F) -> F:
    """Add where the image goes."""
    return apply_options(
        command,
        [
            click.option(
                "--push",
                multiple=True,
                is_flag=False,
                flag_value="",
                metavar="[REF]",
                help="Push to a registry, `REGISTRY/app:tag`; repeat for more. `:tag`, or nothing, is of the "
                "settings' repository.",
            ),
            click.option(
                "-o",
                "--output",
                multiple=True,
                metavar="PATH",
                help="Write an OCI layout (a directory, updated in place) or an OCI archive (`FILE.tar`).",
            ),
            click.option(
                "--load",
                type=click.Choice(["auto", "docker", "podman"]),
                is_flag=False,
                flag_value="auto",
                help="Load it into podman or docker.",
            ),
            click.option(
                "--name",
                "names",
                multiple=True,
                metavar="NAME:TAG",
                help="What it is called in a layout, an archive, and where it is loaded; default: the project's name.",
            ),
            click.option(
                "--previous",
                metavar="REF",
                help="The image to take unchanged layers from; default: the first --push. `none` takes none.",
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
            click.option(
                "--report", metavar="FILE.html", help="Write a page that shows where the bytes are."
            ),
            click.option(
                "--dry-run", is_flag=True, help="Say what would be built, reused and uploaded; do nothing."
            ),
        ],
    )


def base_options(command: F) -> F:
    """Add what lies below."""
    return apply_options(
        command,
        [
            click.option(
                "-b",
                "--base",
                metavar="REF",
                help="A registry's image, `debian:SUITE` (made of Debian's packages here), a layout or archive, "
                "or `scratch`; default: python:X.Y-slim.",
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
                help="Where Debian's packages come from; default: the sources that apt is set up with.",
            ),
        ],
    )


def content_options(command: F) -> F:
    """Add what is in it, and what its configuration says."""
    return apply_options(
        command,
        [
            click.option(
                "--app",
                metavar="PATH",
                help="The application's own code: a project, a directory of modules, a script; default: SOURCE's. "
                "`none` leaves it out.",
            ),
            click.option("-m", "--module", metavar="NAME", help="Start `python -m NAME`."),
            click.option(
                "--entrypoint", metavar="COMMAND", help="Start this, split as a shell would, run without one."
            ),
            click.option("--cmd", metavar="ARGUMENTS", help="Default arguments of the entry point."),
            click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="A variable."),
            click.option(
                "--label", multiple=True, metavar="NAME=VALUE", help="A label of the configuration."
            ),
            click.option(
                "--annotation",
                multiple=True,
                metavar="NAME=VALUE",
                help="An annotation of manifests and index.",
            ),
            click.option("--workdir", metavar="DIR", help="Where it starts."),
            click.option("--user", metavar="USER[:GROUP]", help="Who runs it; default: 65532:65532."),
            click.option("--expose", multiple=True, metavar="PORT[/udp]", help="A port that it listens on."),
            click.option("--stop-signal", metavar="SIGNAL", help="What ends it; default: the base's."),
            click.option(
                "--add",
                multiple=True,
                metavar="PATH:DEST[:MODE]",
                help="Add a file or directory; MODE is octal.",
            ),
            click.option("--prefix", metavar="DIR", help="Where packages and code lie; default: /app."),
            click.option(
                "--bytecode/--no-bytecode",
                default=None,
                help="Add a layer of compiled modules: a faster first start.",
            ),
            click.option(
                "--max-layers", type=int, metavar="N", help="The base's layers among them; default: 60."
            ),
            click.option(
                "--revision", metavar="COMMIT", help="The commit it was made of, for its annotations."
            ),
            click.option(
                "--sbom",
                type=click.Choice(["cyclonedx", "spdx", "both", "none"]),
                help="The bill of materials attached to each platform's image; default: both.",
            ),
            click.option(
                "--provenance/--no-provenance",
                default=None,
                help="Attach an SLSA provenance statement; default: yes.",
            ),
            click.option(
                "--sign", is_flag=True, help="Sign the pushed index by sigstore (the extra `sign`)."
            ),
        ],
    )
