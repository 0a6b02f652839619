"""Calls uv, the resolver, as a subprocess: nothing of the host decides what it resolves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from crossdock.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Variables that would point uv at an environment, a Python or another project of this host.
_HOST_VARIABLES = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY",
    "UV_MANAGED_PYTHON",
    "UV_CUSTOM_COMPILE_COMMAND",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_NO_BUILD",
    "UV_NO_BINARY",
    "UV_NO_BUILD_PACKAGE",
    "UV_NO_BINARY_PACKAGE",
    "UV_COMPILE_BYTECODE",
)
_FINDING = threading.Lock()
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@`'\"]+@")


class UvFailed(Exception):  # noqa: N818 - a message between two modules, never a user's
    """uv ended with an error; `text` is what it said, without credentials."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def run_uv(arguments: Sequence[str], *, directory: Path, environ: Mapping[str, str]) -> str:
    """Run uv in `directory` and return its standard output.

    `environ` is the user's environment: index settings, credentials and the cache's place come from it, what
    names a Python of this host is left out. Raises `UvFailed`, or `LockError` where uv cannot be started.
    """
    clean = {name: value for name, value in environ.items() if name not in _HOST_VARIABLES}
    if clean.get("UV_TORCH_BACKEND") == "auto":
        # It would look at this machine's graphics card.
        del clean["UV_TORCH_BACKEND"]
    clean |= {
        "GIT_TERMINAL_PROMPT": "0",
        # It must resolve for targets, not fetch an interpreter for each.
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }
    clean.pop("FORCE_COLOR", None)
    command = [uv_executable(), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise LockError(
            f"cannot run uv: {error.strerror or error}",
            code="E-LOCK-UV",
            places=[os.fspath(command[0])],
            hint="reinstall it with `pip install --force-reinstall uv`",
        ) from error
    if done.returncode:
        raise UvFailed(_CREDENTIALS.sub("****@", done.stderr.strip()))
    return done.stdout


def uv_executable() -> str:
    """Return the path of the `uv` package's program; `LockError` (E-LOCK-UV) if it is not there."""
    import uv

    try:
        # sysconfig, which it asks, is not safe from several threads before it has answered once.
        with _FINDING:
            return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise LockError(
            "the `uv` package is installed without its program",
            code="E-LOCK-UV",
            hint="reinstall it with `pip install --force-reinstall uv`",
        ) from error


def host_python() -> str:
    """Return a Python for uv to start with; universal resolution takes nothing else from it."""
    return sys.executable
