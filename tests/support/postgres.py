"""A real PostgreSQL for one test: on loopback, with a cluster of its own, gone with the test.

with PostgreSQL() as server: server.url
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_START_SECONDS = 120
_STOP_SECONDS = 60


def _program(name: str) -> str | None:
    """Find a program of the server: Debian keeps each major version's apart from the PATH."""
    found = shutil.which(name)
    if found is not None:
        return found
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4])
    )
    return str(versions[-1]) if versions else None


@dataclass
class PostgreSQL:
    """A running server; `url` is what libpq connects to. Its files lie in a new directory below /tmp."""

    url: str = ""

    def __enter__(self) -> Self:
        initdb, postgres = _program("initdb"), _program("postgres")
        if initdb is None or postgres is None:
            pytest.skip("postgres is not installed (dev/setup installs it)")
        # Not below pytest's own directory: nobody but the user who runs pytest may pass through that.
        self._folder = Path(tempfile.mkdtemp(prefix="crossdock-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start(initdb, postgres)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self._process.terminate()  # SIGTERM waits for clients: there are none, or they are killed soon
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, initdb: str, postgres: str) -> None:
        data, log = self._folder / "data", self._folder / "log"
        user = _unprivileged()
        if user is not None:
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        options = {"cwd": self._folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}}
        if user is not None:
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        words = [initdb, "-D", str(data), "-U", "ledger", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        made = subprocess.run(words, capture_output=True, text=True, timeout=_START_SECONDS, **options)  # type: ignore[call-overload]
        assert made.returncode == 0, made.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        words = [postgres, "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]
        with log.open("wb") as output:
            # setpriv: it ends with the tests, however they end.
            words = ["setpriv", "--pdeathsig", "TERM", *words]
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options  # type: ignore[call-overload]
            )  # fmt: skip
        self._await(log)
        self.url = f"postgresql://ledger@127.0.0.1:{port}/postgres"

    def _await(self, log: Path) -> None:
        end = time.monotonic() + _START_SECONDS
        while "ready to accept connections" not in log.read_text(errors="replace"):
            said = log.read_text(errors="replace")[-2000:]
            assert self._process is not None
            assert self._process.poll() is None, f"postgres ended with {self._process.returncode}:\n{said}"
            assert time.monotonic() < end, f"postgres does not listen after {_START_SECONDS} s:\n{said}"
            time.sleep(0.05)


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom the server runs as where this is root, which PostgreSQL refuses: its package's user, or nobody."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("postgres does not run as root, and there is no user to run it as")
