"""Package indexes that take uploads, on loopback: pypiserver and devpi as they are, and one that misbehaves."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60
USER, PASSWORD = "ada", "a b:c%d@e"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def _running(command: list[str], url: str, log: Path, cwd: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        end = time.monotonic() + _SECONDS
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def pypiserver(root: Path) -> Iterator[str]:
    """Start pypiserver over the files in `root/packages`, uploads by USER alone; give its URL."""
    (root / "packages").mkdir(parents=True)
    hashed = base64.b64encode(sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    (root / "htpasswd").write_text(f"{USER}:{{SHA}}{hashed}\n")
    port = free_port()
    program = str(Path(sys.executable).with_name("pypi-server"))
    command = [program, "run", "-i", "127.0.0.1", "-p", str(port), "-P", str(root / "htpasswd"), "-a", "update",
               "--disable-fallback", str(root / "packages")]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}/", root / "log", root):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def devpi(root: Path) -> Iterator[str]:
    """Start devpi with the indexes `ada/dev`, which overwrites, and `ada/fixed`, which does not; give the user's URL."""
    programs = Path(sys.executable).parent
    root.mkdir(parents=True)
    init = [str(programs / "devpi-init"), "--serverdir", str(root / "server"), "--no-root-pypi"]
    subprocess.run(init, check=True, capture_output=True, cwd=root)
    port = free_port()
    command = [str(programs / "devpi-server"), "--serverdir", str(root / "server"), "--host", "127.0.0.1",
               "--port", str(port)]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/+api", root / "log", root):
        _put(f"{url}/{USER}", {"password": PASSWORD}, None)
        token = _put(f"{url}/+login", {"user": USER, "password": PASSWORD}, None, method="POST")["result"][
            "password"
        ]
        for name, volatile in (("dev", True), ("fixed", False)):
            _put(f"{url}/{USER}/{name}", {"bases": [], "volatile": volatile}, token)
        yield f"{url}/{USER}"


def _put(url: str, content: dict[str, Any], token: str | None, *, method: str = "PUT") -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token is not None:
        headers["X-Devpi-Auth"] = base64.b64encode(f"{USER}:{token}".encode()).decode()
    request = urllib.request.Request(url, json.dumps(content).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


@dataclass
class Received:
    """An upload that arrived: its form without the file, the file, and who sent it."""

    fields: dict[str, list[str]]
    filename: str
    content: bytes
    authorization: str | None


@dataclass
class FaultyIndex:
    """An index that answers as it is told: `faults` are taken one for each upload, None lets one through.

    A fault is a status, a status with a text, `cut` (the connection ends in mid-body), `late` (it keeps the file and
    then says 502), or `other` (it keeps other bytes). A new file is left out of the next `lag` pages of its project.
    """

    faults: list[Any] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    hashes: bool = True
    lag: int = 0
    unlisted: dict[str, int] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[FaultyIndex]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with index.lock:
                    index.paths.append(f"GET {self.path}")
                    body = index.page(self.path)
                self.answer(200 if body is not None else 404, body or b"")

            def do_POST(self) -> None:
                with index.lock:
                    index.paths.append(f"POST {self.path}")
                    fault = index.faults.pop(0) if index.faults else None
                if fault == "cut":
                    self.rfile.read(100)
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = fault if isinstance(fault, tuple) else (fault, "")
                if fault in {None, "late", "other"}:
                    with index.lock:
                        kept = index.keep(body, self.headers, changed=fault == "other")
                    status, text = (200, "") if kept else (400, "File already exists")
                    status = 502 if fault == "late" else status
                self.answer(int(status), text.encode())

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{index.url}/elsewhere/")
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def keep(self, body: bytes, headers: Any, *, changed: bool) -> bool:
        """Keep an upload; False for a file that is there."""
        kind = headers["Content-Type"].encode()
        message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
        fields: dict[str, list[str]] = {}
        filename, content = "", b""
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            if name == "content":
                filename, content = str(part.get_filename()), data
            else:
                fields.setdefault(str(name), []).append(data.decode())
        self.received.append(Received(fields, filename, content, headers.get("Authorization")))
        if filename in self.files:
            return False
        self.files[filename] = content + b"!" if changed else content
        self.unlisted[filename] = self.lag
        return True

    def listed(self, filename: str) -> bool:
        """Tell whether a page that is asked for now names a file."""
        self.unlisted[filename] = self.unlisted.get(filename, 0) - 1
        return self.unlisted[filename] < 0

    def page(self, path: str) -> bytes | None:
        found = re.fullmatch(r"/up/simple/([a-z0-9-]+)/", path)
        if found is None:
            return None
        name = found[1].replace("-", "_")
        named = {file: data for file, data in self.files.items() if file.partition("-")[0].lower() == name}
        files = {file: data for file, data in named.items() if self.listed(file)}
        if not files:
            return None
        links = [
            f'<a href="../../f/{file}'
            + (f"#sha256={sha256(data).hexdigest()}" if self.hashes else "")
            + f'">{file}</a>'
            for file, data in sorted(files.items())
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
