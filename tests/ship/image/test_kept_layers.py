"""Layers in the store: written once under their key, found again, healed, and never half there."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.estargz import check_layer
from tests.support.wheels import make_wheel

from crossdock.digest import Digest
from crossdock.oci import media
from crossdock.ship.image import wheel_layer
from crossdock.ship.image.annotations import KEY
from crossdock.ship.image.kept_layers import (
    LayerName,
    find_layer,
    find_records,
    known_digest,
    make_layer,
    make_wheel_layer,
)
from crossdock.ship.image.layer import LayerWriter, WrittenLayer
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.model import Layer, LayerKind, Origin, Slice
from crossdock.ship.image.wheel_layer import WheelSource
from crossdock.store import Store
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.archive.tarwrite import Sink

NAME = LayerName(key="ab" * 32, kind=LayerKind.WHEELS, title="demo 1.0")
SLICES = (Slice(name="demo", version="1.0", compressed=1, uncompressed=2, files=3),)
TARGET = Target(os=Os.LINUX, arch=Arch.AARCH64, libc=Libc(LibcKind.GLIBC, 2, 28), python=Python(minor=12))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", warn=pytest.fail)


def write(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
    layer = LayerWriter(out)
    layer.file("app/x", b"x" * 5000)
    return layer.finish(), SLICES


def never(_out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
    raise AssertionError("was written again")


def content(layer: Layer) -> bytes:
    return b"".join(layer.source.chunks())


def test_a_layer_is_written_once_and_found_again(store: Store) -> None:
    assert find_layer(store, NAME) is None
    made = make_layer(store, NAME, write)
    assert (made.origin, made.slices, made.key) == (Origin.BUILT, SLICES, NAME.key)
    assert made.descriptor.media_type == media.LAYER_GZIP
    assert made.descriptor.annotations[KEY] == NAME.key
    blob = content(made)
    check_layer(blob)
    assert (Digest.of(blob), len(blob)) == (made.descriptor.digest, made.descriptor.size)
    found = make_layer(store, NAME, never)
    assert found.origin is Origin.STORE
    assert (found.descriptor, found.diff_id, found.slices) == (made.descriptor, made.diff_id, made.slices)
    assert known_digest(store, NAME.key) == (made.descriptor.digest, made.diff_id)


def test_a_writer_that_fails_leaves_nothing(store: Store) -> None:
    def fail(out: Sink) -> tuple[WrittenLayer, tuple[Slice, ...]]:
        out.write(b"half")
        raise RuntimeError("broken wheel")

    with pytest.raises(RuntimeError):
        make_layer(store, NAME, fail)
    assert find_layer(store, NAME) is None
    assert known_digest(store, NAME.key) is None
    assert not list(store.scratch.glob("blob-*"))


def test_a_damaged_blob_is_written_again(store: Store) -> None:
    made = make_layer(store, NAME, write)
    path = store.blob(made.descriptor.digest)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(b"cut")
    assert find_layer(store, NAME) is None
    assert content(make_layer(store, NAME, write)) == content(make_layer(store, NAME, never))
    assert Digest.of(content(make_layer(store, NAME, never))) == made.descriptor.digest


@pytest.mark.parametrize(
    "fact", [None, 1, [], {}, {"digest": "x"}, {"digest": f"sha256:{'0' * 64}"}, {"digest": 5}]
)
def test_a_fact_of_another_form_is_no_layer(store: Store, fact: object) -> None:
    store.put_fact("layer", NAME.key, fact)
    assert find_layer(store, NAME) is None
    assert known_digest(store, NAME.key) is None


def wheels(directory: Path) -> list[WheelSource]:
    path = make_wheel(directory)
    digest = Digest.of(path.read_bytes())
    return [WheelSource(name="demo", filename=path.name, digest=digest, blob=path)]


def test_a_layer_of_wheels_is_found_with_its_records(store: Store, tmp_path: Path) -> None:
    made = make_wheel_layer(store, NAME, wheels(tmp_path), target=TARGET, layout=Environment("/app"))
    found = find_records(store, NAME)
    assert found is not None
    assert (found.records, found.packed) == (made.records, made.packed)
    assert found.layer.descriptor == made.layer.descriptor
    assert [record.name for record in found.records] == ["demo"]


def test_a_layer_whose_records_are_damaged_is_written_again(store: Store, tmp_path: Path) -> None:
    sources = wheels(tmp_path)
    made = make_wheel_layer(store, NAME, sources, target=TARGET, layout=Environment("/app"))
    path = store.blob(Digest.of(made.packed))
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(b"cut")
    assert find_records(store, NAME) is None
    assert (
        make_wheel_layer(store, NAME, sources, target=TARGET, layout=Environment("/app")).records
        == made.records
    )
    assert find_records(store, NAME) is not None


def test_many_that_want_one_layer_write_it_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = wheels(tmp_path)
    real, written = wheel_layer.write_wheel_layer, []
    together = threading.Barrier(4)

    def counted(*args: object, **named: object) -> object:
        written.append(1)
        return real(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(wheel_layer, "write_wheel_layer", counted)

    def make(_number: int) -> bytes:
        together.wait(timeout=60)
        own = Store.open(store.root, warn=pytest.fail)
        return content(make_wheel_layer(own, NAME, sources, target=TARGET, layout=Environment("/app")).layer)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(4)))) == 1
    assert len(written) == 1


KILLED = """
import os, sys
from pathlib import Path
from crossdock.ship.image.kept_layers import LayerName, make_layer
from crossdock.ship.image.layer import LayerWriter
from crossdock.ship.image.model import LayerKind
from crossdock.store import Store
def write(out):
    LayerWriter(out).file("app/x", os.urandom(3_000_000))
    os._exit(9)
make_layer(Store.open(Path(sys.argv[1]), warn=print), LayerName(key="ab" * 32, kind=LayerKind.WHEELS, title="x"), write)
"""


def test_a_process_that_dies_while_writing_keeps_nobody_waiting(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, store.root], check=False, timeout=60)
    assert done.returncode == 9
    assert find_layer(store, NAME) is None
    check_layer(content(make_layer(store, NAME, write)))


def test_two_processes_that_want_one_layer_write_it_once(store: Store, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from crossdock.ship.image.kept_layers import LayerName, make_layer
from crossdock.ship.image.layer import LayerWriter
from crossdock.ship.image.model import LayerKind
from crossdock.store import Store
def write(out):
    with open(sys.argv[2], "a") as file:
        file.write("written\\n")
    layer = LayerWriter(out)
    layer.file("app/x", b"x" * 5000)
    return layer.finish(), ()
store = Store.open(Path(sys.argv[1]), warn=print)
print(make_layer(store, LayerName(key="ab" * 32, kind=LayerKind.WHEELS, title="x"), write).descriptor.digest)
"""
    command = [sys.executable, "-c", program, str(store.root), str(tmp_path / "log")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {one.communicate(timeout=60)[0] for one in running}
    assert [one.returncode for one in running] == [0, 0, 0]
    assert len(said) == 1
    assert (tmp_path / "log").read_text() == "written\n"
