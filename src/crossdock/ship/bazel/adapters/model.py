"""What an adapter is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from crossdock.ship.bazel.model import BazelWheel, Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A hub, and what its user has.

    `package` is the directory's label without `//`; `offline` says that wheels are at hand by `--distdir`, wherever their
    URLs lead; `uv_lock` is the project's uv.lock, None where there is none.
    """

    hub: Hub
    package: str
    offline: bool = False
    uv_lock: bytes | None = None

    def url_of(self, wheel: BazelWheel, reader: str) -> str:
        """Return a URL for a wheel; raise `UsageError` (E-BAZEL-NO-URL) if there is none that `reader` could use."""
        if wheel.urls:
            return wheel.urls[0]
        if self.offline:
            # No such host can be (RFC 6761, 6.4): Bazel finds the file by its name and hash in the distdir.
            return f"https://crossdock.invalid/{wheel.filename}"
        raise UsageError(
            f"`{wheel.filename}` was built here, and {reader} takes wheels by URL alone",
            code="E-BAZEL-NO-URL",
            hint="serve a wheelhouse (`crossdock mirror`) and give its URL by `--base-url`, or build without a network by `--distdir DIR`",
        )
