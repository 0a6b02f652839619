"""Every error that crossdock raises on purpose: one tree, a leaf for each cause.

    CrossdockError               exit status 1: a refusal
    ├── UsageError               exit status 2: the command line or the settings are wrong
    ├── TargetError              exit status 2: a target that cannot be understood
    ├── ArchiveError             a wheel, sdist, zip or tar that is broken or hostile
    ├── LockError                a lock that cannot be made, read, or selected from
    ├── FetchError               a download that failed or was not what the lock says
    ├── StoreError               the store on this disk
    ├── BuildError               a source distribution that cannot be built
    ├── RetagError               a wheel that no true tag can be given, or not the one asked for
    ├── InspectError             a binary that cannot be read
    ├── ImageError               an image, manifest, layer or layout that is broken or cannot be had
    ├── TrialError               a function that cannot be tried on this machine
    └── ShipError                an output that cannot be written

The text of an error answers: what is wrong (`message`, one line, no full stop), where (`places`, one line
each), and what to do next (`hint`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class CrossdockError(Exception):
    """A refusal that the user can act on.

    `message` says in one line what is wrong, `places` where (file, member, offset, package), `hint` what to
    do next, and `code` is a stable name such as `E-ZIP-DUPLICATE` that scripts and tests may rely on.
    """

    exit_status: ClassVar[int] = 1
    default_code: ClassVar[str] = "E-CROSSDOCK"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        places: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.places = tuple(places)
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message, *(f"  {place}" for place in self.places)]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UsageError(CrossdockError):
    """The command line, a settings file or an environment variable is wrong."""

    exit_status = 2
    default_code = "E-USAGE"


class TargetError(CrossdockError):
    """A target's name or file is not understood, or contradicts itself."""

    exit_status = 2
    default_code = "E-TARGET"


class ArchiveError(CrossdockError):
    """A wheel, source distribution, zip or tar is broken, ambiguous or hostile."""

    default_code = "E-ARCHIVE"


class LockError(CrossdockError):
    """A lock cannot be made, read, or selected from for a target."""

    default_code = "E-LOCK"


class FetchError(CrossdockError):
    """A download failed, or was not what the lock says."""

    default_code = "E-FETCH"


class StoreError(CrossdockError):
    """The store on this disk cannot be read or written."""

    default_code = "E-STORE"


class BuildError(CrossdockError):
    """A source distribution cannot be built for the target."""

    default_code = "E-BUILD"


class RetagError(CrossdockError):
    """A wheel cannot truly have the tag that is asked for, or none at all."""

    default_code = "E-RETAG"


class InspectError(CrossdockError):
    """A binary claims a format and does not follow it."""

    default_code = "E-BINARY"


class ShipError(CrossdockError):
    """An output cannot be written."""

    default_code = "E-SHIP"


class ImageError(CrossdockError):
    """An image, manifest, layer or layout is broken, contradicts itself, or is not what was asked for."""

    default_code = "E-IMAGE"


class TrialError(CrossdockError):
    """A function cannot be tried on this machine: what it takes is not there, or cannot be had."""

    default_code = "E-TRIAL"
