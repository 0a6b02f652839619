"""Run one command under limits: its output to a log, its tree of processes watched, and killed as a whole."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossdock.build.sandbox.model import Limits

#: Seconds between two looks at memory and processes.
_INTERVAL = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(kw_only=True)
class Job:
    """A command as the host runs it. `ready` is called with the process before anything is waited for."""

    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    limits: Limits
    what: str
    cwd: str | None = None
    descriptors: Sequence[int] = ()
    ready: Callable[[subprocess.Popen[bytes]], None] | None = None
    output: list[BinaryIO] = field(default_factory=list)


def supervise(job: Job) -> int:
    """Run `job` and return its exit status; nothing that it started is left when this returns or raises."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
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
            preexec_fn=_limiter(job.limits),  # noqa: PLW1509  it only calls setrlimit and umask
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        with job.log.open("ab", buffering=0) as log:
            if job.ready is not None:
                job.ready(process)
            status = _follow(process, reader, log, job)
    finally:
        _kill(process)
        os.close(reader)
    return status if status >= 0 else 128 - status


def _limiter(limits: Limits) -> Callable[[], None]:
    size = limits.file_size

    def limit() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.umask(0o022)

    return limit


def _follow(process: subprocess.Popen[bytes], reader: int, log: BinaryIO, job: Job) -> int:
    """Copy the output and keep watch until the command ends."""
    deadline = time.monotonic() + job.limits.seconds
    look = time.monotonic() + _INTERVAL
    selector = selectors.DefaultSelector()
    with selector, contextlib.ExitStack() as stack:
        selector.register(reader, selectors.EVENT_READ)
        if hasattr(os, "pidfd_open"):
            ended = os.pidfd_open(process.pid)
            stack.callback(os.close, ended)
            selector.register(ended, selectors.EVENT_READ)
            longest = _INTERVAL
        else:
            longest = 0.02
        while True:
            now = time.monotonic()
            events = selector.select(max(0.0, min(longest, deadline - now, look - now)))
            if any(key.fd == reader for key, _ in events) and not _copy(reader, log):
                selector.unregister(reader)
            status = process.poll()
            if status is not None:
                _kill(process)
                while _copy(reader, log):
                    pass
                return status
            now = time.monotonic()
            if now >= deadline:
                raise BuildError(
                    f"{job.what} ran longer than {job.limits.seconds:g} seconds",
                    code="E-BUILD-TIMEOUT",
                    places=[str(job.log)],
                    hint="raise the limit if the build is not stuck; the log tells what it did last",
                )
            if now >= look:
                _check(process.pid, job)
                look = time.monotonic() + _INTERVAL


def _copy(reader: int, log: BinaryIO) -> bool:
    try:
        data = os.read(reader, 1 << 16)
    except BlockingIOError:
        return False
    log.write(data)
    return bool(data)


def _check(root: int, job: Job) -> None:
    there = tree(root)
    if len(there) > job.limits.processes:
        raise BuildError(
            f"{job.what} has more than {job.limits.processes} processes",
            code="E-BUILD-PROCESSES",
            places=[str(job.log)],
            hint="give the build fewer jobs, or raise the limit",
        )
    used = sum(_resident(pid) for pid in there)
    if used > job.limits.memory and sum(_proportional(pid) for pid in there) > job.limits.memory:
        raise BuildError(
            f"{job.what} uses more than {job.limits.memory >> 20} MiB of memory",
            code="E-BUILD-MEMORY",
            places=[str(job.log)],
            hint="give the build fewer jobs, or raise the limit",
        )


def tree(root: int) -> list[int]:
    """Return `root` and all that descends from it."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208  hundreds of names, twice a second
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    parent = int(Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()[1])
                    children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path("/proc", str(pid), "statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """The process's share of memory: pages that many have are counted once in all."""
    try:
        for line in Path("/proc", str(pid), "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    except (OSError, IndexError, ValueError):
        return _resident(pid)
    return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command, what descends from it, and its session."""
    there = tree(process.pid) if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in reversed(there):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
