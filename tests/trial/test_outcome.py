"""What the emulator's answers mean, as they were seen of aws-lambda-rie of aws-sam-cli 1.170."""

from __future__ import annotations

import json

import pytest

from crossdock.trial.outcome import Outcome, judge, no_answer

LOG = """\
23 Nov 2026 03:14:02,843 [INFO] (rapid) INIT START(type: on-demand, phase: init)
START RequestId: 063e1474-e2f0-462d-a7a8-c6ee30d0e668 Version: $LATEST
hello
[ERROR] ValueError: no\rTraceback (most recent call last):\r\xa0\xa0File "app.py", line 1, in f\n\
[WARNING]\t2026-11-23T03:37:38.578Z\t\tLAMBDA_WARNING: Unhandled exception. The most likely cause is ...
23 Nov 2026 03:14:03,040 [ERROR] (rapid) Init failed error=Runtime exited with error: exit status 7 InvokeID=
23 Nov 2026 03:14:03,040 [ERROR] (rapid) Invoke failed error=Runtime exited with error: exit status 7 InvokeID=c35e
END RequestId: 063e1474-e2f0-462d-a7a8-c6ee30d0e668
REPORT RequestId: 063e1474-e2f0-462d-a7a8-c6ee30d0e668	Init Duration: 0.20 ms
"""
ERROR = {
    "errorMessage": "no",
    "errorType": "ValueError",
    "requestId": "1",
    "stackTrace": ["  File\n", "  x\n"],
}


def judged(status: int, body: object, log: str = LOG) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(status, raw, log, seconds=1.25, how="native", note="as here")


@pytest.mark.parametrize(
    "body",
    [
        {"a": 1},
        None,
        [],
        "Task timed out after 2.00 seconds",
        {"errorType": "mine", "errorMessage": "of the function's own"},
    ],
    ids=["object", "null", "list", "a text like the emulator's", "an error type of its own"],
)
def test_a_result_is_ok(body: object) -> None:
    outcome = judged(200, body)
    assert outcome.ok
    assert outcome.to_json()["response"] == body


def test_an_exception_in_the_handler_comes_with_200() -> None:
    outcome = judged(200, ERROR)
    assert (outcome.ok, outcome.error_type, outcome.error_message) == (False, "ValueError", "no")
    assert outcome.trace == ("  File", "  x")
    assert outcome.to_json()["error"] == {"type": "ValueError", "message": "no", "trace": ["  File", "  x"]}


def test_a_time_that_is_over_comes_with_200_and_as_text() -> None:
    outcome = judged(200, b"Task timed out after 2.00 seconds")
    assert (outcome.ok, outcome.error_type) == (False, "Sandbox.Timedout")


def test_a_failed_import_comes_with_502() -> None:
    outcome = judged(502, ERROR | {"errorType": "Runtime.ImportModuleError"})
    assert (outcome.ok, outcome.error_type) == (False, "Runtime.ImportModuleError")


def test_of_a_runtime_that_died_the_log_tells() -> None:
    outcome = judged(502, b"")
    assert (outcome.ok, outcome.error_type) == (False, "Runtime.ExitError")
    assert outcome.error_message == "the runtime ended: exit status 7"
    silent = "[ERROR] (rapid) Invoke failed error=Runtime exited without providing a reason InvokeID=1"
    assert judged(502, b"", silent).error_message == "the runtime ended: without providing a reason"
    assert judged(502, b"", "").error_message == "the runtime ended: the log tells more"
    assert not judged(500, b"something else").ok


def test_the_functions_own_lines_are_told_without_the_emulators() -> None:
    assert judged(200, {}).function_log.splitlines() == [
        "hello",
        "[ERROR] ValueError: no",
        "Traceback (most recent call last):",
        '  File "app.py", line 1, in f',
    ]


def test_nobody_answered() -> None:
    outcome = no_answer("no answer in 3 seconds", "", seconds=3.0, how="qemu", note="")
    assert outcome.to_json() == {
        "ok": False,
        "status": 0,
        "how": "qemu",
        "note": "",
        "error": {"type": "Emulator.NoAnswer", "message": "no answer in 3 seconds", "trace": []},
        "log": "",
        "seconds": 3.0,
    }


@pytest.mark.parametrize("depth", [99, 101, 900, 50_000])
def test_an_answer_of_any_depth_can_be_told(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    outcome = judge(200, body, "", seconds=1, how="native", note="")
    told = outcome.to_json()["response"]
    assert isinstance(told, list) == (depth < 100)
    assert json.loads(json.dumps(told, indent=2)) == told
