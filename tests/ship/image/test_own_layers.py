"""Layers of entries in the store: found by their key, the same bytes each time, bytecode beside its sources."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.support.wheels import make_wheel

from crossdock.build.metadata import ProjectMetadata
from crossdock.digest import Digest
from crossdock.ship.bytecode import find_interpreter
from crossdock.ship.entries import made_file
from crossdock.ship.image.application import modules_application
from crossdock.ship.image.layouts import Environment
from crossdock.ship.image.model import LayerKind, Origin
from crossdock.ship.image.own_layers import (
    bytecode_layer,
    bytecode_name,
    compiled_application,
    entries_layer,
    entries_name,
    wheel_modules,
)
from crossdock.store import Store
from crossdock.target.model import Python
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.ship.image.model import Layer

HERE = parse_target(f"cp3{sys.version_info[1]}-linux-x86_64-glibc2.17")
PACKAGES = f"app/lib/python3.{sys.version_info[1]}/site-packages"
TAG = f"cpython-3{sys.version_info[1]}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "store", warn=pytest.fail)) as found:
        yield found


def names(layer: Layer) -> list[str]:
    content = gzip.decompress(b"".join(layer.source.chunks()))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            member.name
            for member in archive
            if not member.isdir() and not member.name.endswith((".landmark", "stargz.index.json"))
        ]


def test_a_layer_of_entries_is_written_once(store: Store, tmp_path: Path) -> None:
    entries = [made_file("app/src/a.py", b"1"), made_file("app/src/b.py", b"2")]
    name = entries_name(LayerKind.APPLICATION, "demo 1.0", entries, package=("demo", "1.0"))
    first = entries_layer(store, name, entries, package=("demo", "1.0"))
    again = entries_layer(store, name, [], package=("demo", "1.0"))
    assert (first.origin, again.origin) == (Origin.BUILT, Origin.STORE)
    assert (again.descriptor, again.slices) == (first.descriptor, first.slices)
    whole = first.slices[0]
    assert (whole.name, whole.files, whole.compressed) == ("demo", 2, first.descriptor.size)
    assert names(first) == ["app/src/a.py", "app/src/b.py"]
    with closing(Store.open(tmp_path / "other", warn=pytest.fail)) as other:
        assert entries_layer(other, name, entries, package=("demo", "1.0")).descriptor == first.descriptor
    # What only the descriptor tells is part of the key as well, or it would be told as it was before.
    later = entries_name(LayerKind.APPLICATION, "demo 1.0", entries, package=("demo", "1.1"))
    assert len({name.key, later.key, entries_name(LayerKind.APPLICATION, "demo 1.0", entries).key}) == 3
    changed = [*entries[:1], made_file("app/src/b.py", b"2", mode=0o755)]
    keys = {
        entries_name(kind, "", some).key
        for kind, some in (
            (LayerKind.APPLICATION, entries),
            (LayerKind.ENVIRONMENT, entries),
            (LayerKind.APPLICATION, changed),
        )
    }
    assert len(keys) == 3


def test_bytecode_of_wheels_has_a_layer_and_the_applications_lies_with_it(
    store: Store, tmp_path: Path
) -> None:
    wheel = make_wheel(
        tmp_path,
        files={
            "demo/__init__.py": "",
            "demo/bad.py": "(",
            "demo/x.txt": "",
            "demo-1.0.data/scripts/s.py": "",
        },
    )
    interpreter = find_interpreter([sys.executable], Python(minor=sys.version_info[1]))
    digest = Digest.of(wheel.read_bytes())
    asked: list[str] = []

    def blob() -> Path:
        asked.append("")
        return wheel

    groups = [wheel_modules(digest, wheel.name, blob, target=HERE, layout=Environment("/app"))]
    name = bytecode_name(interpreter, groups)
    assert not asked
    layer, notes = bytecode_layer(store, name, interpreter, groups, jobs=1)
    assert names(layer) == [f"{PACKAGES}/demo/__pycache__/__init__.{TAG}.pyc"]
    assert notes == (f"no bytecode of /{PACKAGES}/demo/bad.py: SyntaxError",)
    again, _notes = bytecode_layer(store, name, interpreter, groups, jobs=1)
    assert (again.origin, again.descriptor, len(asked)) == (Origin.STORE, layer.descriptor, 1)

    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text("x = 1\n")
    application = modules_application(source, Environment("/app"), (), metadata=ProjectMetadata()).with_added(
        [made_file("usr/src/other.py", b"")]
    )
    compiled, notes = compiled_application(
        store, application, interpreter, target=HERE, layout=Environment("/app"), jobs=1
    )
    assert [entry.path for entry in compiled.entries] == [
        f"app/src/__pycache__/main.{TAG}.pyc",
        "app/src/main.py",
        "usr/src/other.py",
    ]
    assert notes == ()
