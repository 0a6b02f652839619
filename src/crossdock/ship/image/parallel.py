"""The same work for several things at once."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from crossdock.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How long to wait for threads that were told to stop, so that they can cancel what they began.
_STOP_SECONDS = 1.0


def in_threads(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    threads: int,
    stop: threading.Event | None = None,
) -> list[Result]:
    """Do the work for all items, some at once, and return the results in the items' order.

    The first failure sets `stop`, waits for what is under way, and is raised.
    """
    if len(items) < 2 or threads < 2:  # noqa: PLR2004
        return [work(item) for item in items]
    stop = stop or threading.Event()
    todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    for numbered in enumerate(items):
        todo.put(numbered)
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def run() -> None:
        while not stop.is_set() and not todo.empty():
            with suppress(queue.Empty):
                number, item = todo.get_nowait()
                try:
                    results[number] = work(item)
                except BaseException as error:  # noqa: BLE001 - raised again below
                    failures.append(error)
                    stop.set()

    _join(
        [
            threading.Thread(target=run, name=f"push-{number}", daemon=True)
            for number in range(min(threads, len(items)))
        ],
        stop,
    )
    if failures:
        raise _first(failures)
    return [results[number] for number in range(len(items))]


def _join(crew: Sequence[threading.Thread], stop: threading.Event) -> None:
    for thread in crew:
        thread.start()
    try:
        for thread in crew:
            thread.join()
    except BaseException:
        # An interrupt: uploads see it and delete their sessions.
        stop.set()
        for thread in crew:
            thread.join(_STOP_SECONDS / len(crew))
        raise


def _first(failures: Sequence[BaseException]) -> BaseException:
    """Return the failure that was the cause: the others were told to stop."""
    for failure in failures:
        if not (isinstance(failure, FetchError) and failure.code == "E-FETCH-CANCELLED"):
            return failure
    return failures[0]
