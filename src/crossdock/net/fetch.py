"""Many downloads at once, handed out as they complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crossdock.errors import FetchError

if TYPE_CHECKING:
    import queue
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from crossdock.digest import Digest
    from crossdock.net.http import Http
    from crossdock.store import Store

#: Downloads at once; beyond this one machine's disk and one line gain nothing.
JOBS = 12

#: How long to wait for threads that were told to stop. One that sits in a read looks up only after it; it is a
#: daemon, and what it leaves is resumable at any point.
_STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file to have: where it is, what it must be, and what people call it."""

    url: str
    digest: Digest
    size: int | None = None
    name: str = ""


class Reporter(Protocol):
    """Watches downloads; it cannot change them. `advanced` is called from several threads."""

    def started(self, files: int, size: int | None) -> None:
        """So many files of so many bytes (None: not all sizes are known) are about to be fetched."""

    def advanced(self, count: int) -> None:
        """`count` bytes arrived; negative when bytes had to be thrown away."""

    def finished(self) -> None:
        """All done, or given up."""


class Silent:
    """Reports nothing."""

    def started(self, files: int, size: int | None) -> None:
        """Do nothing."""

    def advanced(self, count: int) -> None:
        """Do nothing."""

    def finished(self) -> None:
        """Do nothing."""


def fetch_all(
    downloads: Iterable[Download],
    *,
    store: Store,
    http: Http | None,
    jobs: int = JOBS,
    reporter: Reporter | None = None,
) -> Iterator[tuple[Download, Path]]:
    """Yield each download with its verified path in the store, in the order of completion.

    What the store has comes first and costs no thread. The first failure stops the others and is raised;
    so does closing the iterator. `http=None` is offline: `FetchError` (`E-FETCH-OFFLINE`) names what is
    missing, before anything is yielded.
    """
    missing: list[Download] = []
    present: list[tuple[Download, Path]] = []
    for download in downloads:
        path = store.blob(download.digest)
        if path is None:
            missing.append(download)
        else:
            present.append((download, path))
    if missing and http is None:
        raise _offline(missing)
    if http is None or not missing:
        yield from present
        return
    crew = _Crew(missing, store=store, http=http, jobs=jobs, reporter=reporter or Silent())
    try:
        crew.start()
        yield from present
        yield from crew.results()
    finally:
        crew.stop()


def _offline(missing: Sequence[Download]) -> FetchError:
    from crossdock.net.url import redact  # only to report

    count = len(missing)
    return FetchError(
        f"offline, and {count} {'file is' if count == 1 else 'files are'} not in the store",
        code="E-FETCH-OFFLINE",
        places=sorted(item.name or redact(item.url) for item in missing),
        hint="run once without `--offline`",
    )


class _Crew:
    """The threads and what they share. They never hold one blob's lock while they wait for another's."""

    def __init__(
        self, downloads: Sequence[Download], *, store: Store, http: Http, jobs: int, reporter: Reporter
    ) -> None:
        # Threads cost 4 ms to import; a run from the store needs none.
        import queue
        import threading

        self._groups = _by_digest(downloads)
        self._store = store
        self._http = http
        self._reporter = reporter
        self._todo: queue.SimpleQueue[list[Download]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[list[Download], Path | BaseException]] = queue.SimpleQueue()
        self._stop = threading.Event()
        # Daemons: a thread that sits in a system call must not keep an interrupted program alive.
        self._threads: list[threading.Thread] = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True)
            for number in range(min(max(jobs, 1), len(self._groups)))
        ]

    def start(self) -> None:
        sizes = [group[0].size for group in self._groups]
        known = [size for size in sizes if size is not None]
        self._reporter.started(len(sizes), sum(known) if len(known) == len(sizes) else None)
        for group in self._groups:
            self._todo.put(group)
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[tuple[Download, Path]]:
        for _ in self._groups:
            group, outcome = self._done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            for download in group:
                yield download, outcome

    def stop(self) -> None:
        import time  # as above

        self._stop.set()
        end = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._reporter.finished()

    def _work(self) -> None:
        import queue  # as above

        while not self._stop.is_set():
            try:
                group = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                path = self._fetch(group)
            except BaseException as error:  # noqa: BLE001 - raised again where the results are read
                self._done.put((group, error))
            else:
                self._done.put((group, path))

    def _fetch(self, group: Sequence[Download]) -> Path:
        download = group[0]
        cancelled: Callable[[], bool] = self._stop.is_set
        try:
            return self._http.download(
                download.url,
                digest=download.digest,
                size=download.size,
                store=self._store,
                progress=self._reporter.advanced,
                cancelled=cancelled,
            )
        except FetchError as error:
            if download.name and not error.places:
                error.places = (download.name,)
            raise


def _by_digest(downloads: Sequence[Download]) -> list[list[Download]]:
    """Group what is the same file, the largest first: the longest download decides when all are done."""
    groups: dict[Digest, list[Download]] = {}
    for download in downloads:
        groups.setdefault(download.digest, []).append(download)
    return sorted(groups.values(), key=lambda group: -(group[0].size or 0))
