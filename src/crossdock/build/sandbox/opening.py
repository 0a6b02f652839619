"""Open the tightest sandbox that this host can make."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from crossdock.build.sandbox import bubblewrap, namespaces, seatbelt
from crossdock.build.sandbox.unsandboxed import Unsandboxed
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

    `hide` are places inside that are empty whatever is mounted around them; those that are not there are passed over.
    `sysroot` is a directory with the target's system libraries and Debian's name of its architecture: where the
    sandbox has a tree of its own, its headers and libraries appear as /usr/include and /usr/lib/TRIPLET too.
    Raises `BuildError`: E-BUILD-UNSANDBOXED where this host can make no sandbox and `allow_unsandboxed` does not let
    code run without, E-BUILD-SANDBOX where a mount's source is a link of a build.
    """
    kind, trouble, hint = _best()
    if kind == "bubblewrap":
        program = bubblewrap.find() or "bwrap"
        return bubblewrap.Bubblewrap(program, mounts, limits, hide=hide, sysroot=sysroot)
    if kind == "namespaces":
        return namespaces.Namespaces(mounts, limits, hide=hide, sysroot=sysroot)
    if kind == "sandbox-exec":
        return seatbelt.Seatbelt(mounts, limits, hide=hide)
    if not allow_unsandboxed:
        raise BuildError(
            "this host can make no sandbox, and a source distribution runs its author's code when it is built",
            code="E-BUILD-UNSANDBOXED",
            places=[trouble],
            hint=f"{hint}, or let it run with your rights: --allow-unsandboxed",
        )
    warn(f"builds run without a sandbox, with your rights and your files: {trouble}")
    return Unsandboxed(mounts, limits)


def sandbox_kind() -> str:
    """Return the kind that `open_sandbox` opens here: with `bubblewrap` and `namespaces` mounts have their places."""
    return _best()[0]


def _best() -> tuple[str, str, str]:
    """Return the tightest kind that works; for `none` also why, and what would help."""
    if sys.platform == "darwin":
        if os.access(seatbelt.PROGRAM, os.X_OK):
            return "sandbox-exec", "", ""
        return "none", f"{seatbelt.PROGRAM} is not there", "it is part of macOS"
    if not sys.platform.startswith("linux"):
        return "none", f"there is none for {sys.platform}", "build on Linux or macOS"
    return _best_on_linux()


def _best_on_linux() -> tuple[str, str, str]:
    program = bubblewrap.find()
    trouble = None if program is None else bubblewrap.trouble(program)
    if program is not None and trouble is None:
        return "bubblewrap", "", ""
    without = namespaces.trouble()
    if without is None:
        return "namespaces", "", ""
    if trouble is None:
        return "none", without, "install the package bubblewrap (0.4 or newer)"
    return "none", trouble, "mend what the line above names"
