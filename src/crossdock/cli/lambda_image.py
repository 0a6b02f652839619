"""`crossdock lambda --image`: a container image for Lambda, which is one manifest and nothing attached to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import warn
from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.cli.lambda_image_session import LambdaImageSession
    from crossdock.pipeline.image import MadeImage

#: Options that speak of zips, and of images.
_OF_ZIPS = (
    "layer",
    "layer_layout",
    "split",
    "prune",
    "without_provided",
    "with_layers",
    "s3",
    "test",
    "event",
)
_OF_IMAGES = (
    "handler",
    "push",
    "load",
    "names",
    "base",
    "base_lock",
    "update_base",
    "insecure",
    "registry_realm",
    "debian_mirror",
)


def check_kind(options: Mapping[str, Any]) -> None:
    """Refuse options of images without `--image`, and those of zips with it; raise `UsageError` (E-BUNDLE-IMAGE)."""
    wrong = [name for name in (_OF_ZIPS if options["image"] else _OF_IMAGES) if options[name]]
    if not wrong:
        return
    names = {"names": "name", "with_layers": "with-layer"}
    option = f"--{names.get(wrong[0], wrong[0]).replace('_', '-')}"
    raise UsageError(
        f"{option} is for {'zips' if options['image'] else 'images'}",
        code="E-BUNDLE-IMAGE",
        hint=f"leave {option} out: an image may have 10 GB" if options["image"] else "add --image",
    )


def image_command(options: Mapping[str, Any]) -> int:
    """Make the image and deliver it; return the exit status."""
    from crossdock.cli.gathering import Asked
    from crossdock.cli.image_deliver import check_outputs, deliver, refuse_unfit, say_pushed, tell_report
    from crossdock.cli.lambda_image_session import LambdaImageSession
    from crossdock.pipeline.image import make_image, plan_image

    session = LambdaImageSession(options)
    _ = session.target, session.handler, session.outputs  # wrong words are told before the base is looked at
    check_outputs(session)
    session.say_ends()
    locked = session.locked(Asked(session, with_project=session.app is not None))
    request, means = session.request(locked), session.image_means()
    made = make_image(locked, plan_image(locked, request, means), request, means)
    refuse_unfit(session, made)
    _warn_of_handler(session, made)
    _warn_of_client(made)
    results = deliver(session, made)
    session.write_base_lock()
    tell_report(session, made.image, None)
    session.store.close()
    if options["as_json"]:
        from crossdock.cli.image_json import image_json

        place = session.place(session.target).name
        value = {"image": image_json(made), "place": place, "handler": session.handler, **results}
        click.echo(json.dumps(value, indent=2))
    else:
        say_pushed(session, results)
    return 0


def _warn_of_handler(session: LambdaImageSession, made: MadeImage) -> None:
    """Warn of a handler whose module is in none of our layers; the base may have it."""
    (one,) = made.platforms
    paths = {path for record in one.records for path in record.paths}
    paths |= {entry.path for entry in one.application.entries}
    module = session.handler.rpartition(".")[0].replace("/", ".")
    layout = session.layout
    roots = dict.fromkeys((layout.schemes(session.target).purelib, layout.sources[1:]))
    places = [f"{root}/{module.replace('.', '/')}" for root in roots]
    if not any(path.startswith((f"{place}.", f"{place}/")) for place in places for path in paths):
        warn(f"no package and no code of yours has the module `{module}` of the handler `{session.handler}`")


def _warn_of_client(made: MadeImage) -> None:
    """Warn where AWS's client, pinned by us, wants other versions than the lock has beside it."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    from crossdock.trial.client import CLIENT

    (one,) = made.platforms
    found = {record.name: record for record in one.records}
    client = found.get(CLIENT)
    for text in () if client is None else client.metadata.get("Requires-Dist", ()):
        wanted = Requirement(text)
        have = None if wanted.marker is not None else found.get(canonicalize_name(wanted.name))
        if have is not None and not wanted.specifier.contains(have.version, prereleases=True):
            warn(f"{CLIENT} wants {wanted}, and the lock has {have.version}: it may not start")
