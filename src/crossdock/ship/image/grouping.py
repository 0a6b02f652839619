"""Which wheels share a layer: large ones have one each, small ones lie in buckets that nothing but their name decides."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A wheel of this many bytes or more has a layer of its own: below, a layer's own overhead and the requests for
#: it weigh more than what a change saves.
LARGE = 1 << 20
#: A new release of a small package sends the others of its bucket again: with eight, an eighth of the small ones.
BUCKETS = 8
#: The environment, the application, and compiled modules.
OTHERS = 3


class Sized(Protocol):
    """A wheel as far as grouping looks at it; `name` is normalized, `size` in bytes."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


W = TypeVar("W", bound=Sized)


@dataclass(frozen=True, slots=True)
class Group(Generic[W]):
    """Wheels that share a layer, by name; `title` names it in histories and reports."""

    title: str
    wheels: tuple[W, ...]


def group_wheels(wheels: Iterable[W], *, layers_below: int, most: int) -> list[Group[W]]:
    """Return the layers that wheels lie in, large ones first, each by name.

    Of an image of at most `most` layers, `layers_below` are the base's. Where that leaves too few for every
    large wheel, the smallest of them go to the buckets. Raise `UsageError` (E-IMAGE-LAYERS) if not even the
    buckets have room.
    """
    found = sorted(wheels, key=lambda wheel: wheel.name)
    room = most - layers_below - OTHERS
    if room < BUCKETS:
        raise UsageError(
            f"a base of {layers_below} layers leaves no room for the packages in an image of at most {most}",
            code="E-IMAGE-LAYERS",
            hint=f"allow more by `--max-layers {layers_below + OTHERS + BUCKETS}`, or choose a base of fewer layers",
        )
    large = _largest([wheel for wheel in found if wheel.size >= LARGE], room - BUCKETS)
    groups = [Group(f"{wheel.name} {wheel.version}", (wheel,)) for wheel in found if id(wheel) in large]
    buckets: dict[int, list[W]] = {}
    for wheel in found:
        if id(wheel) not in large:
            buckets.setdefault(bucket_of(wheel.name), []).append(wheel)
    for number in sorted(buckets):
        inside = buckets[number]
        title = (
            f"{inside[0].name} {inside[0].version}" if len(inside) == 1 else f"{len(inside)} small packages"
        )
        groups.append(Group(title, tuple(inside)))
    return groups


def _largest(wheels: Sequence[W], count: int) -> set[int]:
    """Return the identities of the `count` largest wheels; names decide between equals."""
    ordered = sorted(wheels, key=lambda wheel: (-wheel.size, wheel.name))
    return {id(wheel) for wheel in ordered[:count]}


def bucket_of(name: str) -> int:
    """Return the bucket of a package: by its name alone, so that no version and no neighbour moves it."""
    return int(sha256(name.encode()).hexdigest()[:16], 16) % BUCKETS
