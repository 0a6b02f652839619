"""A registry in memory that speaks the distribution specification, with tokens, and with any fault a test asks for.

`FakeRegistry` alone is well-behaved. A fault is a function that gets each request first and may answer it itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

INDEX = "application/vnd.oci.image.index.v1+json"
_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<what>manifests|blobs/uploads|blobs|referrers)/(?P<rest>[^/]*)")


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `length` is that of the body it announced."""

    method: str
    path: str
    headers: Mapping[str, str]
    length: int


@dataclass
class FakeRegistry:
    """Serves at `address` until closed.

    `auth` is "", "basic" or "token"; `login` is who may push (with "token" anyone may pull what is `public`);
    `identity_token` is taken in its stead. `referrers` switches the API on, `least_chunk` is announced and
    enforced, `chunks` allows PATCH, `realm` replaces the token server's URL, `fault` gets each request first.
    """

    auth: str = ""
    login: tuple[str, str] = ("user", "pass:word")
    identity_token: str = ""
    public: frozenset[str] = frozenset()
    referrers: bool = True
    least_chunk: int = 0
    chunks: bool = True
    mounts: bool = True
    expires_in: int = 300
    realm: str = ""
    certificate: Path | None = None
    fault: Callable[[Exchange], bool] | None = None
    seen: list[Request] = field(default_factory=list)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    tokens: dict[str, frozenset[str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        registry = self

        class Handler(Exchange):
            served: ClassVar[FakeRegistry] = registry

        self._server = _Server(("127.0.0.1", 0), Handler)
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.lock = threading.RLock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"{'https' if self.certificate else 'http'}://{self.address}"

    def asked(self, method: str, part: str = "") -> list[Request]:
        """Return the requests of a method whose path has `part`."""
        return [one for one in self.seen if one.method == method and part in one.path]

    def put_blob(self, name: str, content: bytes) -> str:
        """Put a blob there, as if pushed."""
        digest = digest_of(content)
        self.blobs[name, digest] = content
        return digest

    def put_manifest(self, name: str, tag: str, content: bytes, media_type: str) -> str:
        """Put a manifest there, as if pushed."""
        digest = digest_of(content)
        self.manifests[name, digest] = (media_type, content)
        if tag:
            self.tags[name, tag] = digest
        return digest


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def digest_of(content: bytes) -> str:
    """Return the sha256 digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Exchange(BaseHTTPRequestHandler):
    """A request being answered; faults use its methods."""

    protocol_version = "HTTP/1.1"
    served: ClassVar[FakeRegistry]

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer, after the request's body was read."""
        self.read_body()
        self.send_response(status)
        given = {"Content-Length": str(len(body)), **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str, detail: object = None) -> None:
        """Answer with an error document."""
        row = {"code": code, "message": f"{code} here", "detail": detail}
        self.answer(status, json.dumps({"errors": [row]}).encode(), {"Content-Type": "application/json"})

    def read_body(self, count: int | None = None) -> bytes:
        """Read the body, or `count` bytes of it."""
        count = self.left if count is None else min(count, self.left)
        data = self.rfile.read(count)
        self.left -= len(data)
        return data

    def cut(self) -> None:
        """Drop the connection."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        self.left = int(self.headers.get("Content-Length") or 0)
        registry = self.served
        registry.seen.append(Request(self.command, self.path, dict(self.headers.items()), self.left))
        if registry.fault is not None and registry.fault(self):
            return
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        if parts.path == "/token":
            self._token()
        elif parts.path == "/v2/":
            if self._may(None):
                self.answer(200, b"{}")
        elif (match := _PATH.fullmatch(parts.path)) and self._may(match["name"]):
            with registry.lock:
                kind = match["what"].rpartition("/")[2]
                getattr(self, f"_{kind}")(match["name"], match["rest"])
        elif not match:
            self.answer(404, b"404 page not found\n")

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    # Authorization

    def _may(self, name: str | None) -> bool:
        registry = self.served
        if not registry.auth:
            return True
        given = self.headers.get("Authorization", "")
        if registry.auth == "basic":
            if given == basic(registry.login):
                return True
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="tests, \\"quoted\\""'})
            return False
        needed = None if name is None else f"repository:{name}:{self._needed()}"
        granted = registry.tokens.get(given.removeprefix("Bearer "))
        if granted is not None and (
            needed is None or any(one in (needed, f"{needed},push") for one in granted)
        ):
            return True
        realm = registry.realm or f"{registry.url}/token"
        scope = f',scope="{needed}"' if needed else ""
        self.answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}",service="fake registry"{scope}'})
        return False

    def _needed(self) -> str:
        return "pull" if self.command in {"GET", "HEAD"} and "/uploads/" not in self.path else "pull,push"

    def _token(self) -> None:
        registry = self.served
        form = parse_qs(self.read_body().decode())
        if self.command == "POST":
            known = bool(registry.identity_token) and form.get("refresh_token") == [registry.identity_token]
            scopes = form.get("scope", [""])[0].split()
        else:
            known = self.headers.get("Authorization") == basic(registry.login)
            scopes = self.query.get("scope", [])
            if not known and "Authorization" in self.headers:
                self.answer(401)
                return
        if self.command == "POST" and not known:
            self.answer(401)
            return
        granted = frozenset(
            scope
            for scope in scopes
            if known or (scope.endswith(":pull") and scope.split(":")[1] in registry.public)
        )
        token = uuid.uuid4().hex
        registry.tokens[token] = granted
        name = "access_token" if self.command == "POST" else "token"
        said = {name: token, "expires_in": registry.expires_in}
        self.answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    # Contents

    def _manifests(self, name: str, reference: str) -> None:
        registry = self.served
        if self.command == "PUT":
            self._put_manifest(name, reference)
            return
        digest = registry.tags.get((name, reference), reference)
        found = registry.manifests.get((name, digest))
        if found is None:
            self.error(404, "MANIFEST_UNKNOWN")
            return
        kind, body = found
        self.answer(200, body, {"Content-Type": kind, "Docker-Content-Digest": digest})

    def _put_manifest(self, name: str, reference: str) -> None:
        registry = self.served
        body = self.read_body()
        digest = digest_of(body)
        if ":" in reference and reference != digest:
            self.error(400, "DIGEST_INVALID")
            return
        said = json.loads(body)
        blobs = [
            row["digest"]
            for row in [*([said["config"]] if "config" in said else []), *said.get("layers", [])]
        ]
        lost = [one for one in blobs if (name, one) not in registry.blobs]
        if lost:
            self.error(400, "MANIFEST_BLOB_UNKNOWN", lost[0])
            return
        if any((name, row["digest"]) not in registry.manifests for row in said.get("manifests", [])):
            self.error(400, "MANIFEST_BLOB_UNKNOWN")
            return
        kind = self.headers.get("Content-Type", "")
        registry.manifests[name, digest] = (kind, body)
        if ":" not in reference:
            registry.tags[name, reference] = digest
        headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{name}/manifests/{digest}"}
        if registry.referrers and "subject" in said:
            headers["OCI-Subject"] = said["subject"]["digest"]
        self.answer(201, b"", headers)

    def _referrers(self, name: str, digest: str) -> None:
        registry = self.served
        if not registry.referrers:
            self.answer(404, b"404 page not found\n")
            return
        rows = []
        for (owner, own), (kind, body) in registry.manifests.items():
            said = json.loads(body)
            if owner == name and said.get("subject", {}).get("digest") == digest:
                # As the specification has it: the artifact type, else the configuration's media type.
                what = said.get("artifactType") or said.get("config", {}).get("mediaType", "")
                rows.append({"mediaType": kind, "digest": own, "size": len(body), "artifactType": what})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
        self.answer(200, json.dumps(index).encode(), {"Content-Type": INDEX})

    def _blobs(self, name: str, digest: str) -> None:
        body = self.served.blobs.get((name, digest))
        if body is None:
            self.error(404, "BLOB_UNKNOWN")
            return
        wanted = self.headers.get("Range")
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            self.answer(206, body[start:], span)
            return
        self.answer(200, body, {"Docker-Content-Digest": digest})

    def _uploads(self, name: str, session: str) -> None:
        getattr(self, f"_upload_{self.command.lower()}")(name, session)

    def _upload_post(self, name: str, _session: str) -> None:
        registry = self.served
        digest, source = self.query.get("mount", [""])[0], self.query.get("from", [""])[0]
        if registry.mounts and (source, digest) in registry.blobs:
            registry.blobs[name, digest] = registry.blobs[source, digest]
            self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
            return
        session = uuid.uuid4().hex
        registry.uploads[session] = bytearray()
        self._progress(202, name, session)

    def _upload_get(self, name: str, session: str) -> None:
        if session not in self.served.uploads:
            self.error(404, "BLOB_UPLOAD_UNKNOWN")
            return
        self._progress(204, name, session)

    def _upload_delete(self, _name: str, session: str) -> None:
        self.answer(204 if self.served.uploads.pop(session, None) is not None else 404)

    def _upload_patch(self, name: str, session: str) -> None:
        registry = self.served
        held = registry.uploads.get(session)
        if held is None:
            self.error(404, "BLOB_UPLOAD_UNKNOWN")
            return
        if not registry.chunks:
            self.error(405, "UNSUPPORTED")
            return
        first, _, last = self.headers.get("Content-Range", "").partition("-")
        if int(first) != len(held) or int(last) - int(first) + 1 != self.left:
            self.read_body()
            self._progress(416, name, session)
            return
        # Piece by piece: what a cut left behind stays.
        while self.left:
            held += self.read_body(65536)
        self._progress(202, name, session)

    def _upload_put(self, name: str, session: str) -> None:
        registry = self.served
        held = registry.uploads.get(session)
        if held is None:
            self.error(404, "BLOB_UPLOAD_UNKNOWN")
            return
        held += self.read_body()
        digest = self.query["digest"][0]
        del registry.uploads[session]
        if digest_of(bytes(held)) != digest:
            self.error(400, "DIGEST_INVALID")
            return
        registry.blobs[name, digest] = bytes(held)
        self.answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _progress(self, status: int, name: str, session: str) -> None:
        held = len(self.served.uploads[session])
        # A query that must survive, as docker-registry's `_state`.
        headers = {"Location": f"/v2/{name}/blobs/uploads/{session}?_state=a%3D%3D&at={held}"}
        headers["Range"] = f"0-{max(held - 1, 0)}"
        if self.served.least_chunk:
            headers["OCI-Chunk-Min-Length"] = str(self.served.least_chunk)
        self.answer(status, b"", headers)


def basic(login: tuple[str, str]) -> str:
    """Return the value of `Authorization` for a login."""
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


# Faults


def once(match: Callable[[Exchange], bool], do: Callable[[Exchange], None]) -> Callable[[Exchange], bool]:
    """Do something to the first request that matches."""
    return times(1, match, do)


def times(
    count: int, match: Callable[[Exchange], bool], do: Callable[[Exchange], None]
) -> Callable[[Exchange], bool]:
    """Do something to the first `count` requests that match."""
    left = [count]
    lock = threading.Lock()

    def fault(exchange: Exchange) -> bool:
        with lock:
            if not left[0] or not match(exchange):
                return False
            left[0] -= 1
        do(exchange)
        return True

    return fault


def always(match: Callable[[Exchange], bool], do: Callable[[Exchange], None]) -> Callable[[Exchange], bool]:
    """Do something to every request that matches."""

    def fault(exchange: Exchange) -> bool:
        if not match(exchange):
            return False
        do(exchange)
        return True

    return fault


def is_a(method: str, part: str = "") -> Callable[[Exchange], bool]:
    """Match requests of a method (empty: any) whose path has `part`."""
    return lambda exchange: method in {"", exchange.command} and part in exchange.path


def dead_after(count: int) -> Callable[[Exchange], bool]:
    """Serve `count` requests and drop every further one without reading it."""
    left = [count]
    lock = threading.Lock()

    def fault(exchange: Exchange) -> bool:
        with lock:
            left[0] -= 1
            if left[0] >= 0:
                return False
        exchange.cut()
        return True

    return fault
