"""What trials work with in the tests: a store, an index on loopback or the machine's, and no more of this machine."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.emulation import cache_directory

from crossdock.cli.lambda_test import trial_means
from crossdock.cli.session import Session
from crossdock.net.http import Http, HttpSettings
from crossdock.net.index import Index
from crossdock.store import Store
from crossdock.trial.means import TrialMeans

if TYPE_CHECKING:
    from tests.support.index import LoopbackIndex

#: 2026-11-22 12:00 UTC.
NOW = 1_795_348_800.0


def means_of(directory: Path, index: LoopbackIndex | None = None, **changed: Any) -> TrialMeans:
    """Means with a store below `directory`, that reach nothing but `index`."""
    http = Http(HttpSettings())
    url = "" if index is None else index.url
    means = TrialMeans(
        store=Store.open(directory / "store", warn=_refuse),
        http=lambda: http,
        files_of=lambda name: Index(http, [url]).files(name),
        python_for=lambda _version: sys.executable,
        archives=lambda _suite: (),
        find_program=shutil.which,
        uv_python=lambda _name, _directory: None,
        host=("linux", "x86_64"),
        now=NOW,
    )
    return replace(means, **changed)


def machine_means() -> TrialMeans:
    """The machine's own, with a store that is kept from run to run."""
    return replace(
        trial_means(Session({"quiet": True})),
        store=Store.open(cache_directory() / "trial-store", warn=_refuse),
    )


def is_gone(pid: object) -> bool:
    """Whether a process ended; a child of a child is buried by whoever took it over, perhaps later."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _refuse(text: str) -> None:
    raise AssertionError(text)
