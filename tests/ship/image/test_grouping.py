"""Which wheels share a layer: a change of one moves no other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import UsageError
from crossdock.ship.image.grouping import BUCKETS, LARGE, OTHERS, Group, bucket_of, group_wheels


@dataclass(frozen=True)
class Wheel:
    name: str
    size: int
    version: str = "1.0"


SMALL = [Wheel(f"small-{number}", 1000 + number) for number in range(40)]
BIG = [Wheel(f"big-{number}", LARGE + number) for number in range(5)]


def groups(wheels: list[Wheel], most: int = 60, below: int = 4) -> list[Group[Wheel]]:
    return group_wheels(wheels, layers_below=below, most=most)


def test_large_wheels_are_alone_and_small_ones_in_buckets() -> None:
    found = groups([*SMALL, *BIG])
    assert [group.title for group in found[:5]] == [f"big-{number} 1.0" for number in range(5)]
    assert all(wheel.size < LARGE for group in found[5:] for wheel in group.wheels)
    assert len(found[5:]) <= BUCKETS
    for group in found[5:]:
        assert len({bucket_of(wheel.name) for wheel in group.wheels}) == 1
        assert list(group.wheels) == sorted(group.wheels, key=lambda wheel: wheel.name)


def test_exactly_the_limit_is_large() -> None:
    assert len(groups([Wheel("a", LARGE), Wheel("b", LARGE - 1)])) == 2
    assert [bucket_of(name) for name in ("numpy", "requests", "attrs", "six")] == BUCKETS_OF_NAMES


#: These decide which layers change between two releases of ours: they never move.
BUCKETS_OF_NAMES = [2, 6, 0, 6]

WHEELS = st.dictionaries(
    st.text("abc", min_size=1, max_size=4), st.sampled_from([10, LARGE - 1, LARGE, LARGE + 5]), min_size=1
).map(lambda sizes: [Wheel(name, size) for name, size in sizes.items()])


@given(WHEELS, st.data())
def test_a_bump_changes_one_group_only(wheels: list[Wheel], data: st.DataObject) -> None:
    bumped = data.draw(st.sampled_from(wheels))
    after = [replace(wheel, version="2.0") if wheel is bumped else wheel for wheel in wheels]
    old, new = ({group.wheels for group in groups(each)} for each in (wheels, after))
    assert len(old - new) == len(new - old) == 1


@given(WHEELS, st.sampled_from([10, LARGE]))
def test_a_new_wheel_moves_no_neighbour(wheels: list[Wheel], size: int) -> None:
    old = {group.wheels for group in groups(wheels, most=100)}
    new = {group.wheels for group in groups([*wheels, Wheel("new", size)], most=100)}
    gone, come = old - new, new - old
    assert len(gone) <= 1
    assert len(come) == 1
    assert {wheel for group in come for wheel in group} - {wheel for group in gone for wheel in group} == {
        Wheel("new", size)
    }


@given(WHEELS, st.randoms())
def test_every_wheel_is_in_one_group_whatever_the_order(wheels: list[Wheel], shuffler: object) -> None:
    expected = groups(wheels, most=100)
    mixed = list(wheels)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    assert groups(mixed, most=100) == expected
    assert sorted(wheel.name for group in expected for wheel in group.wheels) == sorted(
        w.name for w in wheels
    )


@given(st.integers(0, 120), st.integers(0, 40))
def test_the_limit_is_kept(large: int, below: int) -> None:
    wheels = [*SMALL, *(Wheel(f"big-{number:03}", LARGE + number) for number in range(large))]
    found = groups(wheels, most=60, below=below)
    assert below + len(found) + OTHERS <= 60
    alone = [
        group.wheels[0].size for group in found if len(group.wheels) == 1 and group.wheels[0].size >= LARGE
    ]
    # The largest stay alone.
    if alone and len(found) < large:
        assert max(alone) == LARGE + large - 1


def test_a_base_that_leaves_no_room_is_refused() -> None:
    groups(SMALL, most=60, below=60 - OTHERS - BUCKETS)
    with pytest.raises(UsageError) as caught:
        groups(SMALL, most=60, below=60 - OTHERS - BUCKETS + 1)
    assert caught.value.code == "E-IMAGE-LAYERS"
    assert "--max-layers 61" in (caught.value.hint or "")
