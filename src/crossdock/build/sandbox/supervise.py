"""Run one command under limits: its output to a log, its tree of processes watched, and killed as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from crossdock.build.sandbox import watch
from crossdock.build.sandbox.logfile import open_log
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossdock.build.sandbox.model import Limits

#: Seconds between two looks at memory and processes.
_INTERVAL = 0.5

#: Seconds that dead processes may take to vanish.
_BURIAL = 20

#: Bytes of output that a log takes from one command: a build that prints without end must not fill the disk.
LOG_LIMIT = 256 << 20

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


@dataclass(kw_only=True)
class Job:
    """A command as the host runs it.

    `descriptors` are given to the command and closed here. `status` is the end of a pipe from which bubblewrap's JSON
    lines are read (the first process inside, the exit status), `gate` that of one on which it waits for a byte before
    it goes on: between the two the limits are set.
    """

    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    limits: Limits
    what: str
    cwd: str | None = None
    descriptors: Sequence[int] = ()
    status: int | None = None
    gate: int | None = None


@dataclass(slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    #: The first process inside and a descriptor of it: when that is dead, the kernel has killed all of its namespace.
    first: int | None = None
    handle: int | None = None
    said: bytes = field(default=b"")
    buried: bool = False


def stop_all() -> None:
    """Kill every command that runs in a sandbox of this process; their `run` returns 137.

    For a caller that runs builds in threads: only the main thread gets a KeyboardInterrupt.
    """
    with _lock:
        for process in list(_running):
            _signal_group(process)


def supervise(job: Job) -> int | None:
    """Run `job` and return its exit status; nothing that it started is left when this returns or raises.

    None: `job.status` told of no exit status, so the sandbox could not be made or was killed from outside.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reader)
        for end in (job.status, job.gate):
            if end is not None:
                stack.callback(os.close, end)
        log = stack.enter_context(open_log(job.log))
        try:
            process = subprocess.Popen(
                list(job.command),
                env=dict(job.environ),
                cwd=job.cwd,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                pass_fds=tuple(job.descriptors),
                start_new_session=True,
                umask=0o022,
            )
        finally:
            for descriptor in (writer, *job.descriptors):
                os.close(descriptor)
        started = _Started(process)
        stack.callback(_kill, started)
        with _lock:
            _running.add(process)
        stack.callback(_running.discard, process)
        _hold_to_limits(started, job)
        status = _follow(started, reader, log, job)
        if job.status is not None:
            return _exit_code(started, job.status)
    return status if status >= 0 else 128 - status


def _hold_to_limits(started: _Started, job: Job) -> None:
    if job.status is None or job.gate is None:
        return
    while b"\n" not in started.said:
        more = os.read(job.status, 4096)
        if not more:
            return
        started.said += more
    import resource  # there is none on Windows

    first = json.loads(started.said.splitlines()[0])["child-pid"]
    with contextlib.suppress(ProcessLookupError, BrokenPipeError):
        started.handle = os.pidfd_open(first)
        started.first = first
        _limit(first, resource.RLIMIT_FSIZE, job.limits.file_size)
        _limit(first, resource.RLIMIT_CORE, 0)
        if _counts_by_namespace():
            # More than the limit, and it counts threads too: the count that ends the build is ours, this one only
            # stops a fork bomb between two looks.
            _limit(first, resource.RLIMIT_NPROC, 4 * job.limits.processes + 1024)
        os.write(job.gate, b"\0")


def _limit(pid: int, what: int, most: int) -> None:
    import resource

    hard = _limits_of(pid, what)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.prlimit(pid, what, (value, value))


def _limits_of(pid: int, what: int) -> tuple[int, int]:
    """Return a process's limits; a bwrap that is set-uid gives up its rights a moment after it has started."""
    import resource

    end = time.monotonic() + _INTERVAL
    while True:
        try:
            return resource.prlimit(pid, what)
        except PermissionError as error:
            if time.monotonic() > end:
                raise BuildError(
                    "the sandbox's first process takes no limits from us",
                    code="E-BUILD-SANDBOX",
                    places=[str(error)],
                ) from error
            time.sleep(0.01)


def _counts_by_namespace() -> bool:
    """Whether RLIMIT_NPROC counts a user's processes by user namespace, not all that the user has (Linux 5.14)."""
    version = os.uname().release.split(".")
    try:
        return (int(version[0]), int(version[1])) >= (5, 14)
    except (ValueError, IndexError):
        return False


def _follow(started: _Started, reader: int, log: BinaryIO, job: Job) -> int:
    """Copy the output and keep watch until the command ends."""
    process, limits = started.process, job.limits
    now = time.monotonic()
    deadline, look = now + limits.seconds, now + _INTERVAL
    output = _Output(reader, log)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        selector.register(reader, selectors.EVENT_READ)
        longest = 0.02
        if hasattr(os, "pidfd_open"):
            ended = os.pidfd_open(process.pid)
            stack.callback(os.close, ended)
            selector.register(ended, selectors.EVENT_READ)
            longest = _INTERVAL
        while True:
            events = selector.select(max(0.0, min(longest, deadline - now, look - now)))
            if any(key.fd == reader for key, _ in events) and not output.copy():
                selector.unregister(reader)
            status = process.poll()
            if status is not None:
                _kill(started)
                output.drain()
                return status
            now = time.monotonic()
            if now >= deadline:
                _refuse(job, "E-BUILD-TIMEOUT", f"ran longer than {limits.seconds:g} seconds")
            if now >= look:
                _check(started.first or process.pid, job)
                look = time.monotonic() + _INTERVAL


class _Output:
    """What a command prints, on its way to the log."""

    def __init__(self, reader: int, log: BinaryIO) -> None:
        self._reader = reader
        self._log = log
        self._room = LOG_LIMIT

    def copy(self) -> bool:
        """Copy what is there; False at the end of the output."""
        try:
            data = os.read(self._reader, 1 << 16)
        except BlockingIOError:
            return True
        if self._room > 0:
            self._log.write(data[: self._room])
            self._room -= len(data)
            if self._room <= 0:
                self._log.write(b"\n[the rest of the output is left out]\n")
        return bool(data)

    def drain(self) -> None:
        """Copy what the pipe holds now that the command is dead; what else holds the pipe open is not waited for."""
        for _ in range(64):  # a pipe holds 64 KiB, at most 1 MiB
            try:
                data = os.read(self._reader, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                return
            if self._room > 0:
                self._log.write(data[: self._room])
                self._room -= len(data)


def _check(root: int, job: Job) -> None:
    there, limits = watch.tree(root), job.limits
    if len(there) > limits.processes:
        _refuse(job, "E-BUILD-PROCESSES", f"has more than {limits.processes} processes")
    if watch.memory(there, limits.memory) > limits.memory:
        _refuse(job, "E-BUILD-MEMORY", f"uses more than {limits.memory >> 20} MiB of memory")


def _refuse(job: Job, code: str, what: str) -> NoReturn:
    hints = {
        "E-BUILD-TIMEOUT": "the log tells what it did last; if it was only slow, raise `seconds` in [tool.crossdock.build]",
        "E-BUILD-MEMORY": "give builds fewer `--jobs`, or raise `memory` in [tool.crossdock.build]",
        "E-BUILD-PROCESSES": "give builds fewer `--jobs`",
    }
    raise BuildError(
        f"the build was ended: `{job.what}` {what}", code=code, places=[str(job.log)], hint=hints[code]
    )


def _exit_code(started: _Started, status: int) -> int | None:
    """Return the status that bubblewrap tells of, None if it tells of none."""
    os.set_blocking(status, False)
    with contextlib.suppress(BlockingIOError):
        while more := os.read(status, 4096):
            started.said += more
    for line in started.said.splitlines()[1:]:
        code = json.loads(line).get("exit-code")
        if isinstance(code, int):
            return code
    return None


def _signal_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill(started: _Started) -> None:
    """Kill the command with all that it started, and wait until they are gone."""
    if started.buried:
        return
    process = started.process
    if started.handle is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(started.handle, signal.SIGKILL)
    elif process.poll() is None:
        for pid in reversed(watch.tree(process.pid)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    _signal_group(process)
    process.wait()
    if started.handle is not None:
        with selectors.DefaultSelector() as selector:
            selector.register(started.handle, selectors.EVENT_READ)
            selector.select(_BURIAL)
        os.close(started.handle)
        started.handle = None
    started.buried = True
