"""The store keeps what it was given, notices what changed, and never hands out anything else."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.digest import Digest
from crossdock.errors import FetchError, StoreError
from crossdock.store import Store, default_root
from crossdock.store.blobs import stamp_path
from crossdock.store.sealed import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"some bytes" * 5000
DIGEST = Digest.of(BODY)


def refuse(message: str) -> None:
    pytest.fail(message)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "deep" / "store", warn=refuse)
    yield opened
    opened.close()


def leftovers(store: Store) -> list[str]:
    return [path.name for folder in ("tmp", "partial", "locks") for path in (store.root / folder).iterdir()]


# Blobs


def test_a_blob_is_kept_read_only_and_found_again(store: Store) -> None:
    path = store.ingest(DIGEST, [BODY[:100], BODY[100:]], len(BODY))
    assert path.read_bytes() == BODY
    assert path.stat().st_mode & 0o222 == 0
    assert store.blob(DIGEST) == path
    assert Store.open(store.root, warn=refuse).blob(DIGEST) == path
    assert leftovers(store) == []


def test_an_unknown_blob_is_none(store: Store) -> None:
    assert store.blob(DIGEST) is None


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_other_algorithms_have_their_own_place(store: Store, algorithm: str) -> None:
    digest = Digest.of(BODY, algorithm)
    assert store.ingest(digest, [BODY]).read_bytes() == BODY
    assert store.blob(DIGEST) is None


@pytest.mark.parametrize(
    ("chunks", "size", "message"),
    [
        ([b"other"], None, "hash mismatch"),
        ([BODY], len(BODY) + 1, f"short: {len(BODY)} of {len(BODY) + 1} bytes"),
        ([BODY], len(BODY) - 1, f"too long: more than {len(BODY) - 1} bytes"),
    ],
)
def test_other_bytes_are_refused_and_leave_nothing(
    store: Store, chunks: list[bytes], size: int | None, message: str
) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        store.ingest(DIGEST, chunks, size)
    assert caught.value.code == "E-STORE-HASH"
    assert leftovers(store) == []
    assert store.blob(DIGEST) is None


def test_reading_stops_past_the_size(store: Store) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield bytes(1000)

    with pytest.raises(StoreError, match="too long"):
        store.ingest(DIGEST, endless(), 5000)
    assert len(taken) == 6


def test_a_source_that_fails_leaves_nothing(store: Store) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"some"
        raise FetchError("gone")

    with pytest.raises(FetchError, match="gone"):
        store.ingest(DIGEST, breaks())
    assert leftovers(store) == []


DAMAGE = {
    "flipped": lambda path: path.write_bytes(b"X" + BODY[1:]),
    "truncated": lambda path: path.write_bytes(BODY[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(BODY + b"x"),
    "replaced": lambda path: (path.unlink(), path.write_bytes(b"X" + BODY[1:])),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_bit_rot_is_noticed_and_healed_by_the_next_download(store: Store, damage: Any) -> None:
    path = store.ingest(DIGEST, [BODY])
    time.sleep(0.02)  # a clock tick: the fast path goes by the modification time
    path.chmod(0o644)
    damage(path)
    assert store.blob(DIGEST) is None
    assert not path.exists()
    assert not stamp_path(path).exists()
    assert store.ingest(DIGEST, [BODY]).read_bytes() == BODY


@pytest.mark.parametrize("stamp", [None, b"", b"1 2 3\n", b"garbage" * 100])
def test_a_missing_or_wrong_stamp_costs_one_hashing(store: Store, stamp: bytes | None) -> None:
    path = store.ingest(DIGEST, [BODY])
    good = stamp_path(path).read_bytes()
    if stamp is None:
        stamp_path(path).unlink()
    else:
        stamp_path(path).write_bytes(stamp)
    assert store.blob(DIGEST) == path
    assert stamp_path(path).read_bytes() == good


def test_a_moved_store_still_works(store: Store, tmp_path: Path) -> None:
    import shutil

    store.ingest(DIGEST, [BODY])
    store.put_fact("kind", "key", [1])
    shutil.copytree(store.root, tmp_path / "copy")
    copy = Store.open(tmp_path / "copy", warn=refuse)
    found = copy.blob(DIGEST)
    assert found is not None
    assert found.read_bytes() == BODY
    assert copy.get_fact("kind", "key") == [1]


def test_a_partial_is_whole_only_after_its_hash(store: Store) -> None:
    with store.partial(DIGEST) as partial:
        partial.start('"v"')
        partial.append(b"wrong")
        with pytest.raises(FetchError, match="hash mismatch") as caught:
            partial.commit()
        assert caught.value.code == "E-FETCH-HASH"
        assert partial.offset == 0
    assert leftovers(store) == []
    assert store.blob(DIGEST) is None


def test_a_partial_without_a_validator_is_not_kept(store: Store) -> None:
    with store.partial(DIGEST) as partial:
        partial.start(None)
        partial.append(BODY[:10])
    assert leftovers(store) == []


def test_a_partial_with_a_validator_is_continued(store: Store) -> None:
    with store.partial(DIGEST) as partial:
        partial.start('"v"')
        partial.append(BODY[:10])
    with store.partial(DIGEST) as partial:
        assert (partial.offset, partial.validator) == (10, '"v"')
        partial.append(BODY[10:])
        assert partial.commit().read_bytes() == BODY
    assert leftovers(store) == []
    with store.partial(DIGEST) as partial:
        assert partial.done == store.blob(DIGEST)


def test_a_waiter_can_be_cancelled(store: Store) -> None:
    with store.partial(DIGEST), pytest.raises(StoreError) as caught:
        store.partial(DIGEST, cancelled=lambda: True).__enter__()
    assert caught.value.code == "E-STORE-CANCELLED"


# Facts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(value=JSON)
def test_sealed_values_come_back(value: Any) -> None:
    assert unseal(seal(value)) == value


@given(value=JSON, data=st.data())
def test_any_change_of_a_sealed_value_is_noticed(value: Any, data: st.DataObject) -> None:
    sealed = bytearray(seal(value))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    assert unseal(bytes(sealed)) is None
    assert unseal(bytes(sealed[:place])) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(key=st.text(), value=JSON)
def test_facts_by_any_key(store: Store, key: str, value: Any) -> None:
    store.put_fact("kind", key, value)
    assert store.get_fact("kind", key) == value
    assert store.get_fact("other", key) is None
    # One store serves all examples: another one may have used any key of its own.
    assert store.get_fact("kind", f"never used {key}") is None


def test_a_fact_under_another_facts_name_is_none(store: Store) -> None:
    store.put_fact("kind", "a", 1)
    store.put_fact("kind", "b", 2)
    one, two = sorted((store.root / "facts" / "kind").rglob("*.json"))
    two.write_bytes(one.read_bytes())
    values = [store.get_fact("kind", "a"), store.get_fact("kind", "b")]
    assert values in ([1, None], [None, 2])


@pytest.mark.parametrize("kind", ["", "..", "a/b", "A", "x" * 65, "-", "a\n"])
def test_a_kind_is_a_plain_name(store: Store, kind: str) -> None:
    with pytest.raises(StoreError) as caught:
        store.put_fact(kind, "key", 1)
    assert caught.value.code == "E-STORE-KIND"
    with pytest.raises(StoreError):
        store.tree(kind, "key", lambda _path: None)


# Trees


def fill(path: Path) -> None:
    (path / "sub").mkdir()
    (path / "sub" / "file").write_bytes(BODY)


def forbidden(path: Path) -> None:
    pytest.fail("made again")


def test_a_tree_is_made_once(store: Store) -> None:
    path = store.tree("kind", "key", fill)
    assert (path / "sub" / "file").read_bytes() == BODY
    assert store.tree("kind", "key", forbidden) == path
    assert store.tree("kind", "other", fill) != path
    assert leftovers(store) == []


def test_a_tree_that_fails_leaves_nothing(store: Store) -> None:
    def breaks(path: Path) -> None:
        fill(path)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.tree("kind", "key", breaks)
    assert leftovers(store) == []
    assert store.tree("kind", "key", fill).is_dir()


def test_an_io_error_in_a_tree_names_the_path(store: Store) -> None:
    def make(path: Path) -> None:
        (path / "sub" / "file").write_bytes(b"")

    with pytest.raises(StoreError, match=r"cannot write `.*sub/file`: no such file"):
        store.tree("kind", "key", make)
    assert leftovers(store) == []


def reopened(store: Store, boot: str | None) -> Store:
    return Store.open(store.root, warn=refuse, boot=lambda: boot)


def test_a_tree_is_proven_once_in_each_boot(store: Store) -> None:
    proofs: list[Path] = []

    def prove(path: Path) -> bool:
        proofs.append(path)
        return (path / "sub" / "file").read_bytes() == BODY

    first = reopened(store, "boot 1")
    path = first.tree("kind", "key", fill, prove=prove)
    first.tree("kind", "key", forbidden, prove=prove)
    assert proofs == []
    second = reopened(store, "boot 2")
    for _ in range(3):
        assert second.tree("kind", "key", forbidden, prove=prove) == path
    assert proofs == [path]


def test_a_tree_that_fails_its_proof_is_made_again(store: Store) -> None:
    path = reopened(store, "boot 1").tree("kind", "key", fill)
    (path / "sub" / "file").write_bytes(b"")  # what a power cut leaves
    second = reopened(store, "boot 2")
    again = second.tree("kind", "key", fill, prove=lambda path: bool((path / "sub" / "file").read_bytes()))
    assert (again / "sub" / "file").read_bytes() == BODY
    assert leftovers(store) == []


def test_a_tree_that_nobody_can_prove_is_made_again_after_a_boot(store: Store) -> None:
    path = reopened(store, "boot 1").tree("kind", "key", fill)
    (path / "sub" / "file").write_bytes(b"")
    assert (reopened(store, "boot 2").tree("kind", "key", fill) / "sub" / "file").read_bytes() == BODY


def test_without_a_boot_identity_trees_are_synced_and_trusted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    reopened(store, None).tree("kind", "key", fill)
    assert len(synced) >= 4  # the file, its directory, the root, and the name of the root
    reopened(store, None).tree("kind", "key", forbidden)
    reopened(store, "boot 1").tree("kind", "key", forbidden)


@pytest.mark.parametrize("stamp", [None, b"", b"garbage", seal(["other key", "boot 1"]), seal("x")])
def test_a_tree_without_a_good_stamp_is_made_again(store: Store, stamp: bytes | None) -> None:
    one = reopened(store, "boot 1")
    path = one.tree("kind", "key", fill)
    file = path.with_name(path.name + ".json")
    if stamp is None:
        file.unlink()
    else:
        file.write_bytes(stamp)
    (path / "sub" / "file").write_bytes(b"half")
    assert (one.tree("kind", "key", fill) / "sub" / "file").read_bytes() == BODY


def test_a_tree_with_read_only_folders_can_be_replaced(store: Store) -> None:
    def strict(path: Path) -> None:
        fill(path)
        (path / "sub").chmod(0o555)

    store.tree("kind", "key", strict)
    reopened(store, "another boot").tree("kind", "key", strict)
    assert leftovers(store) == []


# Locks


def test_a_lock_excludes_threads_and_leaves_no_file(store: Store) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with store.locked("name"):
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert leftovers(store) == []


HOLD = """
import sys, time
from pathlib import Path
from crossdock.store import Store
with Store.open(Path(sys.argv[1]), warn=print).locked("name"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_dies_with_its_process(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(store.root)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not store.locked("name").try_enter()
        holder.kill()
    began = time.monotonic()
    with store.locked("name"):
        assert time.monotonic() - began < 60


def _count(root: str, counter: str, barrier: Any) -> None:
    store = Store.open(Path(root), warn=refuse)
    barrier.wait()

    def make(path: Path) -> None:
        with Path(counter).open("a") as file:
            file.write("made\n")
        time.sleep(0.05)
        fill(path)

    path = store.tree("kind", "key", make)
    assert (path / "sub" / "file").read_bytes() == BODY
    store.ingest(DIGEST, [BODY])
    store.put_fact("kind", "key", {"pid": os.getpid()})
    assert store.blob(DIGEST) is not None


def test_eight_processes_make_one_tree(store: Store, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(8)
    counter = str(tmp_path / "count")
    workers = [context.Process(target=_count, args=(str(store.root), counter, barrier)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert Path(counter).read_text() == "made\n"
    assert store.get_fact("kind", "key") is not None
    assert leftovers(store) == []


# Places


@pytest.mark.parametrize(
    ("environ", "platform", "want"),
    [
        ({"CROSSDOCK_STORE": "/x", "HOME": "/h"}, "linux", "/x"),
        ({"HOME": "/h"}, "linux", "/h/.cache/crossdock"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "linux", "/c/crossdock"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "linux", "/h/.cache/crossdock"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/crossdock"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/crossdock/store"),
        ({}, "linux", None),
        ({}, "darwin", None),
        ({}, "win32", None),
        ({"HOME": ""}, "linux", None),
    ],
)
def test_the_default_place(environ: dict[str, str], platform: str, want: str | None) -> None:
    found = default_root(environ, platform=platform)
    assert (None if found is None else found.as_posix()) == want


def test_importing_the_store_loads_nothing_heavy() -> None:
    code = (
        "import sys; import crossdock.store, crossdock.net.fetch;"
        "print([name for name in ('urllib3', 'ssl', 'tempfile', 'logging', 'shutil', 'subprocess', 'json',"
        " 'socket', 'http.client', 'email', 'urllib.request') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Housekeeping


def aged(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_info_counts_what_is_there(store: Store) -> None:
    store.ingest(DIGEST, [BODY])
    store.put_fact("kind", "key", 1)
    store.tree("kind", "key", fill)
    with store.partial(Digest.of(b"x")) as partial:
        partial.start('"v"')
        partial.append(b"abc")
    info = store.info()
    assert (info.blobs, info.blob_bytes) == (1, len(BODY))
    assert (info.trees, info.tree_bytes) == (1, len(BODY))
    assert (info.facts, info.partials, info.partial_bytes) == (1, 1, 3)


def test_verify_finds_and_heals_what_is_damaged(store: Store) -> None:
    good = store.ingest(Digest.of(b"good"), [b"good"])
    bad = store.ingest(DIGEST, [BODY])
    store.put_fact("kind", "good", 1)
    store.put_fact("kind", "bad", 2)
    tree = store.tree("kind", "key", fill)
    assert store.verify().damaged == ()

    status = bad.stat()
    bad.chmod(0o644)
    bad.write_bytes(b"X" + BODY[1:])
    os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))  # rot does not change the date
    (fact,) = (
        p for p in (store.root / "facts").rglob("*.json") if unseal(p.read_bytes()) == ["kind", "bad", 2]
    )
    fact.write_bytes(fact.read_bytes()[:-3])
    (tree / "sub" / "file").write_bytes(b"")

    def prover(key: str, path: Path) -> bool:
        assert key == "key"
        return (path / "sub" / "file").read_bytes() == BODY

    report = store.verify(provers={"kind": prover})
    assert len(report.damaged) == 3
    assert not report.healed
    assert bad.exists()
    healed = store.verify(heal=True, provers={"kind": prover})
    assert healed.damaged == report.damaged
    assert healed.healed
    assert store.blob(DIGEST) is None
    assert good.exists()
    assert not tree.exists()
    assert store.verify(provers={"kind": prover}).damaged == ()


def test_prune_removes_by_age(store: Store) -> None:
    old = store.ingest(DIGEST, [BODY])
    new = store.ingest(Digest.of(b"new"), [b"new"])
    aged(stamp_path(old), 1000)
    pruned = store.prune(older_than=500)
    assert (pruned.removed, pruned.freed, pruned.busy) == (1, len(BODY), False)
    assert not old.exists()
    assert new.exists()


def test_prune_removes_the_longest_unused_down_to_a_size(store: Store) -> None:
    paths = []
    for number in range(4):
        data = bytes([number]) * 1000
        path = store.ingest(Digest.of(data), [data])
        aged(stamp_path(path), 1000 - number)
        paths.append(path)
    pruned = store.prune(max_size=2500)
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert pruned.kept_bytes == 2000


def test_using_a_blob_keeps_it_from_being_pruned(store: Store) -> None:
    path = store.ingest(DIGEST, [BODY])
    aged(stamp_path(path), 10 * 24 * 3600)
    assert store.blob(DIGEST) == path
    assert store.prune(older_than=3600).removed == 0


def test_prune_beside_another_process_takes_only_what_is_old(store: Store) -> None:
    ancient = store.ingest(DIGEST, [BODY])
    recent = store.ingest(Digest.of(b"recent"), [b"recent"])
    with subprocess.Popen([sys.executable, "-c", HOLD, str(store.root)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        aged(stamp_path(ancient), 3 * 24 * 3600)
        aged(stamp_path(recent), 3 * 3600)
        pruned = store.prune(older_than=0)
        other.kill()
    assert pruned.busy
    assert not ancient.exists()
    assert recent.exists()
    assert store.prune(older_than=0).removed == 1


def test_prune_leaves_what_somebody_is_at_work_on(store: Store) -> None:
    with store.partial(DIGEST) as partial:
        partial.start('"v"')
        partial.append(BODY)
        assert store.prune(older_than=0).removed == 0
        partial.commit()
    assert store.blob(DIGEST) is not None


def test_prune_sweeps_what_killed_processes_left(store: Store) -> None:
    (store.root / "tmp" / "small-dead").write_bytes(b"x")
    (store.root / "tmp" / "tree-kind-dead").mkdir()
    store.prune()
    assert leftovers(store) == []
