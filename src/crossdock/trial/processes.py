"""The emulator as a process: ports that are free, a log in a file, and an end of all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from crossdock.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

#: A program by itself, not imported: it is what lives on for a moment when crossdock is killed.
_GUARD = Path(__file__).with_name("guard.py")

#: The only address that anything listens on.
LOOPBACK = "127.0.0.1"

#: Another process may take a port between our look and the emulator's start.
_ATTEMPTS = 5
#: Seconds that the emulator may take until it listens; half a second is usual, and machines are busy.
_START = 30.0
#: Seconds for it to end the runtime and itself; then it is killed with all that it started.
_END = 2.0
#: Seconds that the kernel may take to end what was killed; what sits in a system call takes longer.
_BURIAL = 5.0
#: Bytes of the log's end that are kept.
_LOG = 1 << 20
#: Fields of /proc/PID/stat behind the name: state, parent, group, session.
_SESSION = 3
#: A socket that listens, in /proc/net/tcp.
_LISTENS = "0A"


class Emulator:
    """A running emulator, listening on two ports of the loopback address; leave the context to end it.

    `command` starts the runtime, `environ` is all of its environment, `directory` its working directory. Raise
    `TrialError` (E-TRIAL-START) where it does not start.
    """

    def __init__(
        self,
        program: Path,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        directory: Path,
        log: Path,
    ) -> None:
        self._program = program
        self._command = command
        self._environ = environ
        self._directory = directory
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._emulator = 0
        #: The port that invocations go to.
        self.port = 0

    def __enter__(self) -> Self:
        for _attempt in range(_ATTEMPTS):
            self.port, runtime_api = free_ports()
            try:
                self._start(runtime_api)
                if self._listens(runtime_api):
                    return self
            except BaseException:
                self._end()
                raise
            self._end()
        raise TrialError(
            "AWS's emulator does not start",
            code="E-TRIAL-START",
            places=self.log().strip().splitlines()[-10:],
            hint="does this machine let programs listen on 127.0.0.1?",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The process that leads the session of all that is started: the guard, whose child the emulator is."""
        if self._process is None:
            raise RuntimeError("not started")  # a mistake in this program
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the emulator still runs, and its guard with it; only then the ports are its own."""
        return self._process is not None and not _has_ended(self._process.pid)

    def log(self) -> str:
        """Return the end of what the emulator and the function wrote."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LOG))
            return file.read().decode("utf-8", "replace")

    def _start(self, runtime_api: int) -> None:
        # Without both addresses it listens on all interfaces (facts on AWS's emulator, 1.170 of aws-sam-cli).
        words = [
            str(self._program),
            "--runtime-interface-emulator-address",
            f"{LOOPBACK}:{self.port}",
            "--runtime-api-address",
            f"{LOOPBACK}:{runtime_api}",
            *self._command,
        ]
        plan = {
            "command": [_text(word) for word in words],
            "environ": {_text(name): _text(value) for name, value in self._environ.items()},
            "directory": _text(self._directory),
            "end": _END,
            "burial": _BURIAL,
        }
        with self._log.open("wb") as log:
            # Isolated, without site and without variables: nothing of the function's decides what the guard does.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", os.fspath(_GUARD)],
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        given, told = self._process.stdin, self._process.stdout
        if given is None or told is None:
            raise AssertionError  # they were asked for
        with contextlib.suppress(BrokenPipeError):  # the guard ended; the log tells why
            given.write(json.dumps(plan).encode() + b"\n")
            given.flush()
        with told:
            self._emulator = int(told.readline() or 0)

    def _listens(self, runtime_api: int) -> bool:
        """Wait until the emulator listens on both ports; False where it ended instead.

        An answer of a port would not do: another process may have taken it, and would be told the event.
        """
        wanted = {(LOOPBACK, self.port), (LOOPBACK, runtime_api)}
        end = time.monotonic() + _START
        while self.is_running() and time.monotonic() < end:
            if wanted <= set(listening(self._emulator)):
                return True
            time.sleep(0.01)
        return False

    def _end(self) -> None:
        """Let the guard end the emulator, which ends the runtime, and whatever descends from them."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        end = time.monotonic() + _END + _BURIAL
        while not _has_ended(process.pid) and time.monotonic() < end:
            time.sleep(0.01)
        # There are some only where the guard itself was killed. Until `wait` nobody else gets its number.
        end = time.monotonic() + _BURIAL
        while (members := session_members(process.pid)) and time.monotonic() < end:
            for pid in members:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)
        process.wait()
        self._process = None


def _text(word: str | Path) -> str:
    """Return a word of the system's as JSON can have it: `guard.py` makes the same bytes of it."""
    return os.fsencode(word).decode("latin-1")


def _has_ended(pid: int) -> bool:
    """Tell whether a child ended, and leave it to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def free_ports() -> tuple[int, int]:
    """Return two ports of the loopback address that nobody listens on at this moment."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((LOOPBACK, 0))
        second.bind((LOOPBACK, 0))
        return first.getsockname()[1], second.getsockname()[1]


def session_members(session: int) -> list[int]:
    """Return the processes of a session, its leader among them, as /proc has them (proc(5))."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        if fields[0] != "Z" and int(fields[_SESSION]) == session:
            found.append(int(entry.name))
    return found


def listening(pid: int) -> list[tuple[str, int]]:
    """Return the addresses and TCP ports that a process listens on, as /proc has them (proc(5))."""
    inodes = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                inodes.add(entry.readlink().name)
        # A machine without IPv6 has no second table.
        tables = [path.read_text("ascii") for path in sorted(Path(f"/proc/{pid}/net").glob("tcp*"))]
    except OSError:
        return []  # it ended
    found = []
    for line in (line for table in tables for line in table.splitlines()[1:]):
        words = line.split()
        if words[3] == _LISTENS and f"socket:[{words[9]}]" in inodes:
            address, _colon, port = words[1].partition(":")
            found.append((_address(address), int(port, 16)))
    return found


def _address(text: str) -> str:
    """Return an address of /proc/net/tcp: words of 32 bits in hexadecimal, in this machine's order of bytes."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))
