"""From a lock to the layers of its wheels, with real wheels on loopback: each fetched once, written once, or not at all."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.cli.world import ARM
from tests.support.estargz import check_layer
from tests.support.images import make_layer
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_wheel, wheel_files, zip_bytes

from crossdock.digest import Digest
from crossdock.errors import ArchiveError, CrossdockError
from crossdock.lock.pylock import read_lock
from crossdock.lock.select import select
from crossdock.net.http import Http, HttpSettings
from crossdock.pipeline import Means
from crossdock.pipeline.chosen import choose_wheels
from crossdock.pipeline.layers import PlannedLayer, find_layers, make_layers, plan_layers
from crossdock.pipeline.locked import Locked
from crossdock.pipeline.taken_over import TakenOver
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.model import Origin
from crossdock.ship.image.records import WheelRecord, encode_records, records_blob
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from crossdock.ship.image.kept_layers import RecordedLayer

AMD = "cp312-linux-x86_64-glibc2.28"
TARGETS = [parse_target(ARM), parse_target(AMD)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    files = tmp_path / "files"
    files.mkdir()
    make_wheel(files, "pure")
    make_wheel(files, "large", files={"large/data.bin": bytes(range(256)) * 10, "large/__init__.py": ""})
    for machine in ("aarch64", "x86_64"):
        tag = f"cp312-cp312-manylinux_2_17_{machine}"
        make_wheel(files, "native", tag=tag, files={"native/__init__.py": f"MACHINE = {machine!r}\n"})
    with LoopbackIndex(files) as served:
        yield served


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Means]:
    def fail(*_words: object) -> None:
        pytest.fail("nothing is built here")

    with closing(Store.open(tmp_path / "store", warn=fail)) as store:
        yield Means(
            store=store,
            http=lambda: Http(HttpSettings()),
            tools=lambda: pytest.fail("nothing is built here"),
            python_for=lambda _version: sys.executable,
            reporter=lambda: None,
            warn=lambda _text: None,
        )


def locked_of(index: LoopbackIndex) -> Locked:
    """A lock of everything on the index; sizes are stated, so nothing needs to be fetched to plan."""
    lines = ['lock-version = "1.0"', 'created-by = "tests"']
    for name in sorted({path.name.partition("-")[0] for path in index.directory.iterdir()}):
        lines += ["[[packages]]", f'name = "{name}"', 'version = "1.0"']
        for path in index.files(name):
            data = path.read_bytes()
            url = json.dumps(f"{index.origin}/files/{path.name}")
            lines += ["[[packages.wheels]]", f"url = {url}", f"size = {len(data)}"]
            lines += [f'hashes = {{sha256 = "{Digest.of(data).hex}"}}']
    text = "\n".join(lines).encode()
    return Locked(
        targets=TARGETS,
        keys=["", ""],
        read=lambda: read_lock(text, filename="pylock.toml"),
        select=select,
    )


def planned(locked: Locked, means: Means) -> list[list[PlannedLayer]]:
    wheels = choose_wheels(locked.lock, locked.selections, means, leave_out=lambda _package: False)
    return [
        plan_layers(
            some,
            target=target,
            layout=Environment("/app"),
            layers_below=4,
            most=60,
            allow_bad_record=means.allow_bad_record,
        )
        for some, target in zip(wheels, TARGETS, strict=True)
    ]


def nothing(_keys: Collection[str]) -> dict[str, RecordedLayer]:
    return {}


def made(locked: Locked, means: Means) -> tuple[list[list[PlannedLayer]], dict[str, RecordedLayer]]:
    plans = planned(locked, means)
    everything = [one for some in plans for one in some]
    found = find_layers(everything, means, previous=nothing)
    return plans, make_layers(locked, everything, found, means, layout=Environment("/app"))


def fetched(index: LoopbackIndex) -> list[str]:
    return [path for path in index.paths() if path.startswith("/files/")]


def test_planning_fetches_nothing(index: LoopbackIndex, means: Means) -> None:
    assert all(planned(locked_of(index), means))
    assert index.paths() == []


def test_each_wheel_is_fetched_once_for_two_platforms(index: LoopbackIndex, means: Means) -> None:
    plans, layers = made(locked_of(index), means)
    assert sorted(fetched(index)) == sorted(f"/files/{path.name}" for path in index.directory.iterdir())
    assert set(layers) == {one.name.key for some in plans for one in some}
    machines = []
    for some in plans:
        names = set()
        for one in some:
            recorded = layers[one.name.key]
            assert recorded.layer.origin is Origin.BUILT
            names |= {
                name.rpartition("/")[2] for name in check_layer(b"".join(recorded.layer.source.chunks()))
            }
            machines += [record.filename for record in recorded.records if record.name == "native"]
        assert {"data.bin", "__init__.py", "METADATA"} <= names
    assert [name.rpartition("_17_")[2] for name in machines] == ["aarch64.whl", "x86_64.whl"]


def test_layers_without_native_code_are_shared(index: LoopbackIndex, means: Means) -> None:
    plans, _ = made(locked_of(index), means)
    one, other = ({layer.name.key for layer in some} for some in plans)
    assert len(one - other) == len(other - one) == 1, "what has `native` in it"


def test_the_second_time_nothing_is_fetched_or_written(index: LoopbackIndex, means: Means) -> None:
    _, first = made(locked_of(index), means)
    before = len(index.requests)
    _, again = made(locked_of(index), means)
    assert len(index.requests) == before
    assert {one.layer.origin for one in again.values()} == {Origin.STORE}
    assert {key: one.layer.descriptor for key, one in again.items()} == {
        key: one.layer.descriptor for key, one in first.items()
    }


def test_only_what_neither_store_nor_previous_image_has_is_asked_of_the_latter(
    index: LoopbackIndex, means: Means
) -> None:
    locked = locked_of(index)
    everything = [one for some in planned(locked, means) for one in some]
    asked: list[str] = []

    def previous(keys: Collection[str]) -> dict[str, RecordedLayer]:
        asked.extend(keys)
        return {}

    some = everything[:1]
    made_now = make_layers(locked, some, {}, means, layout=Environment("/app"))
    found = find_layers(everything, means, previous=previous)
    assert set(found) == set(made_now)
    assert sorted(asked) == sorted({one.name.key for one in everything} - set(found))


def test_records_of_other_wheels_than_the_locks_count_as_absent(index: LoopbackIndex, means: Means) -> None:
    locked = locked_of(index)
    plans, layers = made(locked, means)
    everything = [one for some in plans for one in some]
    keys = sorted(layers)
    with closing(Store.open(means.store.root.parent / "empty", warn=pytest.fail)) as store:
        cold = replace(means, store=store)

        def honest(_keys: Collection[str]) -> dict[str, RecordedLayer]:
            return layers

        def lying(_keys: Collection[str]) -> dict[str, RecordedLayer]:
            # Each layer under its key, with what is known of another.
            turned = zip(keys, [*keys[1:], keys[0]], strict=True)
            return {key: replace(layers[key], records=layers[other].records) for key, other in turned}

        assert find_layers(everything, cold, previous=honest) == layers
        assert find_layers(everything, cold, previous=lying) == {}


def test_a_layer_with_a_bad_record_is_found_only_by_those_who_allow_it(
    index: LoopbackIndex, means: Means
) -> None:
    members = wheel_files("pure", files={"pure/__init__.py": "x = 1\n"})
    members["pure/__init__.py"] = b"x = 2\n"
    (index.directory / "pure-1.0-py3-none-any.whl").write_bytes(zip_bytes(members))
    locked = locked_of(index)
    allowed = replace(means, allow_bad_record=frozenset({"pure"}))
    _, layers = made(locked, allowed)
    told = [text for one in layers.values() for record in one.records for text in record.problems]
    assert told, "what was wrong is told"
    with pytest.raises(ArchiveError, match="RECORD"):
        made(locked, means)
    everything = [one for some in planned(locked, means) for one in some]
    found = find_layers(everything, means, previous=lambda _keys: layers)
    with pytest.raises(ArchiveError, match="RECORD"):
        make_layers(locked, everything, found, means, layout=Environment("/app"))


def test_one_broken_wheel_stops_all_and_leaves_the_store_sound(index: LoopbackIndex, means: Means) -> None:
    members = wheel_files("pure", files={"pure/__init__.py": "x = 1\n"})
    members["pure/__init__.py"] = b"x = 2\n"
    (index.directory / "pure-1.0-py3-none-any.whl").write_bytes(zip_bytes(members))
    locked = locked_of(index)
    with pytest.raises(ArchiveError, match="RECORD"):
        made(locked, means)
    assert means.store.verify().damaged == ()
    assert not list(means.store.scratch.iterdir())
    broken = [
        one
        for some in planned(locked, means)
        for one in some
        if any(wheel.name == "pure" for wheel in one.group.wheels)
    ]
    assert find_layers(broken, means, previous=nothing) == {}


def test_a_file_that_is_not_what_the_lock_says_stops_all(index: LoopbackIndex, means: Means) -> None:
    locked = locked_of(index)
    assert len(locked.lock.packages) == 3
    with (index.directory / "pure-1.0-py3-none-any.whl").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CrossdockError):
        made(locked, means)


def test_facts_of_binaries_that_are_none_count_as_absent(means: Means) -> None:
    """They come from whoever pushed the previous image; the audit would have failed on them."""
    warned: list[str] = []
    for binary, usable in (({"format": "elf", "kind": "shared"}, True), ({"format": ["elf"]}, False)):
        record = WheelRecord(
            name="a",
            version="1",
            filename="a-1-py3-none-any.whl",
            digest=Digest.of(b"a"),
            tags=(),
            binaries=(("a.so", binary),),
        )
        taken = TakenOver(lambda: None, means.store, warned.append)
        taken.__dict__["_layers"] = {"key": make_layer("a", 1)}
        taken.__dict__["_records"] = {"key": records_blob(encode_records([record]), "key")}
        assert bool(taken.recorded(["key"])) is usable
        assert bool(warned) is not usable
