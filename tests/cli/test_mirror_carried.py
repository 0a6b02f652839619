"""Wheelhouses on their way: delta bundles over a gap, and served to real clients, with TLS and a login."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tarfile
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_mirror import (
    ALL,
    PIP,
    clean,
    consistent,
    contents,
    for_here,
    installs,
    locked,
    mirror,
    uv,
)
from tests.cli.world import CROSSDOCK, native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.world import World

__all__ = ["for_here", "locked"]

# Delta bundles


@pytest.fixture
def grown(locked: World) -> World:
    """`far` is a wheelhouse as it was; `wh` has a newer version, and `delta.tar` what is new."""
    mirror(locked)
    shutil.copytree(locked.work / "wh", locked.work / "far")
    native(locked.files, "lib", "1.2")
    locked.run("lock", "app", *ALL, "-o", "pylock.toml", "--upgrade")
    mirror(locked, "--delta", "delta.tar", "--since", "far/manifest.json")
    return locked


def members(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_a_delta_has_what_is_new_and_brings_the_other_side_up_to_date(grown: World) -> None:
    names = members(grown.work / "delta.tar")
    assert names[0] == "manifest.json"
    wheels = [name for name in names if name.endswith(".whl")]
    assert len(wheels) == 3
    assert all("lib-1.2" in name for name in wheels)
    done = grown.run("mirror", "import", "delta.tar", "-o", "far")
    assert "3 new" in done.stderr
    assert contents(grown.work / "far") == contents(grown.work / "wh")
    consistent(grown.work / "far")
    # Once more changes nothing.
    assert "nothing changed" in grown.run("mirror", "import", "delta.tar", "-o", "far").stderr


def test_a_delta_is_the_same_bytes_again(grown: World) -> None:
    grown.run(
        "mirror", "pylock.toml", *ALL, "-o", "wh", "--delta", "again.tar", "--since", "far/manifest.json"
    )
    assert (grown.work / "again.tar").read_bytes() == (grown.work / "delta.tar").read_bytes()
    with tarfile.open(grown.work / "delta.tar") as tar:
        for member in tar:
            assert (member.mode, member.uid, member.gid, member.uname, member.mtime) == (
                0o644,
                0,
                0,
                "",
                315_532_800,
            )


def test_a_whole_delta_makes_a_wheelhouse_of_nothing(grown: World) -> None:
    grown.run("mirror", "pylock.toml", *ALL, "-o", "wh", "--delta", "all.tar", "--prune")
    grown.run("mirror", "import", "all.tar", "-o", "new")
    assert contents(grown.work / "new") == contents(grown.work / "wh")


def test_a_delta_for_another_state_is_refused(grown: World) -> None:
    said = grown.refused("mirror", "import", "delta.tar", "-o", "empty", code="E-WHEELHOUSE-DELTA")
    assert "app-1.0-py3-none-any.whl" in said
    assert "--since" in said
    assert not list((grown.work / "empty").iterdir())


def test_an_import_keeps_what_the_other_side_has_besides(grown: World) -> None:
    grown.run("lock", "fancy", *ALL, "-o", "pylock.own.toml")
    mirror(grown, source="pylock.own.toml", out="far")
    grown.run("mirror", "import", "delta.tar", "-o", "far")
    assert "files/fancy/fancy-1.0-py3-none-any.whl" in consistent(grown.work / "far")
    assert set(json.loads((grown.work / "far" / "manifest.json").read_bytes())["locks"]) == {"", "own"}


def rewritten(
    path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: Any = None
) -> None:
    """Write a tar again with each member changed, and one more."""
    with tarfile.open(path) as tar:
        held = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for name, content in [*held, *([extra] if extra else [])]:
            changed = change(name, content)
            if changed is not None:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                tar.addfile(info, io.BytesIO(changed[1]))


def same(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content


@pytest.mark.parametrize(
    ("change", "extra"),
    [
        (lambda name, content: (name, content + b"!" if name.endswith(".whl") else content), None),
        (lambda name, content: (name, content[:-1] if name.endswith(".whl") else content), None),
        (lambda name, content: (name, b"Name: evil\n" if name.endswith(".metadata") else content), None),
        (lambda name, content: None if name.endswith(".whl") else (name, content), None),
        (lambda name, content: None if name.startswith("pylock") else (name, content), None),
        (lambda name, content: None if name == "manifest.json" else (name, content), None),
        (same, ("files/lib/evil-1.0-py3-none-any.whl", b"x")),
        (same, ("simple/lib/index.html", b"<a href=evil>")),
        (same, ("../outside", b"x")),
        (same, ("/etc/outside", b"x")),
        (same, ("pylock.toml", b"twice")),
    ],
)
def test_a_damaged_or_hostile_delta_changes_nothing(grown: World, change: Any, extra: Any) -> None:
    before = contents(grown.work / "far")
    rewritten(grown.work / "delta.tar", change, extra)
    done = grown.run("mirror", "import", "delta.tar", "-o", "far", status=1)
    assert "[E-" in done.stderr
    assert contents(grown.work / "far") == before


LOCK = """lock-version = "1.0"
created-by = "evil"
[[packages]]
name = "lib"
version = "1.2"
"""
HASH = f'hashes = {{ sha256 = "{"0" * 64}" }}'


def with_lock(path: Path, lock: bytes | None, *, told: bool = True) -> None:
    """Give a delta another lock, and a manifest that names it."""
    with tarfile.open(path) as tar:
        table = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    table["locks"][""]["sha256"] = hashlib.sha256(lock or b"").hexdigest()
    if not told:
        del table["locks"][""]["sha256"]
    new = {"manifest.json": json.dumps(table).encode(), **({} if lock is None else {"pylock.toml": lock})}
    rewritten(path, lambda name, content: (name, new.get(name, content)))


@pytest.mark.parametrize(
    "lock",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"x = " + b"9" * 10_000,
        b"lock-version = '1.0'\n",
        f"{LOCK}wheels = [{{ path = 'files/lib/lib-9-py3-none-any.whl', {HASH} }}]".encode(),
        f"{LOCK}wheels = [{{ path = '../lib-1.2-py3-none-any.whl', {HASH} }}]".encode(),
        f"{LOCK}sdist = {{ path = 'files/lib/lib-9.tar.gz', {HASH} }}".encode(),
        f"{LOCK}archive = {{ path = 'files/lib/lib-9.tar.gz', {HASH} }}".encode(),
        f"{LOCK}directory = {{ path = '/etc' }}".encode(),
        f"{LOCK}vcs = {{ type = 'git', url = 'https://git.example.com/x', commit-id = '{'0' * 40}' }}".encode(),
    ],
)
def test_a_delta_with_a_lock_that_is_none_of_the_wheelhouse_changes_nothing(
    grown: World, lock: bytes
) -> None:
    before = contents(grown.work / "far")
    with_lock(grown.work / "delta.tar", lock)
    said = grown.refused("mirror", "import", "delta.tar", "-o", "far", code="E-WHEELHOUSE-DELTA")
    assert "`pylock.toml` in it" in said
    assert contents(grown.work / "far") == before


def test_locks_of_a_delta_are_hashed(grown: World) -> None:
    path = grown.work / "delta.tar"
    good = path.read_bytes()
    rewritten(path, lambda name, content: (name, content + b"\n" if name == "pylock.toml" else content))
    said = grown.refused("mirror", "import", "delta.tar", "-o", "far", code="E-WHEELHOUSE-DELTA")
    assert "`pylock.toml` is damaged" in said
    path.write_bytes(good)
    with_lock(path, None, told=False)
    said = grown.refused("mirror", "import", "delta.tar", "-o", "far", code="E-WHEELHOUSE-DELTA")
    assert "names no sha256 of `pylock.toml`" in said


def test_a_lock_that_was_changed_in_the_wheelhouse_is_not_carried_on(grown: World) -> None:
    lock = grown.work / "wh" / "pylock.other.toml"
    grown.run("lock", "fancy", *ALL, "-o", "pylock.other.toml")
    mirror(grown, source="pylock.other.toml")
    lock.write_text(lock.read_text() + "\n")
    words = ["mirror", "pylock.toml", *ALL, "-o", "wh", "--delta", "x.tar"]
    assert "pylock.other.toml" in grown.refused(*words, code="E-WHEELHOUSE-DAMAGED")


def test_a_wheelhouse_of_before_tells_the_hashes_of_its_locks(grown: World) -> None:
    path = grown.work / "wh" / "manifest.json"
    table = json.loads(path.read_bytes())
    del table["locks"][""]["sha256"]
    path.write_text(json.dumps(table))
    grown.run("mirror", "-o", "wh", "--prune", "--delta", "x.tar", "--since", "far/manifest.json")
    grown.run("mirror", "import", "x.tar", "-o", "far")


@pytest.mark.parametrize("keep", [0, 100, 512, 5000, -1])
def test_a_delta_that_was_cut_changes_nothing(grown: World, keep: int) -> None:
    before = contents(grown.work / "far")
    path = grown.work / "delta.tar"
    path.write_bytes(path.read_bytes()[: keep if keep >= 0 else -11_000])
    grown.run("mirror", "import", "delta.tar", "-o", "far", status=1)
    assert contents(grown.work / "far") == before


def test_a_delta_with_a_link_in_it_is_refused(grown: World) -> None:
    before = contents(grown.work / "far")
    with tarfile.open(grown.work / "delta.tar", "a") as tar:
        link = tarfile.TarInfo("files/lib/link.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    grown.run("mirror", "import", "delta.tar", "-o", "far", status=1)
    assert contents(grown.work / "far") == before


def test_wrong_words_for_an_import(grown: World) -> None:
    grown.refused("mirror", "import", "-o", "far", code="E-WHEELHOUSE-IMPORT", status=2)
    grown.refused("mirror", "import", "none.tar", "-o", "far", code="E-WHEELHOUSE-IMPORT", status=2)
    grown.refused("mirror", "import", "delta.tar", code="E-WHEELHOUSE-OUTPUT", status=2)
    grown.refused(
        "mirror", "pylock.toml", *ALL, "-o", "wh", "--since", "x", code="E-WHEELHOUSE-DELTA-OPTION", status=2
    )


def odd(world: World, name: str) -> str:
    """Something that is no file: one hangs whoever opens it, one never ends."""
    if name == "fifo":
        os.mkfifo(world.work / "fifo")
    return name


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "."])
def test_what_is_no_file_is_not_waited_for(grown: World, name: str) -> None:
    path = odd(grown, name)
    before = contents(grown.work / "far")
    said = grown.refused(
        "mirror", "import", path, "-o", "far", code="E-WHEELHOUSE-IMPORT", status=2, timeout=30
    )
    assert "no regular file" in said
    words = ["mirror", "pylock.toml", *ALL, "-o", "wh", "--delta", "x.tar", "--since", path]
    grown.refused(*words, code="E-WHEELHOUSE-READ", status=2, timeout=30)
    assert not (grown.work / "x.tar").exists()
    assert contents(grown.work / "far") == before


def test_a_manifest_is_never_read_without_end(grown: World) -> None:
    with (grown.work / "huge").open("wb") as file:
        file.truncate(300 << 20)
    words = ["mirror", "pylock.toml", *ALL, "-o", "wh", "--delta", "x.tar", "--since", "huge"]
    assert "larger than 256 MiB" in grown.refused(*words, code="E-WHEELHOUSE-READ", status=2)


@pytest.mark.parametrize("name", ["pylock.toml", "simple/index.html", "manifest.json"])
def test_no_fifo_in_a_wheelhouse_is_waited_for(grown: World, name: str) -> None:
    path = grown.work / "wh" / name
    path.unlink()
    os.mkfifo(path)
    grown.run("mirror", "pylock.toml", *ALL, "-o", "wh", timeout=30)
    assert path.is_file()


# Served


@contextmanager
def serving(world: World) -> Iterator[str]:
    """Run `mirror --serve` and give the address that it tells."""
    process = world.popen("mirror", "-o", "wh", "--serve")
    try:
        assert process.stderr is not None
        while "serving http" not in (line := process.stderr.readline()):
            assert line, "it ended"
        yield line.split()[1]
        process.send_signal(2)
        _out, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "Traceback" not in said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def answer(url: str, accept: str | None = None) -> tuple[str, bytes]:
    request = urllib.request.Request(url, headers={} if accept is None else {"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as found:
        return found.headers["Content-Type"], found.read()


def test_serve_negotiates_and_clients_install(for_here: World) -> None:
    with serving(for_here) as url:
        assert url.startswith("http://127.0.0.1:")
        kind, page = answer(f"{url}here/", "application/vnd.pypi.simple.v1+json")
        assert kind == "application/vnd.pypi.simple.v1+json"
        assert json.loads(page)["name"] == "here"
        for accept in (None, "text/html", "application/vnd.pypi.simple.v1+json;q=0.2, text/html"):
            kind, page = answer(f"{url}here/", accept)
            assert kind.startswith("text/html")
            assert b"<a " in page
        with pytest.raises(urllib.error.HTTPError):
            answer(f"{url}nothing/")
        with pytest.raises(urllib.error.HTTPError):
            answer(f"{url}../../pylock.toml/../../x")
        installs(for_here, [*PIP, "--index-url", url, "here"])
        installs(for_here, [*uv(), "--default-index", url, "here"])


def test_a_client_that_hangs_up_is_no_news(for_here: World) -> None:
    process = for_here.popen("mirror", "-o", "wh", "--serve")
    try:
        assert process.stderr is not None
        while "serving http" not in (line := process.stderr.readline()):
            assert line, "it ended"
        url = line.split()[1]
        host, port = url.split("/")[2].split(":")
        for said in (b"GET /simple/", b"GET /simple/ HTTP/1.1\r\nHost: x\r\n\r\n") * 5:
            with socket.create_connection((host, int(port)), timeout=10) as client:
                client.sendall(said)
                # A reset instead of a farewell.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for _ in range(5):
            assert answer(f"{url}here/")[1]
        process.send_signal(2)
        _out, told = process.communicate(timeout=30)
        assert told.strip() == "stopped"
    finally:
        process.kill()
        process.communicate()


class _Private(SimpleHTTPRequestHandler):
    """A plain static server that wants a login."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(b"ada:secret").decode()
        if self.headers.get("Authorization") == wanted:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="wheels"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def private(for_here: World) -> Iterator[tuple[World, str, Path]]:
    """The wheelhouse on a static server with TLS and a login; its URL, and the authority to trust."""
    certificate, key = for_here.root / "cert.pem", for_here.root / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Private, directory=str(for_here.work / "wh")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield for_here, f"https://ada:secret@localhost:{server.server_port}/simple/", certificate
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_static_server_with_tls_and_a_login(private: tuple[World, str, Path]) -> None:
    world, url, certificate = private
    trust = {"SSL_CERT_FILE": str(certificate), "PIP_CERT": str(certificate)}
    installs(world, [*PIP, "--index-url", url, "here"], **trust)
    installs(world, [*uv(), "--default-index", url, "here"], **trust)
    done = subprocess.run(
        [CROSSDOCK, "install", "here", "--for", "cp312-windows-amd64", "--target", "c", "--index-url", url],
        cwd=world.work,
        env=clean(world, **trust, CROSSDOCK_STORE=str(world.root / "empty")),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (world.work / "c" / "there.py").is_file()
