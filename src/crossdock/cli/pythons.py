"""Interpreters of this machine that run build backends: found, or installed by uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS = 600


def find_python(
    version: tuple[int, int],
    environ: Mapping[str, str],
    *,
    free_threaded: bool = False,
    offline: bool = False,
) -> str:
    """Return an interpreter of a minor version, free-threaded or not.

    In this order: the one that runs us, `python3.X` on the PATH, pyenv's, uv's own, and one that uv installs where
    UV_PYTHON_DOWNLOADS lets it. Raise `BuildError` (E-BUILD-PYTHON) that says what to do.
    """
    name = f"{version[0]}.{version[1]}{'t' if free_threaded else ''}"
    for python in _candidates(name, version, environ):
        if _is(python, version, free_threaded=free_threaded):
            return python
    trouble = _install(name, environ, offline=offline)
    found = None if trouble else _of_uv(name, environ)
    if found is not None and _is(found, version, free_threaded=free_threaded):
        return found
    raise BuildError(
        f"no Python {name} on this machine to run the build",
        code="E-BUILD-PYTHON",
        places=[trouble] if trouble else [],
        hint=f"`uv python install {name}`, or put `python{name}` on the PATH",
    )


def _candidates(name: str, version: tuple[int, int], environ: Mapping[str, str]) -> Iterator[str]:
    if sys.version_info[:2] == version:
        yield sys.executable
    suffix = ".exe" if os.name == "nt" else ""
    for folder in environ.get("PATH", "").split(os.pathsep):
        path = Path(folder, f"python{name}{suffix}")
        # Version managers put programs there that only ask which version is meant.
        if folder and path.is_file() and path.parent.name != "shims":
            yield str(path)
    home = environ.get("PYENV_ROOT") or os.path.join(environ.get("HOME", ""), ".pyenv")  # noqa: PTH118
    for path in sorted(Path(home, "versions").glob(f"{version[0]}.{version[1]}*/bin/python{name}")):
        yield str(path)
    found = _of_uv(name, environ)
    if found is not None:
        yield found


def _is(python: str, version: tuple[int, int], *, free_threaded: bool) -> bool:
    from crossdock.build.environment import host_python

    try:
        found = host_python(python)
    except BuildError:
        return False
    return found.version[:2] == version and found.free_threaded == free_threaded


def _of_uv(name: str, environ: Mapping[str, str]) -> str | None:
    done = _uv(["python", "find", "--managed-python", "--no-python-downloads", "--no-project", name], environ)
    path = done.stdout.strip()
    return path if done.returncode == 0 and path else None


def _install(name: str, environ: Mapping[str, str], *, offline: bool) -> str | None:
    """Let uv install a Python; return why it did not."""
    if offline:
        return "offline, so none is downloaded"
    if environ.get("UV_PYTHON_DOWNLOADS", "") in {"never", "manual", "false", "0"}:
        return f"UV_PYTHON_DOWNLOADS={environ['UV_PYTHON_DOWNLOADS']}, so none is downloaded"
    done = _uv(["python", "install", "--no-progress", "--no-bin", name], environ)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["uv gave no reason"])[-1]


def _uv(words: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    from crossdock.cli.index import uv_program

    try:
        return subprocess.run(
            [uv_program(), *words],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer in {_SECONDS} seconds")
