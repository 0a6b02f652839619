"""Compiled modules of an image: a layer for those of the wheels; the application's lie beside its sources."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from crossdock.pipeline.hands import fetched_wheels
from crossdock.ship.image.own_layers import (
    bytecode_layer,
    bytecode_name,
    compiled_application,
    wheel_modules,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.hands import Means
    from crossdock.pipeline.image import ImageMeans, PlannedPlatform
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import Layer


def compiled_layers(
    locked: Locked,
    planned: PlannedPlatform,
    application: Application,
    layout: ImageLayout,
    means: ImageMeans,
) -> tuple[list[Layer], Application, tuple[str, ...]]:
    """Return the layer of the wheels' compiled modules (none without wheels), the application with its own, and notes.

    Wheels are fetched only where the layer is neither in the store nor in the previous image. Raise `ImageError`
    (E-BYTECODE-PYTHON) without an interpreter of the target's minor version.
    """
    from crossdock.pipeline.image import known_layer  # it imports this module when it is asked for

    interpreter = means.compiler(planned.target.python)
    jobs = os.cpu_count() or 1
    blobs = _Blobs(locked, planned, means.means)
    groups = [
        wheel_modules(
            wheel.digest,
            wheel.filename,
            lambda wheel=wheel: blobs.of(wheel),  # type: ignore[misc]  # a default binds the loop's value
            target=planned.target,
            layout=layout,
            allow_bad_record=wheel.name in means.means.allow_bad_record,
        )
        for wheel in planned.wheels
    ]
    store = means.means.store
    application, own_notes = compiled_application(
        store, application, interpreter, target=planned.target, layout=layout, jobs=jobs
    )
    if not groups:
        return [], application, own_notes
    name = bytecode_name(interpreter, groups)
    known = known_layer(means, name)
    if known is not None:
        return [known], application, own_notes
    layer, notes = bytecode_layer(store, name, interpreter, groups, jobs=jobs)
    return [layer], application, (*notes, *own_notes)


class _Blobs:
    """The files of the wheels, all fetched when the first is asked for."""

    def __init__(self, locked: Locked, planned: PlannedPlatform, means: Means) -> None:
        self._locked = locked
        self._planned = planned
        self._means = means
        self._found: dict[str, Path] = {}

    def of(self, wheel: ChosenWheel) -> Path:
        if not self._found:
            files = fetched_wheels(
                self._locked, self._planned.target, self._planned.wheels, self._means, lambda file: file
            )
            self._found = {str(file.digest): file.blob for file in files}
        return self._found[str(wheel.digest)]
