"""Many downloads at once: in the order of completion, stopped together, or not at all when offline."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.net.conftest import fast
from tests.net.lying import Exchange, LyingServer, serve, status

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.net.fetch import Download, fetch_all

if TYPE_CHECKING:
    from crossdock.store import Store


def bodies(count: int, size: int = 50_000) -> list[bytes]:
    return [random.Random(number).randbytes(size + number) for number in range(count)]


def downloads(server: LyingServer, data: list[bytes]) -> list[Download]:
    return [
        Download(
            url=server.route(f"/{number}", serve(body)),
            digest=Digest.of(body),
            size=len(body),
            name=f"file-{number}",
        )
        for number, body in enumerate(data)
    ]


class Watch:
    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.total = 0
        self._lock = threading.Lock()

    def started(self, files: int, size: int | None) -> None:
        self.events.append(("started", files, size))

    def advanced(self, count: int) -> None:
        with self._lock:
            self.total += count

    def finished(self) -> None:
        self.events.append(("finished",))


def test_all_arrive_and_the_second_time_nothing_is_asked(server: LyingServer, store: Store) -> None:
    data = bodies(30)
    wanted = downloads(server, data)
    watch = Watch()
    found = {
        item.name: path.read_bytes()
        for item, path in fetch_all(wanted, store=store, http=fast(), reporter=watch)
    }
    assert found == {f"file-{number}": body for number, body in enumerate(data)}
    size = sum(map(len, data))
    assert watch.events == [("started", 30, size), ("finished",)]
    assert watch.total == size
    assert len(server.seen) == 30
    again = Watch()
    assert len(list(fetch_all(wanted, store=store, http=fast(), reporter=again))) == 30
    assert len(server.seen) == 30
    assert again.events == []


def test_connections_are_kept_alive(server: LyingServer, store: Store) -> None:
    connections = set()
    data = bodies(20)
    wanted = downloads(server, data)

    def noted(body: bytes) -> object:
        def behave(exchange: Exchange) -> None:
            connections.add(exchange.client_address)
            serve(body)(exchange)

        return behave

    for number, body in enumerate(data):
        server.route(f"/{number}", noted(body))  # type: ignore[arg-type]
    list(fetch_all(wanted, store=store, http=fast(), jobs=4))
    assert len(connections) <= 4


def test_results_come_in_the_order_of_completion(server: LyingServer, store: Store) -> None:
    data = bodies(2)
    wanted = downloads(server, data)
    release = threading.Event()

    def late(exchange: Exchange) -> None:
        release.wait(10)
        serve(data[1])(exchange)

    server.route("/1", late)
    results = fetch_all(wanted, store=store, http=fast())
    first, _ = next(results)
    assert first.name == "file-0"
    release.set()
    assert [item.name for item, _ in results] == ["file-1"]


def test_what_the_store_has_comes_before_the_first_byte(server: LyingServer, store: Store) -> None:
    data = bodies(2)
    wanted = downloads(server, data)
    store.ingest(wanted[1].digest, [data[1]])
    server.route("/0", lambda exchange: (time.sleep(0.2), serve(data[0])(exchange))[1])  # type: ignore[func-returns-value]
    results = fetch_all(wanted, store=store, http=fast())
    assert next(results)[0].name == "file-1"
    assert next(results)[0].name == "file-0"


def test_one_file_asked_for_twice_is_fetched_once(server: LyingServer, store: Store) -> None:
    (one,) = downloads(server, bodies(1))
    twin = Download(url=one.url, digest=one.digest, size=one.size, name="twin")
    names = sorted(item.name for item, _ in fetch_all([one, twin], store=store, http=fast()))
    assert names == ["file-0", "twin"]
    assert len(server.seen) == 1


def test_the_first_failure_stops_the_others(server: LyingServer, store: Store) -> None:
    data = bodies(40)
    wanted = downloads(server, data)
    stopped = threading.Event()

    def endless(exchange: Exchange) -> None:
        exchange.answer(200, b"", {}, length=len(data[0]))
        try:
            for _ in range(600):
                exchange.wfile.write(b"x" * 10)
                time.sleep(0.02)
        except OSError:
            stopped.set()

    for number in range(39):
        server.route(f"/{number}", endless)
    server.route("/39", status(404))
    watch = Watch()
    began = time.monotonic()
    with pytest.raises(FetchError, match="404") as caught:
        list(fetch_all(wanted, store=store, http=fast(), jobs=4, reporter=watch))
    assert time.monotonic() - began < 60
    assert caught.value.places == ("file-39",)
    assert len(server.seen) <= 8
    assert watch.events[-1] == ("finished",)


def test_closing_the_iterator_stops_the_threads(server: LyingServer, store: Store) -> None:
    before = set(threading.enumerate())
    results = fetch_all(downloads(server, bodies(30)), store=store, http=fast(), jobs=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("fetch-")]
    assert len(server.seen) < 30


def test_offline_names_all_that_is_missing(server: LyingServer, store: Store) -> None:
    data = bodies(3)
    wanted = downloads(server, data)
    store.ingest(wanted[1].digest, [data[1]])
    with pytest.raises(FetchError, match="offline, and 2 files are not in the store") as caught:
        list(fetch_all(wanted, store=store, http=None))
    assert caught.value.code == "E-FETCH-OFFLINE"
    assert caught.value.places == ("file-0", "file-2")
    assert server.seen == []
    for number in (0, 2):
        store.ingest(wanted[number].digest, [data[number]])
    assert len(list(fetch_all(wanted, store=store, http=None))) == 3


def test_a_failure_without_a_name_shows_a_redacted_url(store: Store) -> None:
    one = Download(url="https://joe:c4n4ry@host/f.whl", digest=Digest.of(b"x"))
    with pytest.raises(FetchError) as caught:
        list(fetch_all([one], store=store, http=None))
    assert "c4n4ry" not in str(caught.value)
    assert "host/f.whl" in str(caught.value)


def test_a_full_disk_in_a_thread_is_told(
    server: LyingServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    from crossdock.errors import StoreError

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wanted = downloads(server, bodies(5))
    monkeypatch.setattr("crossdock.store.durable.os.write", full)
    with pytest.raises(StoreError, match="no space left on device"):
        list(fetch_all(wanted, store=store, http=fast()))
    monkeypatch.undo()
    assert len(list(fetch_all(wanted, store=store, http=fast()))) == 5
