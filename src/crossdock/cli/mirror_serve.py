"""`crossdock mirror --serve`: the wheelhouse on loopback, for a look; HTML or JSON as the client prefers."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.ship.wheelhouse.pages import HTML, JSON

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BytesIO
    from os import PathLike
    from pathlib import Path
    from typing import BinaryIO

_JSON_TYPE = "application/vnd.pypi.simple.v1+json"


class _Handler(SimpleHTTPRequestHandler):
    """Files below the wheelhouse; a page of the index in the form that is asked for (PEP 691)."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Open what is asked for; the address of a page has two forms."""
        path = self.path.partition("?")[0]
        if path.endswith("/") and path.startswith("/simple/"):
            self.path = path + (JSON if _prefers_json(self.headers.get("Accept", "")) else HTML)
        return super().send_head()

    def guess_type(self, path: str | PathLike[str]) -> str:
        """Return the media type: of files it says nothing, pip and uv go by names."""
        if str(path).endswith(f"/{JSON}"):
            return _JSON_TYPE
        return super().guess_type(path) if str(path).endswith(f"/{HTML}") else "application/octet-stream"

    def end_headers(self) -> None:
        """Add what caches need to know: the address has two answers."""
        self.send_header("Vary", "Accept")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing: what is asked for is the client's business."""


class _Server(ThreadingHTTPServer):
    """Says in one line what went wrong with a client, and nothing of one that went away."""

    tell: Callable[[str], None]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what happened, unless the connection is what ended: browsers and installers hang up all day."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            self.tell(f"a client got no answer: {type(error).__name__}: {error}")


def _prefers_json(accept: str) -> bool:
    """Tell whether a client gives JSON the highest weight (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for item in accept.split(","):
        kind, _, parameters = item.strip().partition(";")
        weight = parameters.strip().removeprefix("q=")
        try:
            weights[kind.strip().lower()] = float(weight) if weight else 1.0
        except ValueError:
            weights[kind.strip().lower()] = 0.0
    html = max(
        (weights.get(kind, 0.0) for kind in ("text/html", "application/vnd.pypi.simple.v1+html")), default=0.0
    )
    return weights.get(_JSON_TYPE, 0.0) > 0 and weights[_JSON_TYPE] >= html


def serve(root: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve `root` on 127.0.0.1 until the user interrupts; port 0: a free one. Raise `UsageError` if it is taken."""
    try:
        server = _Server(("127.0.0.1", port), partial(_Handler, directory=str(root)))
    except OSError as error:
        raise UsageError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror or error}",
            code="E-WHEELHOUSE-PORT",
            hint="choose another `--port`, or leave it out for a free one",
        ) from error
    server.tell = tell
    with server:
        address = f"http://127.0.0.1:{server.server_port}/simple/"
        tell(f"serving {address} until Ctrl-C: pip install --index-url {address} …")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell("stopped")
