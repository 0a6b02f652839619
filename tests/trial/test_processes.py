"""The emulator as a process, with a program in its place that does what it is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.trial.worlds import is_gone

from crossdock.errors import TrialError
from crossdock.trial import processes
from crossdock.trial.processes import LOOPBACK, Emulator, free_ports, listening, session_members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Listens on what it is told to, starts a child that leads a group of its own and one, whose parent ends, that leads a
# session of its own; it ends as a real one where a port is taken. `deaf`: it does not end when asked to.
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
leave = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=2).pid)"
words = [sys.executable, "-c", leave, sys.executable, "-c", "import time; time.sleep(600)"]
gone = int(subprocess.run(words, stdout=subprocess.PIPE).stdout)
with open("told", "w") as file:
    json.dump({{"child": child.pid, "gone": gone, "pid": os.getpid(), "environ": dict(os.environ), "cwd": os.getcwd()}}, file)
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


def told(directory: Path) -> dict[str, Any]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            value: dict[str, Any] = json.loads((directory / "told").read_text())
        except (OSError, ValueError):
            time.sleep(0.01)
        else:
            return value
    raise AssertionError


@pytest.mark.parametrize("mode", ["", "deaf"])
def test_all_that_it_started_is_ended(
    mode: str, made: Callable[..., Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_END", 0.2)
    with made(mode) as running:
        said = told(tmp_path)
        pids = [running.pid, said["pid"], said["child"], said["gone"]]
        assert set(session_members(running.pid)) == set(pids[:3])
        assert not any(map(is_gone, pids))
        assert running.is_running()
    assert all(map(is_gone, pids))
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


RUNS = """
import sys, time
from pathlib import Path
from crossdock.trial import processes
processes._END = 0.2
here = Path(sys.argv[1])
with processes.Emulator(here / "program", [sys.argv[2]], environ={}, directory=here, log=here / "log") as running:
    print(running.pid, flush=True)
    time.sleep(600)
"""


def end(pids: list[Any], seconds: float = 20) -> list[Any]:
    """Wait until these processes ended, and end what is left; those are returned."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not all(map(is_gone, pids)):
        time.sleep(0.01)
    left = [pid for pid in pids if not is_gone(pid)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.parametrize("mode", ["", "deaf"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_all_is_ended_when_who_started_it_is_killed(
    mode: str, number: int, made: Callable[..., Emulator], tmp_path: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUNS, str(tmp_path), mode], stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            guard = int(process.stdout.readline())
            said = told(tmp_path)
        finally:
            process.send_signal(number)
    assert process.returncode == -number
    assert end([guard, said["pid"], said["child"], said["gone"]]) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_emulator_does_not_outlive_a_guard_that_is_killed(
    number: int, made: Callable[..., Emulator], tmp_path: Path
) -> None:
    with made() as running:
        said = told(tmp_path)
        os.kill(running.pid, number)
        assert end([said["pid"]]) == []
    left = end([said["child"], said["gone"]], 20 if number == signal.SIGTERM else 0.1)
    # Where the guard is killed, one that left the session has nobody who finds it.
    assert left == ([] if number == signal.SIGTERM else [said["gone"]])


def test_one_that_is_no_program_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_ATTEMPTS", 1)
    running = Emulator(tmp_path / "nowhere", [], environ={}, directory=tmp_path, log=tmp_path / "log")
    with pytest.raises(TrialError) as caught, running:
        pass
    assert caught.value.places == (f"cannot start {tmp_path / 'nowhere'}: No such file or directory",)


def test_names_that_are_no_text_reach_it_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_ATTEMPTS", 1)
    folder = tmp_path / os.fsdecode(b"\xff\xc3\xa9")
    folder.mkdir()
    (folder / "program").write_text("#!/bin/sh\nprintf '%s' \"$A$PWD$5\"\n")
    (folder / "program").chmod(0o755)
    odd = os.fsdecode(b"\xfe\xe2\x82\xac")
    running = Emulator(folder / "program", [odd], environ={"A": odd}, directory=folder, log=tmp_path / "log")
    with pytest.raises(TrialError), running:
        pass
    assert (tmp_path / "log").read_bytes() == os.fsencode(odd) + os.fsencode(folder) + os.fsencode(odd)


def test_its_environment_is_what_it_is_given(
    made: Callable[..., Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with made() as running:
        value = told(tmp_path)
        assert "hello" in running.log()
    assert value["environ"].keys() <= {"A", "LC_CTYPE"}
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
