"""The store on a bad day: killed at any system call, full, failing, read-only, without a home, raced for."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.net.lying import Exchange, LyingServer, serve

from crossdock.digest import Digest
from crossdock.errors import StoreError
from crossdock.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"some bytes" * 30_000
DIGEST = Digest.of(BODY)

#: Writes everything that a store can hold; exit status 0: done, 3: `E-STORE-FULL`, 4: `E-STORE-IO`, each naming
#: a path of the store.
WORK = """
from pathlib import Path
from crossdock.digest import Digest
from crossdock.errors import StoreError
from crossdock.store import Store

body = b"some bytes" * 30_000
other = b"other" * 1000

def make(path):
    (path / "sub").mkdir()
    (path / "sub" / "file").write_bytes(body)

def prove(path):
    return (path / "sub" / "file").read_bytes() == body

def work(store):
    with store.partial(Digest.of(body)) as partial:
        if partial.done is None:
            if partial.offset == 0:
                partial.start('"v"')
            rest = body[partial.offset:]
            for start in range(0, len(rest), 100_000):
                partial.append(rest[start:start + 100_000])
            partial.commit()
    store.ingest(Digest.of(other), [other])
    store.put_fact("kind", "key", {"some": "fact"})
    store.tree("kind", "key", make, prove=prove)
"""

WORKER = """
import os, sys
root = Path(sys.argv[1])
warnings = []
try:
    work(Store.open(root, warn=warnings.append))
except StoreError as error:
    named = str(root) in error.message
    os._exit({"E-STORE-FULL": 3, "E-STORE-IO": 4}.get(error.code, 5) if named and error.hint else 6)
os._exit(0 if not warnings else 7)
"""

KILLED = -signal.SIGKILL
WHERE = ("write", "fsync", "rename", "mkdir", "unlink", "ftruncate", "fchmod", "flock", "rmdir")


def run(root: Path, *prefix: str) -> int:
    argv = [*prefix, sys.executable, "-B", "-c", WORK + WORKER, str(root)]
    return subprocess.run(argv, timeout=60).returncode


@pytest.fixture(scope="module")
def strace(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = shutil.which("strace")
    if program is None:
        pytest.skip("SKIPPED fault injection: the strace program is not installed (apt-get install strace)")
    probe = subprocess.run([program, "-qq", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip(f"SKIPPED fault injection: strace may not trace here: {probe.stderr.decode()[:200]}")
    return program


def injected(strace: str, rule: str) -> list[str]:
    return [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={rule}"]


def is_whole_again(root: Path) -> bool:
    """Do the work undisturbed; everything must be there, with the right bytes and nothing beside it."""
    defined: dict[str, Any] = {}
    exec(WORK, defined)
    store = Store.open(root, warn=pytest.fail)
    defined["work"](store)
    blob = store.blob(DIGEST)
    report = store.verify()
    tree = store.tree("kind", "key", lambda _path: pytest.fail("the tree was not there"))
    good = (
        blob is not None
        and blob.read_bytes() == BODY
        and (tree / "sub" / "file").read_bytes() == BODY
        and store.get_fact("kind", "key") == {"some": "fact"}
        and report.damaged == ()
        and report.blobs == 2
    )
    store.close()
    return good


@pytest.mark.parametrize("call", WHERE)
def test_killed_at_the_kth_system_call_the_next_run_succeeds(strace: str, tmp_path: Path, call: str) -> None:
    for k in range(1, 40):
        root = tmp_path / str(k)
        status = run(root, *injected(strace, f"{call}:signal=KILL:when={k}"))
        assert status in {0, KILLED, 128 + signal.SIGKILL}, (call, k)
        assert is_whole_again(root), (call, k)
        if status == 0:
            assert k > 1 or call == "rmdir", f"`{call}` is never called: the sweep tests nothing"
            return
    pytest.fail(f"more than 40 calls of `{call}`: raise the bound")


@pytest.mark.parametrize(
    ("call", "error", "status"),
    [("write", "ENOSPC", 3), ("fsync", "EIO", 4), ("rename", "ENOSPC", 3), ("mkdir", "EDQUOT", 3)],
)
def test_a_disk_that_fails_at_the_kth_call_names_the_path(
    strace: str, tmp_path: Path, call: str, error: str, status: int
) -> None:
    for k in range(1, 40):
        root = tmp_path / str(k)
        Store.open(root, warn=pytest.fail).close()
        # "k+": once full, the disk stays full.
        found = run(root, *injected(strace, f"{call}:error={error}:when={k}+"))
        assert found in {0, status}, (call, k, found)
        if found == status:
            left = [path for path in (root / "tmp").iterdir() if path.name.startswith("blob-")]
            assert left == [], (call, k)
        assert is_whole_again(root), (call, k)
        if found == 0:
            assert k > 1
            return
    pytest.fail(f"more than 40 calls of `{call}`: raise the bound")


@pytest.mark.parametrize("limit", [0, 100, 4096, 150_000, 299_999])
def test_a_file_size_limit_is_a_full_disk(tmp_path: Path, limit: int) -> None:
    root = tmp_path / "store"
    assert run(root) == 0
    shutil.rmtree(root / "blobs")
    shutil.rmtree(root / "trees")
    (root / "blobs").mkdir()
    (root / "trees").mkdir()
    argv = [sys.executable, "-B", "-c", WORK + WORKER, str(root)]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    assert subprocess.run(argv, preexec_fn=limited, timeout=60).returncode == 3
    assert [path.name for path in (root / "partial").iterdir()] == []
    assert is_whole_again(root)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode != 0:
        pytest.skip("SKIPPED the full disk: a tmpfs cannot be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_survived(small_disk: Path) -> None:
    store = Store.open(small_disk / "store", warn=pytest.fail)
    kept = store.ingest(Digest.of(b"kept"), [b"kept"])
    with pytest.raises(StoreError, match=r"cannot write `.*`: no space left on device") as caught:
        store.ingest(Digest.of(bytes(10**6)), [bytes(10**6)])
    assert caught.value.code == "E-STORE-FULL"
    assert caught.value.hint is not None
    assert "crossdock cache prune" in caught.value.hint
    body = bytes(10**6)
    with LyingServer() as server:
        from tests.net.conftest import fast

        url = server.route("/f", serve(body))
        with pytest.raises(StoreError, match="no space left"):
            fast().download(url, digest=Digest.of(body), size=len(body), store=store)

    def make(path: Path) -> None:
        (path / "f").write_bytes(body)

    with pytest.raises(StoreError, match="no space left"):
        store.tree("kind", "key", make)
    assert [path.name for name in ("tmp", "partial", "locks") for path in (store.root / name).iterdir()] == []
    assert store.blob(Digest.of(b"kept")) == kept
    assert store.verify().damaged == ()
    # There is room again for what fits.
    assert store.ingest(Digest.of(b"x" * 100_000), [b"x" * 100_000]).exists()


# Places that cannot be written


def opened(root: Path | None) -> tuple[Store, list[str]]:
    warnings: list[str] = []
    return Store.open(root, warn=warnings.append), warnings


def works(store: Store) -> None:
    assert store.ingest(DIGEST, [BODY]).read_bytes() == BODY
    store.put_fact("kind", "key", 1)
    assert store.get_fact("kind", "key") == 1
    assert store.tree("kind", "key", lambda path: path.joinpath("sub").mkdir()).is_dir()


def test_without_a_home_a_temporary_store_takes_its_place() -> None:
    store, warnings = opened(None)
    assert len(warnings) == 1
    assert "CROSSDOCK_STORE" in warnings[0]
    assert store.temporary
    works(store)
    assert store.root.stat().st_mode & 0o777 == 0o700


def test_the_temporary_store_goes_with_its_process() -> None:
    code = "from crossdock.store import Store; print(Store.open(None, warn=lambda _: None).root)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()


def test_a_path_below_a_file_is_replaced_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store, warnings = opened(tmp_path / "file" / "store")
    assert len(warnings) == 1
    assert "not a directory" in warnings[0]
    works(store)


def test_a_store_that_is_a_file_is_replaced_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    store, warnings = opened(tmp_path / "store")
    assert len(warnings) == 1
    works(store)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Yield a filled store on a read-only mount (root ignores permission bits)."""
    root = tmp_path / "store"
    store = Store.open(root, warn=pytest.fail)
    store.ingest(DIGEST, [BODY])
    store.put_fact("kind", "old", "kept")
    store.close()
    if os.geteuid() != 0:
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            folder.chmod(0o555)
        yield root
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        return
    bound = subprocess.run(["mount", "--bind", str(root), str(root)], capture_output=True)
    if bound.returncode != 0:
        pytest.skip("SKIPPED the read-only store: a bind mount is not allowed here")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(root)], check=True)
    yield root
    subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_read_only_store_is_still_read(read_only: Path) -> None:
    store, warnings = opened(read_only)
    assert len(warnings) == 1
    assert "cannot be written" in warnings[0]
    found = store.blob(DIGEST)
    assert found is not None
    assert found.is_relative_to(read_only)
    assert store.get_fact("kind", "old") == "kept"
    assert store.blob(Digest.of(b"none")) is None
    works(store)
    with store.partial(Digest.of(b"new")) as partial:
        partial.start(None)
        partial.append(b"new")
        assert partial.commit().read_bytes() == b"new"


# Many processes


DOWNLOAD = """
import sys
from pathlib import Path
from crossdock.digest import Digest
from crossdock.net.fetch import Download, fetch_all
from crossdock.net.http import Http
from crossdock.store import Store
store = Store.open(Path(sys.argv[1]), warn=print)
digest = Digest.parse(sys.argv[3])
one = Download(url=sys.argv[2], digest=digest, size=int(sys.argv[4]), name="one")
for _, path in fetch_all([one], store=store, http=Http()):
    assert Digest.of(path.read_bytes()) == digest
"""


def download(root: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", DOWNLOAD, str(root), url, str(DIGEST), str(len(BODY))])


def slowly(exchange: Exchange) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(BODY)))
    exchange.send_header("ETag", '"v"')
    exchange.end_headers()
    for start in range(0, len(BODY), 10_000):
        exchange.wfile.write(BODY[start : start + 10_000])
        time.sleep(0.05)


def test_eight_processes_download_a_file_once(tmp_path: Path) -> None:
    with LyingServer() as server:
        url = server.route("/f", slowly)
        racers = [download(tmp_path / "store", url) for _ in range(8)]
        assert [racer.wait(60) for racer in racers] == [0] * 8
        assert len(server.seen) == 1
    store = Store.open(tmp_path / "store", warn=pytest.fail)
    assert store.verify().damaged == ()
    assert list((store.root / "locks").iterdir()) == []


def test_when_the_one_that_downloads_is_killed_another_goes_on(tmp_path: Path) -> None:
    with LyingServer() as server:
        url = server.route("/f", slowly, serve(BODY, etag='"v"'))
        first = download(tmp_path / "store", url)
        while not server.seen:
            time.sleep(0.01)
        second = download(tmp_path / "store", url)
        partial = tmp_path / "store" / "partial" / f"sha256-{DIGEST.hex}"
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        first.kill()
        first.wait()
        assert second.wait(30) == 0
        assert len(server.seen) == 2
        assert server.seen[1].headers["Range"] == f"bytes={partial_size(server)}-"
    assert Store.open(tmp_path / "store", warn=pytest.fail).blob(DIGEST) is not None


def partial_size(server: LyingServer) -> int:
    return int(server.seen[1].headers["Range"][6:-1])
