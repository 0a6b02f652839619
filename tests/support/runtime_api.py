"""A stub of AWS Lambda's runtime API on loopback: hands out one event, and takes what the function makes of it.

The API is AWS's own, "Lambda runtime API" of its documentation, version 2018-06-01.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_API = "/2018-06-01/runtime/"
_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


class RuntimeApi:
    """The API for one invocation. `address` is what AWS_LAMBDA_RUNTIME_API says, `answer` is (`response` or `error`, body)."""

    def __init__(self, event: bytes) -> None:
        self.event = event
        self.answer: tuple[str, bytes] | None = None
        self._answered = threading.Event()
        self._handed_out = threading.Event()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != f"{_API}invocation/next":
                    self.send_error(404)
                    return
                if api._handed_out.is_set():
                    api._closed.wait()  # as AWS: nothing comes until there is an event
                    self.close_connection = True
                    return
                api._handed_out.set()
                self.send_response(200)
                for name, value in (
                    ("Lambda-Runtime-Aws-Request-Id", _ID),
                    ("Lambda-Runtime-Deadline-Ms", "9999999999999"),
                    ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:test"),
                    ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(api.event))),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(api.event)

            def do_POST(self) -> None:
                body = self._body()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answer = (self.path.rpartition("/")[2], body)
                api._answered.set()

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                content = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    content += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return content

            def log_message(self, *arguments: object) -> None:
                """Say nothing: the container's own words are what a failing test shows."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> bool:
        """Wait for the answer; tell whether it has come."""
        return self._answered.wait(seconds)
