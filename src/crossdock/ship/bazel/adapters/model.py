"""What an adapter is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

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

    def url_of(self, wheel: BazelWheel, reader: str, *, beyond_bazel: bool = False) -> str:
        """Return a URL for a wheel; raise `UsageError` (E-BAZEL-NO-URL) if there is none that `reader` could use.

        `beyond_bazel` says that others than Bazel read it too, which know nothing of a distdir.
        """
        if wheel.urls:
            return plain_url(wheel.urls[0])
        if self.offline and not beyond_bazel:
            # No such host can be (RFC 6761, 6.4): Bazel finds the file by its name and hash in the distdir.
            return plain_url(f"https://crossdock.invalid/{wheel.filename}")
        origin = "lies on this disk" if wheel.built_from is None else "was built here"
        offline = "" if beyond_bazel else ", or build without a network by `--distdir DIR`"
        raise UsageError(
            f"`{wheel.filename}` {origin}, and {reader} takes wheels by URL alone",
            code="E-BAZEL-NO-URL",
            hint=f"serve a wheelhouse (`crossdock mirror`) and give its URL by `--base-url URL`{offline}",
        )


def plain_url(url: str) -> str:
    """Return a URL without fragment and without what would end it, or its line, in a file: blanks, `;` and quotes.

    A lock may come from anybody, and in requirements the next line could be an option.
    """
    return quote(url.partition("#")[0], safe="%/:?&=@!$()*+,~[]")
