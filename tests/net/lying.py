"""A server on loopback that can misbehave in every way we know, a proxy, and certificates for both."""

from __future__ import annotations

import base64
import http.client
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections import defaultdict
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Exchange(http.server.BaseHTTPRequestHandler):
    """A request being answered; behaviours use these methods."""

    protocol_version = "HTTP/1.1"
    server: _Threads

    def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        length: int | None = -1,
    ) -> None:
        """Send a status, headers and a body; `length=None` sends no Content-Length and closes."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def garbage(self) -> None:
        """Answer with something that is not HTTP."""
        self.wfile.write(b"SSH-2.0-nonsense\r\n\r\n")
        self.cut()

    def cut(self) -> None:
        """Drop the connection."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        owner = self.server.owner
        owner.seen.append(Seen(self.command, self.path, dict(self.headers.items()), body))
        owner.behaviour(self.path)(self)

    do_GET = do_POST = do_HEAD = do_PUT = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: LyingServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class LyingServer:
    """A context manager: routes answer with their behaviours in turn, the last one for ever."""

    def __init__(self, *, certificate: Path | None = None) -> None:
        self.seen: list[Seen] = []
        self._routes: dict[str, list[Callable[[Exchange], None]]] = {}
        self._turns: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._server = _Threads(("127.0.0.1", 0), Exchange)
        self._server.owner = self
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"

    def route(self, path: str, *behaviours: Callable[[Exchange], None]) -> str:
        """Set what a path answers, and return its URL."""
        self._routes[path] = list(behaviours)
        return self.url(path)

    def url(self, path: str, *, login: str = "", host: str = "127.0.0.1") -> str:
        """Return a URL on this server."""
        user = f"{login}@" if login else ""
        return f"{self.scheme}://{user}{host}:{self._server.server_port}{path}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def behaviour(self, path: str) -> Callable[[Exchange], None]:
        """Return what to do with the next request for a path."""
        with self._lock:
            behaviours = self._routes.get(path, [status(404)])
            turn = self._turns[path]
            self._turns[path] += 1
            return behaviours[min(turn, len(behaviours) - 1)]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


# Behaviours


def status(code: int, headers: Mapping[str, str] | None = None) -> Callable[[Exchange], None]:
    """Answer with a bare status."""
    return lambda exchange: exchange.answer(code, b"", headers)


def redirect(to: str, code: int = 302) -> Callable[[Exchange], None]:
    """Send the client elsewhere."""
    return status(code, {"Location": to})


def page(body: str | bytes, content_type: str = "text/html", **headers: str) -> Callable[[Exchange], None]:
    """Answer with a document."""
    data = body.encode() if isinstance(body, str) else body
    return lambda exchange: exchange.answer(200, data, {"Content-Type": content_type, **headers})


def serve(
    body: bytes,
    *,
    etag: str | None = '"strong"',
    modified: float | None = None,
    cut_at: int | None = None,
    ranges: bool = True,
    length: int | None = -1,
    headers: Mapping[str, str] | None = None,
    content_range: str | None = None,
) -> Callable[[Exchange], None]:
    """Serve a file, well or badly: honours Range and If-Range unless told not to.

    `cut_at` drops the connection at that byte of the file, `length` lies about the length (None: says none),
    `content_range` lies about the range.
    """

    def behave(exchange: Exchange) -> None:
        start = 0
        given = {**(headers or {})}
        if etag:
            given["ETag"] = etag
        if modified is not None:
            given["Last-Modified"] = formatdate(modified, usegmt=True)
        wanted = exchange.headers.get("Range")
        condition = exchange.headers.get("If-Range")
        valid = {etag, given.get("Last-Modified")}
        if ranges and wanted and (condition is None or condition in valid):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                exchange.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            given["Content-Range"] = content_range or f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start:]
        announced = len(rest) if length == -1 else length
        if cut_at is not None:
            rest = body[start : max(cut_at, start)]
        exchange.answer(206 if start else 200, rest, given, length=announced)
        if cut_at is not None:
            exchange.cut()

    return behave


# A proxy


class Proxy:
    """A small HTTP proxy with CONNECT; a context manager. `login` (`user:password`) is demanded when given."""

    def __init__(self, *, login: str | None = None) -> None:
        self.seen: list[str] = []
        self._wanted = "Basic " + base64.b64encode(login.encode()).decode() if login else None
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                proxy.seen.append(f"CONNECT {self.path}")
                if proxy._refused(self):
                    return
                host, _, port = self.path.partition(":")
                with socket.create_connection((host, int(port))) as upstream:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
                    back.start()
                    _pump(self.connection, upstream)
                    back.join(5)
                self.close_connection = True

            def do_GET(self) -> None:
                proxy.seen.append(f"GET {self.path}")
                if proxy._refused(self):
                    return
                parts = urlsplit(self.path)
                upstream = http.client.HTTPConnection(parts.hostname or "", parts.port)
                upstream.request("GET", parts.path, headers=dict(self.headers.items()))
                answer = upstream.getresponse()
                body = answer.read()
                upstream.close()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def _refused(self, handler: http.server.BaseHTTPRequestHandler) -> bool:
        if self._wanted in {None, handler.headers.get("Proxy-Authorization")}:
            return False
        handler.send_response(407)
        handler.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def make_certificate(folder: Path, name: str = "127.0.0.1") -> Path | None:
    """Make a self-signed certificate (key and certificate in one PEM); None without the openssl program."""
    if shutil.which("openssl") is None:
        return None
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", str(key), "-out", str(pem),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem
