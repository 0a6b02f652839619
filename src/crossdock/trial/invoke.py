"""A function tried as it is shipped: unpacked, with AWS's own client, in AWS's own emulator, on loopback."""

from __future__ import annotations

import http.client
import os
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.trial.client import client_for
from crossdock.trial.emulator import emulator
from crossdock.trial.outcome import judge, no_answer
from crossdock.trial.processes import LOOPBACK, Emulator
from crossdock.trial.python import python_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.target.model import Target
    from crossdock.trial.means import TrialMeans
    from crossdock.trial.outcome import Outcome
    from crossdock.trial.python import TrialPython

_PATH = "/2015-03-31/functions/function/invocations"
#: How many times longer a function may take under qemu; large packages take 20 times as long to import.
_SLOWER = 20
#: Seconds that the emulator may take beyond the function's own time, to say that it is over.
_MARGIN = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One invocation: `task` is the unpacked function, `layers` are unpacked layers, the one that counts most last.

    `handler` is `module.function`, `event` the bytes of the request. `timeout` is the function's own, in seconds,
    `memory_mb` is told to it and not enforced. `variables` are added to its environment.
    """

    target: Target
    task: Path
    layers: Sequence[Path] = ()
    handler: str
    event: bytes = b"{}"
    memory_mb: int = 512
    timeout: int = 30
    variables: Mapping[str, str] | None = None


def try_function(trial: Trial, means: TrialMeans) -> Outcome:
    """Run one invocation and say what came of it; whatever was started for it has ended when this returns.

    The environment is made from nothing, and of this machine's Python only the standard library is there. Raise
    `TrialError`, `FetchError`, `BuildError` where a part of it cannot be had: what the function does is an outcome.
    """
    python = python_for(trial.target, means)
    program = emulator(means)
    client = client_for(trial.target, means)
    with tempfile.TemporaryDirectory(prefix="crossdock-trial-") as work:
        home = Path(work)
        start = home / "start.py"
        start.write_bytes((resources.files(__package__) / "start.py").read_bytes())
        layers = os.pathsep.join(str(layer) for layer in reversed(trial.layers))
        # Without user and site packages, without PYTHON* variables, without bytecode written beside the function.
        command = [*python.command, "-I", "-S", "-B", str(start), layers, str(client), trial.handler]
        running = Emulator(
            program,
            command,
            environ=_environment(trial, python, home),
            directory=trial.task,
            log=home / "log",
        )
        with running:
            begin = time.monotonic()
            answer = _invoke(running.port, trial.event, _allowed(trial, python) + _MARGIN)
            seconds = time.monotonic() - begin
        told = running.log()
    if isinstance(answer, str):
        return no_answer(answer, told, seconds=seconds, how=python.how, note=python.note)
    status, body = answer
    return judge(status, body, told, seconds=seconds, how=python.how, note=python.note)


def _allowed(trial: Trial, python: TrialPython) -> int:
    """Return the function's time in seconds; the emulator counts its start as well."""
    return trial.timeout * (_SLOWER if python.how == "qemu" else 1)


def _environment(trial: Trial, python: TrialPython, home: Path) -> dict[str, str]:
    """Return all variables that the function sees, besides those that the emulator sets."""
    task = str(trial.task)
    layers = [str(layer) for layer in reversed(trial.layers)]
    libraries = [task, f"{task}/lib", *(f"{layer}/lib" for layer in layers)]
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        # Credentials of the machine that it is tried on are none of the function's.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{trial.target.python.short}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(trial.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": "test",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(_allowed(trial, python)),
        "AWS_REGION": "us-east-1",
        "HOME": str(home),
        "LAMBDA_TASK_ROOT": task,
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin", *(f"{one}/bin" for one in layers)]),
        "TZ": ":UTC",
        **(trial.variables or {}),
    }


def _invoke(port: int, event: bytes, seconds: float) -> tuple[int, bytes] | str:
    """Return status and body of the answer, or why there is none. No proxy is asked: it is this machine."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("POST", _PATH, body=event, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except TimeoutError:
        return f"no answer in {seconds:.0f} seconds"
    except (OSError, http.client.HTTPException) as error:
        return f"the emulator does not answer: {str(error) or type(error).__name__}"
    finally:
        connection.close()
