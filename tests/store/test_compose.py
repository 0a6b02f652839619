"""Blobs whose digest is known only when they are written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from crossdock.digest import Digest
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crossdock.store.core import Composed

BODY = b"some bytes" * 5000
DIGEST = Digest.of(BODY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store", warn=pytest.fail)
    yield opened
    opened.close()


def leftovers(store: Store) -> list[str]:
    return [path.name for folder in ("tmp", "partial") for path in (store.root / folder).iterdir()]


def writer(*pieces: bytes) -> Callable[[Composed], Digest]:
    def write(out: Composed) -> Digest:
        hasher = hashlib.sha256()
        for piece in pieces:
            out.write(piece)
            hasher.update(piece)
        return Digest("sha256", hasher.hexdigest())

    return write


@pytest.mark.parametrize("size", [1, 7000, len(BODY)])
def test_what_is_written_in_pieces_is_kept_under_its_digest(store: Store, size: int) -> None:
    path = store.compose(writer(*(BODY[at : at + size] for at in range(0, len(BODY), size))))
    assert path.read_bytes() == BODY
    assert path.stat().st_mode & 0o222 == 0
    assert store.blob(DIGEST) == path
    assert Store.open(store.root, warn=pytest.fail).blob(DIGEST) == path
    assert leftovers(store) == []


def test_more_than_is_gathered_and_nothing_at_all_are_kept(store: Store) -> None:
    large = bytes(range(256)) * 10_000
    assert store.compose(writer(large[:3], large[3:])).read_bytes() == large
    assert store.compose(writer()).read_bytes() == b""


def test_a_blob_that_is_there_is_left_alone(store: Store) -> None:
    first = store.ingest(DIGEST, [BODY], len(BODY))
    before = first.stat()
    assert store.compose(writer(BODY)) == first
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert leftovers(store) == []


def test_a_damaged_blob_is_healed(store: Store) -> None:
    path = store.compose(writer(BODY))
    path.chmod(0o644)
    path.write_bytes(BODY[:-1])
    assert store.compose(writer(BODY)).read_bytes() == BODY
    assert store.blob(DIGEST) is not None


def test_a_writer_that_fails_leaves_nothing(store: Store) -> None:
    def fail(out: Composed) -> Digest:
        out.write(BODY)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.compose(fail)
    assert leftovers(store) == []
    assert store.blob(DIGEST) is None


def test_many_may_write_the_same_blob_at_once(store: Store) -> None:
    def once(_number: int) -> bytes:
        return Store.open(store.root, warn=pytest.fail).compose(writer(BODY)).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(once, range(24))) == {BODY}
    assert leftovers(store) == []


KILLED = """
import os, sys
from pathlib import Path
from crossdock.store import Store
store = Store.open(Path(sys.argv[1]), warn=print)
def write(out):
    out.write(b"half" * 1_000_000)
    os._exit(9)
store.compose(write)
"""


def test_a_process_that_dies_leaves_no_blob(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, store.root], check=False, timeout=60)
    assert done.returncode == 9
    assert not [path for path in (store.root / "blobs").rglob("*") if path.is_file()]
    assert store.verify().damaged == ()
    assert store.compose(writer(BODY)).read_bytes() == BODY
