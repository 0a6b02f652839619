"""`--prefer-wheels` against an index on loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import linux, macos
from tests.support.index import LoopbackIndex
from tests.support.wheels import make_sdist, make_wheel

from crossdock.errors import LockError
from crossdock.lock.prefer import Preferred, prefer_wheels
from crossdock.lock.resolve import ResolveOptions, resolve
from crossdock.lock.source import find_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARM = "cp312-cp312-manylinux_2_17_aarch64"
ARM_NEW = "cp312-cp312-manylinux_2_39_aarch64"
MAC = "cp312-cp312-macosx_11_0_arm64"
TARGETS = [linux(), macos()]


@dataclass(frozen=True)
class Listed:
    filename: str
    requires_python: str | None = None
    yanked: bool | str = False


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    files = tmp_path / "index"
    files.mkdir()
    with LoopbackIndex(files) as served:
        yield served


def prefer(index: LoopbackIndex, tmp_path: Path, *words: str) -> Preferred:
    source = find_source(words, directory=tmp_path)
    environ = index.uv_environ(tmp_path / "cache")
    return prefer_wheels(
        lambda options: resolve(source, TARGETS, environ=environ, options=options),
        ResolveOptions(),
        TARGETS,
        lambda name: [Listed(path.name) for path in index.files(name)],
    )


def versions(preferred: Preferred) -> dict[str, str | None]:
    return {package.name: package.version for package in preferred.resolved.lock.packages}


def add(index: LoopbackIndex, name: str, version: str, *tags: str, requires: tuple[str, ...] = ()) -> None:
    for tag in tags:
        make_wheel(index.directory, name, version, tag, requires=requires)
    make_sdist(index.directory, name, version, files={"setup.py": ""}, requires=requires)


def test_newest_version_with_wheels_for_all_targets(index: LoopbackIndex, tmp_path: Path) -> None:
    add(index, "numpy", "3.0", ARM_NEW, MAC)
    add(index, "numpy", "2.5", ARM)
    add(index, "numpy", "2.0", ARM, MAC)
    add(index, "lxml", "5.0", MAC)
    add(index, "lxml", "4.0", ARM, MAC)
    preferred = prefer(index, tmp_path, "numpy", "lxml")
    assert versions(preferred) == {"numpy": "2.0", "lxml": "4.0"}
    assert preferred.bounds == ("lxml<=4.0", "numpy<=2.0")
    assert preferred.notes == ()


def test_older_version_may_need_another_package(index: LoopbackIndex, tmp_path: Path) -> None:
    add(index, "app", "2.0", MAC)
    add(index, "app", "1.0", ARM, MAC, requires=("core",))
    add(index, "core", "2.0", MAC)
    add(index, "core", "1.0", ARM, MAC)
    assert versions(prefer(index, tmp_path, "app")) == {"app": "1.0", "core": "1.0"}


def test_what_cannot_be_had_is_noted(index: LoopbackIndex, tmp_path: Path) -> None:
    add(index, "held", "2.0", MAC)
    add(index, "held", "1.0", ARM, MAC)
    add(index, "macly", "1.0", MAC)
    add(index, "good", "2.0", MAC)
    add(index, "good", "1.0", ARM, MAC)
    preferred = prefer(index, tmp_path, "held>=2", "macly", "good")
    assert versions(preferred) == {"held": "2.0", "macly": "1.0", "good": "1.0"}
    assert [note.split(" ", 1)[0] for note in preferred.notes] == ["`held`", "`macly`"]
    assert "rule it out" in preferred.notes[0]


def test_nothing_to_prefer_is_one_resolution(index: LoopbackIndex, tmp_path: Path) -> None:
    add(index, "numpy", "1.0", ARM, MAC)
    preferred = prefer(index, tmp_path, "numpy")
    assert (preferred.bounds, preferred.notes) == ((), ())


def test_other_failures_are_not_swallowed(index: LoopbackIndex, tmp_path: Path) -> None:
    add(index, "numpy", "2.0", MAC)
    add(index, "numpy", "1.0", ARM, MAC)
    source = find_source(["numpy"], directory=tmp_path)
    environ = index.uv_environ(tmp_path / "cache")

    def flaky(options: ResolveOptions) -> object:
        if options.constraints:
            raise LockError("disk", code="E-LOCK-WRITE")
        return resolve(source, TARGETS, environ=environ, options=options)

    with pytest.raises(LockError, match="disk"):
        prefer_wheels(
            flaky,  # type: ignore[arg-type]
            ResolveOptions(),
            TARGETS,
            lambda name: [Listed(path.name) for path in index.files(name)],
        )
