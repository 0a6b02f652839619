"""From selections to wheels in hand, with real wheels on loopback and every means handed in."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.cli.sdists import native_sdist, pure_sdist
from tests.cli.world import ARM, MUSL, WINDOWS, stock
from tests.support.index import LoopbackIndex

from crossdock.digest import Digest
from crossdock.errors import LockError
from crossdock.lock.pylock import read_lock
from crossdock.lock.select import select
from crossdock.net.http import Http, HttpSettings
from crossdock.pipeline import Means, gather, sdist_is_pure
from crossdock.store import Store
from crossdock.target.names import parse_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossdock.lock.model import Lock


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    files = tmp_path / "files"
    files.mkdir()
    stock(files)
    with LoopbackIndex(files) as served:
        yield served


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Means]:
    def fail(*_words: object) -> None:
        pytest.fail("nothing is built here")

    store = Store.open(tmp_path / "store", warn=fail)
    with closing(store):
        yield Means(
            store=store,
            http=lambda: Http(HttpSettings()),
            tools=lambda: pytest.fail("nothing is built here"),
            python_for=lambda _version: sys.executable,
            reporter=lambda: None,
            warn=lambda _text: None,
        )


def lock_of(index: LoopbackIndex, *names: str, sdists: bool = False) -> Lock:
    """A lock of all wheels of these packages' newest versions, or of their source distributions."""
    lines = ['lock-version = "1.0"', 'created-by = "tests"']
    for name in names:
        paths = index.files(name)
        newest = paths[-1].name.split("-")[1].removesuffix(".tar.gz")
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{newest}"']
        for path in paths:
            if f"-{newest}" not in path.name or path.name.endswith(".gz") is not sdists:
                continue
            digest = Digest.of(path.read_bytes()).hex
            url = json.dumps(f"{index.origin}/files/{path.name}")
            key = "sdist" if sdists else "[packages.wheels]"
            header = "[packages.sdist]" if key == "sdist" else "[[packages.wheels]]"
            lines += [header, f"url = {url}", f'hashes = {{sha256 = "{digest}"}}']
    return read_lock("\n".join(lines).encode(), filename="pylock.toml")


def test_each_file_is_fetched_once_for_all_targets(index: LoopbackIndex, means: Means) -> None:
    lock = lock_of(index, "app", "lib")
    targets = [parse_target(name) for name in (ARM, MUSL, WINDOWS)]
    gathered = gather(lock, [select(lock, target) for target in targets], means)
    assert [one.target for one in gathered] == targets
    assert [[wheel.name for wheel in one.wheels] for one in gathered] == [["app", "lib"]] * 3
    assert all(one.findings == () for one in gathered)
    fetched = [path for path in index.paths() if path.startswith("/files/")]
    assert len(fetched) == len(set(fetched)) == 4


def test_the_second_time_nothing_is_fetched(index: LoopbackIndex, means: Means) -> None:
    lock = lock_of(index, "app", "lib")
    selections = [select(lock, parse_target(ARM))]
    first = gather(lock, selections, means)
    before = len(index.requests)
    assert gather(lock, selections, means) == first
    assert len(index.requests) == before


def test_a_package_without_a_fitting_file_stops_before_the_first_download(
    index: LoopbackIndex, means: Means
) -> None:
    lock = lock_of(index, "app", "lib")
    with pytest.raises(LockError):
        gather(lock, [select(lock, parse_target("cp312-macos-arm64"))], means)
    assert index.requests == []


def test_purity_of_a_source_distribution_is_told_from_its_content_and_remembered(
    index: LoopbackIndex, means: Means
) -> None:
    pure_sdist(index.directory, "pure")
    native_sdist(index.directory, "hard")
    lock = lock_of(index, "hard", "pure", sdists=True)
    answers = {package.name: sdist_is_pure(lock, package, means) for package in lock.packages}
    assert answers == {"hard": False, "pure": True}
    before = len(index.requests)
    assert [sdist_is_pure(lock, package, means) for package in lock.packages] == [False, True]
    assert len(index.requests) == before
