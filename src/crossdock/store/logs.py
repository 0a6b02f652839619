"""Where the output of builds is kept: beside what it led to, and pruned with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.store.core import Store

FOLDER = "logs"


def log_directory(store: Store) -> Path:
    """Return the directory for logs, made when missing.

    A temporary store vanishes with its process, and the log of a failed build is read afterwards: then it is a
    directory of its own, which stays.
    """
    from pathlib import Path

    from crossdock.store.durable import Guarded

    if store.temporary:
        import tempfile

        return Path(tempfile.mkdtemp(prefix="crossdock-logs-"))
    folder = store.root / FOLDER
    with Guarded(folder):
        folder.mkdir(exist_ok=True)
    return folder
