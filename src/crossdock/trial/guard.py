"""Run one command and leave nothing of it behind: `python -I -S guard.py`, for as long as standard input is open.

A program by itself, with the standard library alone, for Linux. Standard input gives one line of JSON (`processes.py`
writes it); the command's process is told as a line on standard output. When standard input ends, because the trial is
over or because crossdock was killed, or when the command ends, all that descends from it is ended, whatever session
it moved to: orphans become this process's own (PR_SET_CHILD_SUBREAPER), so that every one of them can be found.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Signals that ask this process to end: it does so by ending the command first.
_ASKED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
#: Ignored by Python, and by what it starts unless it is told (signal(7)).
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
#: Fields of /proc/PID/stat behind the name: state, parent.
_PARENT = 1

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Do what the line says; raise `OSError` where the kernel refuses, `ValueError` for another line."""
    with os.fdopen(0, "rb", buffering=0, closefd=False) as given:
        line = given.readline()
    if not line.endswith(b"\n"):
        return  # who started this is gone
    plan = json.loads(line)
    woken = _wake_on_signals()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _become(plan)
    try:
        os.write(1, b"%d\n" % child)
        os.close(1)
        _wait(child, woken)
    finally:
        _end(child, plan["end"], plan["burial"])


def _wake_on_signals() -> int:
    """Return a descriptor that has the number of each signal that came."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*_ASKED, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)
    return reader


def _become(plan: dict[str, Any]) -> NoReturn:
    """Turn a fresh child into the command: it writes to the log, reads nothing, and dies with this process."""
    parent = os.getppid()
    try:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)  # it was killed before it could be asked to
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        os.chdir(_bytes(plan["directory"]))
        command = [_bytes(word) for word in plan["command"]]
        environ = {_bytes(name): _bytes(value) for name, value in plan["environ"].items()}
        os.execve(command[0], command, environ)  # noqa: S606  what it is for
    except OSError as error:
        os.write(2, f"cannot start {plan['command'][0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _bytes(text: str) -> bytes:
    # JSON has no bytes, and what file names are encoded with is not the same for all who run this.
    return text.encode("latin-1")


def _wait(child: int, woken: int) -> None:
    """Wait until the command ends, nobody holds standard input any more, or a signal asks for the end."""
    while True:
        ready = select.select([0, woken], [], [])[0]
        if woken in ready and _ASKED & set(os.read(woken, 4096)):
            return
        if 0 in ready and not os.read(0, 4096):
            return
        if _buried(child):
            return


def _buried(child: int) -> bool:
    """Bury orphans that ended; tell whether the command has, which is left unburied, so that its number is kept."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return False
        if ended.si_pid == child:
            return True
        os.waitpid(ended.si_pid, 0)


def _end(child: int, patience: float, burial: float) -> None:
    """Ask the command to end; after `patience` seconds kill all that is left, for `burial` seconds at most."""
    os.kill(child, signal.SIGTERM)
    end = time.monotonic() + patience
    while not _buried(child) and time.monotonic() < end:
        time.sleep(0.01)
    end = time.monotonic() + burial
    # More than once: what is killed may have started another one since we looked.
    while _has_children() and time.monotonic() < end:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _has_children() -> bool:
    """Bury all children that ended, and tell whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants(root: int) -> list[int]:
    """Return all processes that descend from `root`, as /proc has them (proc(5)).

    Those in the state Z are among them: their threads may live on.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # The name in brackets may hold anything, brackets too; one that ended meanwhile has none.
            with contextlib.suppress(OSError, IndexError):
                parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[_PARENT]
                children.setdefault(int(parent), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found[1:]


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        main()
    except OSError as failure:
        sys.exit(f"the emulator cannot be guarded: {failure.strerror}")
