"""The wheel that a backend left: a stranger's file, mapped and not read, under caps of its own."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from crossdock.archive.limits import Limits
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from crossdock.archive.wheel import Wheel
    from crossdock.safepath import PathRules

_GIB = 1 << 30
#: The largest wheels of the index have 1 GiB; PyPI takes none of more than that.
LARGEST = 2 * _GIB
#: What is in a built wheel is held in memory while it is written anew.
LIMITS = Limits(member_size=2 * _GIB, total_size=4 * _GIB)


def open_produced(path: Path, what: str, *, rules: PathRules) -> Wheel:
    """Open the wheel that `what` was built to; it holds the file until it is gone.

    Raise `BuildError` (E-BUILD-BACKEND) for no plain file or one beyond the cap, `ArchiveError` for no sound wheel.
    """
    from crossdock.archive.wheel import Wheel
    from crossdock.store.mapped import mapped

    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
        raise BuildError(
            f"the build of `{what}` left no wheel of at most {LARGEST >> 30} GiB",
            code="E-BUILD-BACKEND",
            places=[f"{path.name}: {found.st_size} bytes"],
        )
    return Wheel.open(mapped(path), path.name, rules=rules, limits=LIMITS)
