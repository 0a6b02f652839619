"""The emulator as a process, with a program in its place that does what it is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossdock.errors import TrialError
from crossdock.trial import processes
from crossdock.trial.processes import LOOPBACK, Emulator, free_ports, listening, session_members

if TYPE_CHECKING:
    from collections.abc import Callable

# Listens on what it is told to, starts a child that leads a group of its own, and ends as a real one where a port
# is taken. `deaf`: it does not end when asked to.
PROGRAM = f"""#!{sys.executable}
import json, os, signal, socket, subprocess, sys, time
words = sys.argv[1:]
mode = words[4]
print("hello", " ".join(words), flush=True)
if mode == "silent":
    time.sleep(600)
if mode == "dead":
    sys.exit("out of order")
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sockets = []
for word in (words[1], words[3]):
    host, port = word.split(":")
    sockets.append(socket.create_server((host, int(port))))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
with open("told", "w") as file:
    json.dump({{"child": child.pid, "environ": dict(os.environ), "cwd": os.getcwd()}}, file)
time.sleep(600)
"""


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Emulator]:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)

    def make(mode: str = "") -> Emulator:
        return Emulator(program, [mode], environ={"A": "b"}, directory=tmp_path, log=tmp_path / "log")

    return make


def told(directory: Path) -> dict[str, object]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            value: dict[str, object] = json.loads((directory / "told").read_text())
        except (OSError, ValueError):
            time.sleep(0.01)
        else:
            return value
    raise AssertionError


def is_gone(pid: object) -> bool:
    """Whether a process ended; a child of a child is buried by whoever took it over, perhaps later."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("mode", ["", "deaf"])
def test_all_that_it_started_is_ended(
    mode: str, made: Callable[..., Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_END", 0.2)
    with made(mode) as running:
        child = told(tmp_path)["child"]
        pid = running.pid
        assert set(session_members(pid)) == {pid, child}
        assert running.is_running()
    assert is_gone(pid)
    assert is_gone(child)
    assert not running.is_running()


def test_it_is_ended_when_something_fails(made: Callable[..., Emulator], tmp_path: Path) -> None:
    def fail() -> None:
        with made() as running:
            found.extend([running.pid, told(tmp_path)["child"]])
            raise KeyboardInterrupt

    found: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert len(found) == 2
    assert all(map(is_gone, found))


def test_its_environment_is_what_it_is_given(
    made: Callable[..., Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with made() as running:
        value = told(tmp_path)
        assert "hello" in running.log()
    assert value["environ"].keys() <= {"A", "LC_CTYPE"}  # type: ignore[attr-defined]
    assert value["cwd"] == str(tmp_path)


def test_ports_that_another_process_took_meanwhile_are_given_up(
    made: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        offers = [(port, free_ports()[0]), (free_ports()[0], port), good := free_ports()]
        monkeypatch.setattr(processes, "free_ports", lambda: offers.pop(0))
        with made() as running:
            assert running.port == good[0]
        assert not offers


@pytest.mark.parametrize(("mode", "start"), [("dead", 30.0), ("silent", 0.3)])
def test_one_that_does_not_start_is_an_error_with_its_words(
    mode: str, start: float, made: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_START", start)
    monkeypatch.setattr(processes, "_ATTEMPTS", 2)
    running = made(mode)
    with pytest.raises(TrialError) as caught, running:
        pass
    assert caught.value.code == "E-TRIAL-START"
    assert any("hello" in place for place in caught.value.places)
    with pytest.raises(RuntimeError):
        _ = running.pid


def test_only_the_end_of_a_long_log_is_kept(
    made: Callable[..., Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_LOG", 5)
    (tmp_path / "log").write_text("0123456789")
    assert made().log() == "56789"


def test_what_a_process_listens_on_is_found_whatever_the_address() -> None:
    code = (
        "import socket, sys\n"
        "a = [socket.create_server((h, 0)) for h in ('127.0.0.1', '0.0.0.0')]\n"
        "if socket.has_ipv6: a += [socket.create_server(('::1', 0), family=socket.AF_INET6)]\n"
        "print(*[f'{s.getsockname()[0]}/{s.getsockname()[1]}' for s in a], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert {f"{address}/{port}" for address, port in listening(process.pid)} == set(said)
        process.stdin.close()  # type: ignore[union-attr]
    assert listening(process.pid) == []


def test_ports_are_two_and_free() -> None:
    first, second = free_ports()
    assert first != second
    for port in (first, second):
        socket.create_server((LOOPBACK, port)).close()
    assert os.getpid() in session_members(os.getsid(0))
