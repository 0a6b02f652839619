"""`crossdock image`: one OCI image for several platforms, straight from wheels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.image_options import base_options, content_options, output_options
from crossdock.cli.options import (
    build_options,
    index_options,
    run_options,
    ship_options,
    source_options,
    target_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.cli.image_session import ImageSession
    from crossdock.ship.image.model import Layer


@click.command(
    epilog="Example:  crossdock image . --for linux/amd64 --for linux/arm64 --push registry.example.com/app:1.4"
)
@source_options
@target_options
@output_options
@base_options
@content_options
@build_options
@ship_options
@index_options
@run_options
def command(**options: Any) -> int:
    """Turn SOURCE into one OCI image for all targets: a layer of its own for each large wheel, the code last.

    No daemon and no emulation; the same inputs give the same digests on any machine. Every binary must fit its
    target, and every library that it needs must be in the base or in a wheel, before anything is sent.
    """
    from crossdock.cli.gathering import Asked
    from crossdock.cli.image_attached import with_statement
    from crossdock.cli.image_deliver import check_outputs, deliver, refuse_unfit, say_pushed, tell_report
    from crossdock.cli.image_session import ImageSession
    from crossdock.pipeline.image import make_image, plan_image
    from crossdock.pipeline.locked import Locked

    session = ImageSession(options)
    check_outputs(session)
    asked = Asked(session, with_project=session.app is not None)
    locked = Locked(
        targets=session.targets, keys=session.keys_of(asked), read=asked.lock, select=session.select_for
    )
    request, means = session.request(locked), session.image_means()
    planned = plan_image(locked, request, means)
    if options["dry_run"]:
        from crossdock.cli.image_plan import tell_plan

        return tell_plan(session, planned, as_json=options["as_json"])
    made = make_image(locked, planned, request, means)
    refuse_unfit(session, made)
    made = with_statement(session, asked, made)
    # Read before a push puts the new one in its place.
    before = _before(session) if options["report"] else None
    results = deliver(session, made)
    session.write_base_lock()
    tell_report(session, made.image, before)
    session.store.close()
    if options["as_json"]:
        from crossdock.cli.image_json import image_json

        click.echo(json.dumps({"image": image_json(made), **results}, indent=2))
    else:
        say_pushed(session, results)
    return 0


def _before(session: ImageSession) -> Mapping[str, Sequence[Layer]] | None:
    """Return the layers of the previous image by platform, None if there is none."""
    found = session.previous.found
    if found is None:
        return None
    return {str(one.platform): one.layers for one in found[0].platforms}
