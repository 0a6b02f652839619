"""A package index on loopback: the simple repository API over a directory of wheels and source distributions."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class LoopbackIndex:
    """Serves `directory` at `url` (PEP 503 and 691) with metadata files (PEP 658) until closed.

    `login` asks for basic authentication; `only_html` refuses to speak JSON; `metadata` False leaves PEP 658
    out, `ranges` False gives files whole only; `yanked` maps file names to reasons; `requires_python` maps file names to specifiers, for what the
    wheel's own metadata does not say. `requests` is the log.
    """

    directory: Path
    login: tuple[str, str] | None = None
    only_html: bool = False
    metadata: bool = True
    ranges: bool = True
    yanked: Mapping[str, str] = field(default_factory=dict)
    requires_python: Mapping[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        index: LoopbackIndex = self

        class Handler(_Handler):
            served = index

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The index URL, without login."""
        return f"{self.origin}/simple/"

    @property
    def url_with_login(self) -> str:
        """The index URL with user and password in it."""
        assert self.login is not None
        return self.url.replace("://", f"://{quote(self.login[0])}:{quote(self.login[1])}@")

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [request.path for request in self.requests]

    def uv_environ(self, cache: Path) -> dict[str, str]:
        """Return variables that let uv see this index only, with a cache of its own."""
        return {
            "UV_DEFAULT_INDEX": self.url_with_login if self.login else self.url,
            "UV_CACHE_DIR": str(cache),
            # Nobody's own configuration counts in a test.
            "HOME": str(cache),
            "XDG_CONFIG_HOME": str(cache),
            "UV_NO_SYSTEM_CONFIG": "1",
            "UV_HTTP_TIMEOUT": "20",
            "PATH": "/usr/bin:/bin",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def files(self, project: str) -> list[Path]:
        """Return the files of a project by its normalized name."""
        return [
            path
            for path in sorted(self.directory.iterdir())
            if path.suffix in (".whl", ".gz", ".zip") and project_of(path.name) == project
        ]

    def projects(self) -> list[str]:
        """Return the normalized names of all projects."""
        return sorted({project_of(path.name) for path in self.directory.iterdir() if path.is_file()})

    def entry(self, path: Path) -> dict[str, Any]:
        """Return one file as PEP 691 describes it."""
        data = path.read_bytes()
        entry: dict[str, Any] = {
            "filename": path.name,
            "url": f"../../files/{quote(path.name)}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "size": len(data),
            "yanked": self.yanked.get(path.name, False),
            "upload-time": "2026-01-02T03:04:05.000000Z",
        }
        requires = self.requires_python.get(path.name) or _requires_python(path)
        if requires:
            entry["requires-python"] = requires
        metadata = wheel_metadata(path) if self.metadata else None
        if metadata is not None:
            entry["core-metadata"] = {"sha256": hashlib.sha256(metadata).hexdigest()}
        return entry


def project_of(filename: str) -> str:
    """Return the normalized project name of a wheel's or source distribution's file name."""
    name = filename.partition("-")[0] if filename.endswith(".whl") else filename.rsplit("-", 1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def wheel_metadata(path: Path) -> bytes | None:
    """Return a wheel's METADATA, None for other files."""
    if path.suffix != ".whl":
        return None
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _requires_python(path: Path) -> str | None:
    metadata = wheel_metadata(path)
    found = re.search(rb"(?m)^Requires-Python: (.+)$", metadata) if metadata else None
    return found[1].decode() if found else None


class _Handler(BaseHTTPRequestHandler):
    served: LoopbackIndex
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        index = self.served
        path = unquote(urlsplit(self.path).path)
        index.requests.append(Request(self.command, path, dict(self.headers.items())))
        if index.login is not None and not self._logged_in(index.login):
            self._send(401, b"login", "text/plain", {"WWW-Authenticate": 'Basic realm="tests"'})
        elif path == "/simple/":
            self._page(
                {"projects": [{"name": name} for name in index.projects()]}, self._links(index.projects())
            )
        elif path.startswith("/simple/"):
            self._project(path.removeprefix("/simple/").strip("/"))
        elif path.startswith("/files/"):
            self._file(path.removeprefix("/files/"))
        else:
            self._send(404, b"not found", "text/plain")

    def _logged_in(self, login: tuple[str, str]) -> bool:
        wanted = base64.b64encode(":".join(login).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _links(self, names: list[str]) -> str:
        return "".join(f'<a href="{name}/">{name}</a>\n' for name in names)

    def _project(self, name: str) -> None:
        files = self.served.files(name)
        if not files:
            self._send(404, b"no such project", "text/plain")
            return
        entries = [self.served.entry(path) for path in files]
        self._page({"name": name, "files": entries}, "".join(map(_anchor, entries)))

    def _page(self, values: dict[str, Any], anchors: str) -> None:
        if JSON_TYPE in self.headers.get("Accept", "") and not self.served.only_html:
            body = json.dumps({"meta": {"api-version": "1.1"}, **values}).encode()
            self._send(200, body, JSON_TYPE)
        else:
            self._send(200, f"<!DOCTYPE html><html><body>\n{anchors}</body></html>".encode(), "text/html")

    def _file(self, name: str) -> None:
        path = self.served.directory / name.removesuffix(".metadata")
        if "/" in name or not path.is_file():
            self._send(404, b"no such file", "text/plain")
            return
        content = wheel_metadata(path) if name.endswith(".metadata") else path.read_bytes()
        if content is None or (name.endswith(".metadata") and not self.served.metadata):
            self._send(404, b"no metadata", "text/plain")
            return
        start = self._range_start(len(content))
        if start is None:
            self._send(200, content, "application/octet-stream", {"Accept-Ranges": "bytes"})
        else:
            where = {"Content-Range": f"bytes {start[0]}-{start[1] - 1}/{len(content)}"}
            self._send(206, content[start[0] : start[1]], "application/octet-stream", where)

    def _range_start(self, size: int) -> tuple[int, int] | None:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if match is None or not any(match.groups()) or not self.served.ranges:
            return None
        if not match[1]:
            return (max(0, size - int(match[2])), size)
        return (int(match[1]), min(size, int(match[2]) + 1) if match[2] else size)

    def _send(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _anchor(entry: dict[str, Any]) -> str:
    attributes = {"href": f"{entry['url']}#sha256={entry['hashes']['sha256']}"}
    if "requires-python" in entry:
        attributes["data-requires-python"] = entry["requires-python"]
    if entry["yanked"]:
        attributes["data-yanked"] = str(entry["yanked"])
    if "core-metadata" in entry:
        attributes["data-core-metadata"] = f"sha256={entry['core-metadata']['sha256']}"
    text = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a{text}>{entry['filename']}</a>\n"
