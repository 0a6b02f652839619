"""What a trial works with: everything that touches the world is handed in. And how pinned files are had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.digest import Digest
from crossdock.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.net.debian.sources import Archive
    from crossdock.net.fetch import Reporter
    from crossdock.net.http import Http
    from crossdock.net.pages import ProjectFile
    from crossdock.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeans:
    """What finds, fetches and keeps the parts of a trial.

    `files_of` lists an index's files of a project, `python_for` gives an interpreter of this machine by its minor
    version (raising `BuildError`), `archives` a Debian suite's archives, `find_program` a program's path or None,
    `uv_python` a directory that uv put a Python into, by uv's name of it, or None where it cannot. `host` is this
    machine's system and CPU as targets write them (`linux`, `x86_64`), `now` is in seconds since 1970.
    """

    store: Store
    http: Callable[[], Http]
    files_of: Callable[[str], Sequence[ProjectFile]]
    python_for: Callable[[tuple[int, int]], str]
    archives: Callable[[str], Sequence[Archive]]
    find_program: Callable[[str], str | None]
    uv_python: Callable[[str, Path], Path | None]
    host: tuple[str, str]
    now: float
    offline: bool = False
    reporter: Callable[[], Reporter | None] = lambda: None


class PinnedWheel(NamedTuple):
    """A wheel by its name and hash; `size` is in bytes. Where it is, the user's index knows."""

    filename: str
    sha256: str
    size: int

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> PinnedWheel:
        """Read a wheel of one of our own TOML files."""
        return cls(table["filename"], table["sha256"], table["size"])

    @property
    def digest(self) -> Digest:
        """The hash of its bytes."""
        return Digest("sha256", self.sha256)

    @property
    def project(self) -> str:
        """The normalized name of its project."""
        return self.filename.partition("-")[0].lower().replace("_", "-")

    @property
    def version(self) -> str:
        """The version of its project."""
        return self.filename.split("-")[1]


def fetch_pinned(wheels: Sequence[PinnedWheel], means: TrialMeans) -> list[Path]:
    """Return the files in the store, in the order of `wheels`, fetched from the user's index if they are not there.

    Raise `FetchError` (E-FETCH-OFFLINE, E-FETCH-HASH, ...), `TrialError` (E-TRIAL-INDEX) for a file that the index
    does not have.
    """
    from crossdock.net.fetch import Download, fetch_all

    found: dict[PinnedWheel, Path | None] = {wheel: means.store.blob(wheel.digest) for wheel in wheels}
    missing = [wheel for wheel, path in found.items() if path is None]
    if missing:
        downloads = {
            Download(
                url="" if means.offline else _url_of(wheel, means),
                digest=wheel.digest,
                size=wheel.size,
                name=wheel.filename,
            ): wheel
            for wheel in missing
        }
        client = None if means.offline else means.http()
        fetched = fetch_all(downloads, store=means.store, http=client, reporter=means.reporter())
        found.update((downloads[download], blob) for download, blob in fetched)
    return [path for wheel in wheels if (path := found[wheel]) is not None]


def _url_of(wheel: PinnedWheel, means: TrialMeans) -> str:
    for file in means.files_of(wheel.project):
        if file.filename == wheel.filename:
            return file.url
    raise TrialError(
        f"the index has no `{wheel.filename}`, which a function is tried with",
        code="E-TRIAL-INDEX",
        hint=f"does the index mirror all files of `{wheel.project}`? A directory that has it can be named by"
        " `--find-links`",
    )
