"""`crossdock image --dry-run`: what would be built, reused and uploaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.console import human_size
from crossdock.ship.image.kept_layers import find_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.cli.image_session import ImageSession
    from crossdock.pipeline.image import PlannedPlatform
    from crossdock.pipeline.layers import PlannedLayer
    from crossdock.ship.image.model import Layer


def tell_plan(session: ImageSession, planned: Sequence[PlannedPlatform], *, as_json: bool) -> int:
    """Print for each platform's layers of wheels where they come from, and whether they would be sent."""
    rows = [_platform(session, one) for one in planned]
    if as_json:
        click.echo(json.dumps({"planned": rows}, indent=2))
        return 0
    for row in rows:
        click.echo(f"{row['platform']} on {row['base']}")
        for layer in row["layers"]:
            sizes = human_size(layer["wheels"])
            sent = {None: "", True: ", would be sent", False: ", is there"}[layer["sent"]]
            click.echo(f"  {layer['title']:40} {sizes:>10} of wheels: {layer['origin']}{sent}")
        click.echo("  and the environment and the application, which are made in a moment")
    return 0


def _platform(session: ImageSession, planned: PlannedPlatform) -> dict[str, Any]:
    return {
        "target": planned.target.name,
        "platform": str(planned.platform),
        "base": session.base_spec or planned.base.name,
        "base_digest": None if planned.base.digest is None else str(planned.base.digest),
        "layers": [_layer(session, one) for one in planned.layers],
    }


def _layer(session: ImageSession, planned: PlannedLayer) -> dict[str, Any]:
    key = planned.name.key
    kept = find_records(session.store, planned.name)
    layer: Layer | None = kept.layer if kept else session.previous.layer(key)
    missing = sum(session.store.blob(wheel.digest) is None for wheel in planned.group.wheels)
    if kept:
        origin = "in the store"
    elif layer is not None:
        origin = "taken over from the previous image"
    else:
        origin = f"built, {missing} wheels fetched" if missing else "built from wheels in the store"
    return {
        "title": planned.name.title,
        "key": key,
        "digest": None if layer is None else str(layer.descriptor.digest),
        "packages": [f"{wheel.name} {wheel.version}" for wheel in planned.group.wheels],
        "wheels": sum(wheel.size for wheel in planned.group.wheels),
        "origin": origin,
        "sent": _sent(session, layer),
    }


def _sent(session: ImageSession, layer: Layer | None) -> bool | None:
    """Tell whether a push would send a layer; None where nothing is pushed."""
    if not session.destinations:
        return None
    if layer is None:
        return True
    there = [session.registry.has_blob(name, layer.descriptor.digest) for name in session.destinations]
    return not all(there)
