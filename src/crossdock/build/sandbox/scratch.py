"""A directory for one command, removed afterwards whatever hostile code has left in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


#: On a disk where /tmp is often in memory, so that a build which fills it does not fill the memory.
_ON_DISK = "/var/tmp"  # noqa: S108  a fresh directory is made in it


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make an empty directory where TMPDIR says, else on a disk, and remove it at the end."""
    on_disk = _ON_DISK if "TMPDIR" not in os.environ and os.access(_ON_DISK, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="crossdock-", dir=on_disk)).resolve()
    try:
        yield path
    finally:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove `path` with all below; directories that are closed or too deep do not stop it, links are not followed.

    Not `TemporaryDirectory`, which changes the mode of what a link leads to (CVE-2023-6597).
    """
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run(
                [*command, "--", os.fspath(path)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
