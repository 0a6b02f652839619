"""Open the tightest sandbox that this host can make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.sandbox import bubblewrap
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crossdock.build.sandbox.model import Limits, Mount, Sandbox


def open_sandbox(
    mounts: Sequence[Mount],
    limits: Limits,
    *,
    allow_unsandboxed: bool,
    warn: Callable[[str], None],
    hide: Sequence[str] = (),
    sysroot: tuple[Path, str] | None = None,
) -> Sandbox:
    """Return a sandbox that shows `mounts` and holds to `limits`.

    `hide` are places inside that are empty whatever is mounted around them. `sysroot` is a directory with the
    target's system libraries and Debian's name of its architecture: its headers and libraries appear as /usr/include
    and /usr/lib/TRIPLET too. Raises `BuildError` (E-BUILD-UNSANDBOXED) where this host can make none and
    `allow_unsandboxed` does not let code run without.
    """
    found = bubblewrap.find()
    if found is not None:
        return bubblewrap.Bubblewrap(found[0], mounts, limits, hide=hide, sysroot=sysroot)
    raise BuildError("no sandbox", code="E-BUILD-UNSANDBOXED")
