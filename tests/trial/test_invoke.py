"""Functions in AWS's own emulator on this machine's CPU: every way that an invocation can end."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.trial.worlds import machine_means

from crossdock.cli.pythons import find_python
from crossdock.errors import BuildError
from crossdock.target.names import parse_target
from crossdock.trial import invoke, processes
from crossdock.trial.invoke import Trial, try_function
from crossdock.trial.processes import LOOPBACK, Emulator, free_ports, session_members

if TYPE_CHECKING:
    from crossdock.trial.means import TrialMeans
    from crossdock.trial.outcome import Outcome

pytestmark = pytest.mark.index

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
FUNCTION = """
import os, sys, time
def echo(event, context):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    return {"event": event, "name": context.function_name, "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis()}
def world(event, context):
    return {"environ": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "pid": os.getpid()}
def fail(event, context): raise ValueError("no: <&>")
def hang(event, context): time.sleep(600)
def die(event, context): os._exit(3)
def leave(event, context): sys.exit(0)
def odd(event, context): return object()
def big(event, context): return "x" * 7_000_000
def spawn(event, context):
    import subprocess
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **event).pid
"""


@pytest.fixture(scope="module")
def means() -> TrialMeans:
    # The interpreter that runs the tests is one of the versions that AWS has: no other need be there.
    return replace(machine_means(), python_for=lambda _version: sys.executable)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes of the emulators that were started."""
    pids: list[int] = []
    enter = Emulator.__enter__

    def noted(running: Emulator) -> Emulator:
        result = enter(running)
        pids.append(running.pid)
        return result

    monkeypatch.setattr(Emulator, "__enter__", noted)
    return pids


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "app.py").write_text(FUNCTION)
    return folder


def tried(
    task: Path, means: TrialMeans, handler: str, event: Any = None, minor: str = MINOR, **more: Any
) -> Outcome:
    arch = "x86_64" if means.host[1] == "x86_64" else "arm64"
    content = event if isinstance(event, bytes) else json.dumps(event).encode()
    trial = Trial(
        target=parse_target(f"lambda-python{minor}-{arch}"),
        task=task,
        handler=handler,
        event=content,
        **{"timeout": 20, **more},
    )
    return try_function(trial, means)


def test_a_result(task: Path, means: TrialMeans) -> None:
    outcome = tried(task, means, "app.echo", {"key": "välue"}, memory_mb=1024)
    assert (outcome.ok, outcome.status, outcome.how) == (True, 200, "native")
    answer = json.loads(outcome.body)
    assert answer["event"] == {"key": "välue"}
    assert (answer["name"], answer["memory"]) == ("test", "1024")
    assert 0 < answer["left"] <= 20_000
    assert outcome.function_log.splitlines() == ["to stdout", "to stderr"]
    assert 0 < outcome.seconds < 20


@pytest.mark.parametrize("minor", [9, 10, 11, 12, 13, 14])
def test_every_runtimes_python_runs_its_client(minor: int, task: Path, means: TrialMeans) -> None:
    try:
        python = find_python((3, minor), {**os.environ, "UV_PYTHON_DOWNLOADS": "never"})
    except BuildError:
        pytest.skip(f"no Python 3.{minor} on this machine")
    own = replace(means, python_for=lambda _version: python)
    outcome = tried(task, own, "app.world", minor=f"3.{minor}")
    assert outcome.ok, outcome
    told = json.loads(outcome.body)
    assert told["environ"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python3.{minor}"
    assert told["path"][0] == str(task)
    assert not [place for place in told["path"] if "-packages" in place]


def test_an_exception_in_the_handler(task: Path, means: TrialMeans) -> None:
    outcome = tried(task, means, "app.fail")
    assert (outcome.ok, outcome.status) == (False, 200)
    assert (outcome.error_type, outcome.error_message) == ("ValueError", "no: <&>")
    assert any("in fail" in line for line in outcome.trace)


def test_an_import_error(task: Path, means: TrialMeans) -> None:
    (task / "lacking.py").write_text("import nowhere\n")
    outcome = tried(task, means, "lacking.handler")
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 502, "Runtime.ImportModuleError")
    assert outcome.error_message == "Unable to import module 'lacking': No module named 'nowhere'"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("app.nowhere", "Runtime.HandlerNotFound"),
        ("app", "Runtime.MalformedHandlerName"),
        ("broken.handler", "Runtime.UserCodeSyntaxError"),
    ],
)
def test_a_handler_that_is_none(handler: str, kind: str, task: Path, means: TrialMeans) -> None:
    (task / "broken.py").write_text("def handler(:\n")
    outcome = tried(task, means, handler)
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 502, kind)


def test_a_runtime_that_dies_while_it_starts(task: Path, means: TrialMeans) -> None:
    (task / "dying.py").write_text("import os\nprint('last words', flush=True)\nos._exit(7)\n")
    outcome = tried(task, means, "dying.handler")
    assert (outcome.ok, outcome.status, outcome.body) == (False, 502, b"")
    assert (outcome.error_type, outcome.error_message) == (
        "Runtime.ExitError",
        "the runtime ended: exit status 7",
    )
    assert "last words" in outcome.function_log


@pytest.mark.parametrize(
    ("handler", "why"),
    [("app.die", "with error: exit status 3"), ("app.leave", "without providing a reason")],
)
def test_a_runtime_that_ends_in_the_handler(handler: str, why: str, task: Path, means: TrialMeans) -> None:
    outcome = tried(task, means, handler)
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 502, "Runtime.ExitError")
    assert outcome.error_message.endswith(f"Runtime exited {why}")


def test_a_handler_that_hangs_is_ended_by_the_functions_time(
    task: Path, means: TrialMeans, seen: list[int]
) -> None:
    outcome = tried(task, means, "app.hang", timeout=1)
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 200, "Sandbox.Timedout")
    assert outcome.error_message == "Task timed out after 1.00 seconds"
    assert outcome.seconds < 10
    assert session_members(seen[0]) == []


def test_an_event_that_is_no_json(task: Path, means: TrialMeans) -> None:
    outcome = tried(task, means, "app.echo", b'{"key":')
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 200, "Runtime.UnmarshalError")


def test_a_result_that_is_no_json_or_too_large(task: Path, means: TrialMeans) -> None:
    assert tried(task, means, "app.odd").error_type == "Runtime.MarshalError"
    assert tried(task, means, "app.big").error_type == "Function.ResponseSizeTooLarge"


def test_an_emulator_that_never_answers_is_given_up(
    task: Path, means: TrialMeans, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The function's time is long, ours is short: as if the emulator forgot about it.
    monkeypatch.setattr(invoke, "_MARGIN", -19.5)
    outcome = tried(task, means, "app.hang")
    assert (outcome.ok, outcome.status, outcome.error_type) == (False, 0, "Emulator.NoAnswer")
    assert session_members(seen[0]) == []


def test_a_function_sees_an_environment_made_from_nothing(
    task: Path, means: TrialMeans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    outcome = tried(task, means, "app.world", variables={"STAGE": "test"})
    told = json.loads(outcome.body)
    environ = told["environ"]
    assert environ["STAGE"] == "test"
    assert environ["LAMBDA_TASK_ROOT"] == told["cwd"] == str(task)
    assert environ["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python{MINOR}"
    assert "secret" not in environ.values()
    assert not {"PYTHONPATH", "HTTP_PROXY"} & environ.keys()
    assert not [place for place in told["path"] if "-packages" in place]
    assert sorted(task.iterdir()) == [task / "app.py"]  # no bytecode


def test_layers_are_on_the_path_the_last_one_first(task: Path, means: TrialMeans, tmp_path: Path) -> None:
    for name in ("one", "two"):
        module = tmp_path / name / "python" / "layered.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"def handler(event, context): return {name!r}\n")
    layers = [tmp_path / "one", tmp_path / "two"]
    assert json.loads(tried(task, means, "layered.handler", layers=layers).body) == "two"
    assert json.loads(tried(task, means, "layered.handler", layers=layers[:1]).body) == "one"


@pytest.mark.parametrize("how", [{"process_group": 0}, {"start_new_session": True}])
def test_what_the_function_started_is_ended_with_it(
    how: dict[str, Any], task: Path, means: TrialMeans, seen: list[int]
) -> None:
    outcome = tried(task, means, "app.spawn", how)
    assert outcome.ok
    assert session_members(seen[0]) == []
    stat = Path(f"/proc/{json.loads(outcome.body)}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_nothing_listens_but_on_loopback(
    task: Path, means: TrialMeans, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernel's table, read here once more, before an invocation and when it was answered."""
    found: list[set[tuple[str, str]]] = []
    asked = invoke._invoke

    def watched(port: int, event: bytes, seconds: float) -> tuple[int, bytes] | str:
        found.append(_sockets(session_members(seen[0])))
        answer = asked(port, event, seconds)
        found.append(_sockets(session_members(seen[0])))
        assert ("tcp", f"0100007F:{port:04X}") in found[-1]
        return answer

    monkeypatch.setattr(invoke, "_invoke", watched)
    assert tried(task, means, "app.echo").ok
    assert len(found) == 2
    for sockets in found:
        # The two that were asked for: 127.0.0.1 as /proc writes it here, nothing by IPv6 and nothing by UDP.
        assert [(protocol, place.partition(":")[0]) for protocol, place in sockets] == [
            ("tcp", "0100007F")
        ] * 2


def _sockets(pids: list[int]) -> set[tuple[str, str]]:
    """Protocol and local address of what these processes listen on, or may be sent packets at."""
    inodes = {
        link.readlink().name
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = Path("/proc/self/net") / protocol
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            listens = words[3] == "0A" if protocol.startswith("tcp") else True
            if listens and f"socket:[{words[9]}]" in inodes:
                found.add((protocol, words[1]))
    return found


def test_a_port_that_was_taken_meanwhile_is_given_up(
    task: Path, means: TrialMeans, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        offers = [(port, free_ports()[0]), (free_ports()[0], port), free_ports()]
        monkeypatch.setattr(processes, "free_ports", lambda: offers.pop(0))
        assert tried(task, means, "app.echo").ok
        assert not offers
        taken.setblocking(False)
        with pytest.raises(BlockingIOError):
            taken.accept()  # nobody was told the event
