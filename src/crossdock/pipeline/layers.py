"""The layers of wheels: from the store, from the previous image, or transcoded from wheels as they arrive."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.ship.image.grouping import Group, group_wheels
from crossdock.ship.image.kept_layers import LayerName, find_records, make_wheel_layer
from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.wheel_layer import KeyPart, WheelSource, wheel_layer_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from crossdock.lock.select import Choice
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.hands import Means, WheelFile, WheelKey
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.image.kept_layers import RecordedLayer
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.records import WheelRecord
    from crossdock.target.model import Target

#: Layers written at once. Inflating and hashing leave the interpreter, so as many gain as there are cores, and more
#: only get into each other's way.
_WRITERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer of wheels that an image needs: its name, known from the lock, and what goes into it."""

    name: LayerName
    group: Group[ChosenWheel]
    target: Target


def plan_layers(
    wheels: Sequence[ChosenWheel],
    *,
    target: Target,
    layout: ImageLayout,
    layers_below: int,
    most: int,
    allow_bad_record: Collection[str] = (),
) -> list[PlannedLayer]:
    """Return the layers that the wheels of one platform lie in, the lowest first.

    `allow_bad_record` are the packages (normalized) whose RECORD may be wrong.
    """
    planned = []
    for group in group_wheels(wheels, layers_below=layers_below, most=most):
        parts = [
            KeyPart(wheel.digest, wheel.filename, wheel.direct_url, wheel.name in allow_bad_record)
            for wheel in group.wheels
        ]
        key = wheel_layer_key(parts, target=target, layout=layout)
        name = LayerName(key=key, kind=LayerKind.WHEELS, title=group.title)
        planned.append(PlannedLayer(name=name, group=group, target=target))
    return planned


@dataclass(slots=True)
class _Waiting:
    """A layer some of whose wheels are on their way."""

    planned: PlannedLayer
    wheels: dict[WheelKey, ChosenWheel]
    missing: set[WheelKey]
    files: dict[WheelKey, WheelFile] = field(default_factory=dict)


def find_layers(
    planned: Sequence[PlannedLayer],
    means: Means,
    *,
    previous: Callable[[Collection[str]], Mapping[str, RecordedLayer]],
) -> dict[str, RecordedLayer]:
    """Return by key what need not be made: what the store has, then what the previous image has.

    A layer of the previous image whose records speak of other wheels than the lock counts as absent.
    """
    found: dict[str, RecordedLayer] = {}
    names = {one.name.key: one.name for one in planned}
    for key, name in names.items():
        known = find_records(means.store, name)
        if known is not None:
            found[key] = known
    missing = [key for key in names if key not in found]
    if not missing:
        return found
    wanted = {one.name.key: _identities(one.group.wheels) for one in planned}
    told = previous(missing).items()
    return {**{key: one for key, one in told if _identities(one.records) == wanted.get(key)}, **found}


def _identities(wheels: Iterable[ChosenWheel | WheelRecord]) -> list[tuple[str, str, str]]:
    return sorted((wheel.name, wheel.filename, str(wheel.digest)) for wheel in wheels)


def make_layers(
    locked: Locked,
    planned: Sequence[PlannedLayer],
    found: Mapping[str, RecordedLayer],
    means: Means,
    *,
    layout: ImageLayout,
) -> dict[str, RecordedLayer]:
    """Return every planned layer by its key; those not `found` are made, each as soon as its wheels are here.

    Raises what `Hands.prepare` raises for the first file that fails, and what a wheel is refused for.
    """
    waiting = {one.name.key: one for one in planned if one.name.key not in found}
    if not waiting:
        return dict(found)
    from crossdock.pipeline.hands import Hands, wheel_key  # a run that changes nothing fetches nothing

    choices = {
        key: [locked.choice(one.target, wheel) for wheel in one.group.wheels] for key, one in waiting.items()
    }
    wanted = {wheel_key(choice): choice for some in choices.values() for choice in some}
    layers = [_waiting(one, choices[key]) for key, one in waiting.items()]
    crew = _Crew(layers, means, layout)
    with ThreadPoolExecutor(_WRITERS) as pool, ThreadPoolExecutor(_WRITERS) as writers:
        try:
            Hands(locked.lock, means).prepare(
                wanted, pool, lambda file, key: crew.arrived(file, key, writers)
            )
            return {**found, **crew.results()}
        except BaseException:
            crew.stop()
            raise


def _waiting(planned: PlannedLayer, choices: Sequence[Choice]) -> _Waiting:
    from crossdock.pipeline.hands import wheel_key

    keys = [wheel_key(choice) for choice in choices]
    return _Waiting(planned, dict(zip(keys, planned.group.wheels, strict=True)), set(keys))


class _Crew:
    """Writes each layer when the last of its wheels has arrived."""

    def __init__(self, layers: Sequence[_Waiting], means: Means, layout: ImageLayout) -> None:
        self._means = means
        self._layout = layout
        self._lock = threading.Lock()
        self._layers = layers
        self._futures: dict[str, Future[RecordedLayer]] = {}

    def arrived(self, file: WheelFile, key: WheelKey, writers: ThreadPoolExecutor) -> None:
        """Take a wheel that several layers may wait for."""
        for layer in self._layers:
            with self._lock:
                if key not in layer.missing:
                    continue
                layer.missing.discard(key)
                layer.files[key] = file
                whole = not layer.missing
            if whole:
                self._futures[layer.planned.name.key] = writers.submit(self._write, layer)

    def results(self) -> dict[str, RecordedLayer]:
        """Return the layers by key, once all are written."""
        return {key: future.result() for key, future in self._futures.items()}

    def stop(self) -> None:
        """Begin no further layer."""
        for future in self._futures.values():
            future.cancel()

    def _write(self, layer: _Waiting) -> RecordedLayer:
        planned = layer.planned
        sources = [
            WheelSource(
                name=wheel.name,
                filename=wheel.filename,
                digest=wheel.digest,
                blob=layer.files[key].blob,
                direct_url=wheel.direct_url,
                allow_bad_record=wheel.name in self._means.allow_bad_record,
            )
            for key, wheel in layer.wheels.items()
        ]
        return make_wheel_layer(
            self._means.store, planned.name, sources, target=planned.target, layout=self._layout
        )
