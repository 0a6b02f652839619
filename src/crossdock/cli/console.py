"""The terminal: colours where they are wanted, progress on standard error, sizes in words."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}

#: Where a report's lines end when standard error is no terminal.
_WIDTH = 100

#: A line of a message longer than this helps nobody.
_LINE_LIMIT = 2000


def wants_colour(stream: Any = None) -> bool:
    """Tell whether `stream` (standard error unless told) takes colours: NO_COLOR, FORCE_COLOR, a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    return bool((stream or sys.stderr).isatty())


def paint(text: str, colour: str, stream: Any = None) -> str:
    """Return `text` in a colour, or as it is where colours are not wanted."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if wants_colour(stream) else text


def printable(text: str) -> str:
    """Return a line that may go to a terminal: names in archives and on indexes are anybody's words.

    Control and direction characters are shown as escapes, and what is longer than any line is cut.
    """
    if len(text) > _LINE_LIMIT:
        text = f"{text[: _LINE_LIMIT // 2]} … {text[-_LINE_LIMIT // 4 :]}"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


def note(text: str) -> None:
    """Say something on standard error."""
    sys.stderr.write(f"{printable(text)}\n")


def warn(text: str) -> None:
    """Warn on standard error."""
    sys.stderr.write(f"{paint('warning:', 'yellow')} {printable(text)}\n")


def terminal_width() -> int:
    """Return where the lines of a report end: at the terminal's edge, and never far out."""
    import shutil

    return min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDTH) if sys.stderr.isatty() else _WIDTH


def human_size(count: int) -> str:
    """Return a number of bytes in words, with binary prefixes: `2.1 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


class Progress:
    """A line on standard error that counts files and bytes, on a terminal, for what takes over a second.

    Safe to call from several threads. It is what `crossdock.net.fetch` calls a reporter.
    """

    def __init__(self, verb: str, *, quiet: bool = False) -> None:
        self._verb = verb
        self._enabled = not quiet and sys.stderr.isatty()
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._files = 0
        self._bytes = self._bytes_done = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def started(self, files: int, size: int | None) -> None:
        """Take the totals: files, and bytes if all are known."""
        with self._lock:
            self._files += files
            self._bytes += size or 0

    def advanced(self, count: int) -> None:
        """Count `count` more bytes; negative ones were thrown away."""
        with self._lock:
            self._bytes_done += count
            self._draw()

    def finished(self) -> None:
        """Take the line away."""
        self.close()

    def close(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _draw(self) -> None:
        if not self._enabled or time.monotonic() - self._begin < 1:
            return
        if self._bar is None:
            self._bar, self._task = _bar(self._verb)
        self._bar.update(
            self._task,
            completed=self._bytes_done,
            total=max(self._bytes, self._bytes_done) or None,
            files=f"{self._files} files",
        )


def _bar(verb: str) -> tuple[Any, Any]:
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.TextColumn(verb),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[files]}"),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        console=Console(stderr=True, no_color=not wants_colour()),
        transient=True,
    )
    bar.start()
    return bar, bar.add_task(verb, total=None, files="")
