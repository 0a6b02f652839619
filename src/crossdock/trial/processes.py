"""The emulator as a process: ports that are free, a log in a file, and an end of all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from crossdock.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

#: The only address that anything listens on.
LOOPBACK = "127.0.0.1"

#: Another process may take a port between our look and the emulator's start.
_ATTEMPTS = 5
#: Seconds that the emulator may take until it listens; half a second is usual, and machines are busy.
_START = 30.0
#: Seconds for it to end the runtime and itself; then it is killed with all that it started.
_END = 2.0
#: Bytes of the log's end that are kept.
_LOG = 1 << 20
#: Fields of /proc/PID/stat behind the name: state, parent, group, session.
_SESSION = 3


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
        #: The port that invocations go to.
        self.port = 0

    def __enter__(self) -> Self:
        for _attempt in range(_ATTEMPTS):
            self.port, runtime_api = free_ports()
            try:
                self._start(runtime_api)
                if self._listens():
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
        """The emulator's process; it leads a session of its own."""
        if self._process is None:
            raise RuntimeError("not started")  # a mistake in this program
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the emulator still runs; only then the ports are its own."""
        return self._process is not None and self._process.poll() is None

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
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words,
                env=dict(self._environ),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _listens(self) -> bool:
        """Wait until the port answers; False where the emulator ended instead."""
        end = time.monotonic() + _START
        while self.is_running() and time.monotonic() < end:
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                # Somebody else's port is none of ours: then it could not listen, and ends.
                return self.is_running()
        return False

    def _end(self) -> None:
        """End the emulator, which ends the runtime; then whatever of its session is left."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END)
        # Its children lead process groups of their own, but in its session.
        for pid in session_members(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self._process = None


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
