"""What a trial came to, and how an answer of the emulator is judged (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

#: The emulator answers this instead of JSON when the function's time is over.
_TIMED_OUT = re.compile(rb"Task timed out after [0-9.]+ seconds")
#: Lines of the log that are the emulator's own, and the client's advice after every failed start.
_OWN = re.compile(
    r"\d\d \w{3} \d{4} [0-9:,]+ \[\w+\] \(rapid\) |(?:START|END|REPORT) RequestId: |\[WARNING\]\t.*\tLAMBDA_WARNING: "
)
_EXITED = re.compile(r"Runtime exited (?:with error: )?(.*?)(?: InvokeID=.*)?$", re.MULTILINE)
_OK = 200
#: Lists within lists, of an answer that is told as JSON: Python reads deeper ones than it writes.
_DEEPEST = 100
#: What awslambdaric answers for an exception; a function that returns an `errorType` of its own has not failed.
_FAILURE = frozenset({"errorType", "errorMessage", "stackTrace"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one invocation.

    `status` is the HTTP status, 0 where nobody answered. `body` is the answer's. `error_type`, `error_message` and
    `trace` (lines) tell of a failure. `log` is what the function and the emulator wrote, `seconds` the time from the
    request to the answer, `how` `native` or `qemu`, `note` what was not as in the target.
    """

    ok: bool
    status: int
    body: bytes
    error_type: str = ""
    error_message: str = ""
    trace: tuple[str, ...] = ()
    log: str = ""
    seconds: float = 0.0
    how: str = "native"
    note: str = ""

    @property
    def function_log(self) -> str:
        """What the function wrote, without the emulator's lines."""
        # The client writes a trace as one line, with carriage returns and no-break spaces in it.
        text = self.log.replace("\r", "\n").replace("\xa0", " ")
        return "".join(line for line in text.splitlines(keepends=True) if not _OWN.match(line))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; an answer that is no JSON comes as text."""
        value: dict[str, Any] = {"ok": self.ok, "status": self.status, "how": self.how, "note": self.note}
        if self.ok:
            value["response"] = _parsed(self.body)
        else:
            value["error"] = {"type": self.error_type, "message": self.error_message, "trace": [*self.trace]}
        return {**value, "log": self.function_log, "seconds": round(self.seconds, 3)}


def judge(status: int, body: bytes, log: str, *, seconds: float, how: str, note: str) -> Outcome:
    """Return what an answer means.

    AWS's emulator answers 200 for a result and for an exception in the handler alike, and plain text for one that
    took too long; 502 with an error for a function that cannot be imported, and 502 with nothing where the runtime
    died, which only the log tells of.
    """
    value = _parsed(body)
    failure: tuple[str, str, tuple[str, ...]] | None = None
    if status == _OK:
        if _TIMED_OUT.fullmatch(body):
            failure = ("Sandbox.Timedout", body.decode(), ())
        elif isinstance(value, dict) and value.keys() >= _FAILURE:
            failure = _told(value)
    elif isinstance(value, dict) and value:
        failure = _told(value)
    else:
        failure = _died(log)
    kind, message, trace = failure or ("", "", ())
    return Outcome(
        ok=failure is None,
        status=status,
        body=body,
        error_type=kind,
        error_message=message,
        trace=trace,
        log=log,
        seconds=seconds,
        how=how,
        note=note,
    )


def no_answer(why: str, log: str, *, seconds: float, how: str, note: str) -> Outcome:
    """Return the outcome of an invocation that nobody answered."""
    return Outcome(
        ok=False,
        status=0,
        body=b"",
        error_type="Emulator.NoAnswer",
        error_message=why,
        log=log,
        seconds=seconds,
        how=how,
        note=note,
    )


def _told(value: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    trace = value.get("stackTrace")
    lines = tuple(str(line).rstrip("\n") for line in trace) if isinstance(trace, list) else ()
    return str(value.get("errorType", "")), str(value.get("errorMessage", "")), lines


def _died(log: str) -> tuple[str, str, tuple[str, ...]]:
    found = _EXITED.findall(log)
    return "Runtime.ExitError", f"the runtime ended: {found[-1] if found else 'the log tells more'}", ()


def _parsed(body: bytes) -> Any:
    """Return the JSON of an answer, or its text; the text as well of what is nested beyond what can be written."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    return body.decode("utf-8", "replace") if _is_deep(value) else value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _depth in range(_DEEPEST):
        lists = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))
        ]
        if not lists:
            return False
        level = [child for children in lists for child in children]
    return True
