"""PEP 517: a source distribution becomes a wheel, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyproject_hooks import BuildBackendHookCaller

#: What PEP 517 says of a project without [build-system].
_LEGACY_REQUIRES = ("setuptools >= 40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"

#: Variables of the caller that a build may see: none of them says who or where the host is.
_PASSED_ON = ("SYSTEMROOT", "PATHEXT", "COMSPEC")

#: Seconds that one hook may take.
HOOK_TIMEOUT = 600

#: Lines of a failed build's output that the error shows.
_LOG_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTools:
    """What a build needs from outside: uv, and how uv reaches the index (arguments and environment)."""

    uv: str
    uv_arguments: tuple[str, ...]
    uv_environ: Mapping[str, str]
    source_date_epoch: int = 315_532_800


def build_wheel(source: Path, work: Path, tools: BuildTools, *, python: str) -> Path:
    """Build the unpacked source distribution `source` and return its wheel, in a directory below `work`.

    `python` is the host interpreter that runs the backend. The backend gets an environment made anew:
    a home, a temporary directory and a PATH of its own, a fixed locale, time zone and hash seed, and nothing
    of the caller's variables, so no credentials either. Raises `BuildError` with the end of the log.
    """
    requires, backend, backend_path = _build_system(source)
    environment = work / "env"
    _uv(
        ["venv", "--quiet", "--no-project", "--python", python, str(environment)],
        tools,
        what="make an environment",
    )
    interpreter = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _install(requires, interpreter, tools)
    variables = _clean_environment(interpreter, work, tools)
    runner = _Runner(variables, source)
    caller = _caller(source, backend, backend_path, runner, interpreter)
    output = work / "dist"
    output.mkdir()

    from pyproject_hooks import BackendUnavailable

    try:
        more: object = caller.get_requires_for_build_wheel()
        if not isinstance(more, list) or not all(isinstance(item, str) for item in more):
            raise BuildError(
                f"the build backend `{backend}` of `{source.name}` asks for something that is no list of requirements",
                code="E-BUILD-BACKEND",
            )
        _install(more, interpreter, tools)
        name: object = caller.build_wheel(str(output))
    except subprocess.CalledProcessError as error:
        raise BuildError(
            f"the build backend `{backend}` failed on `{source.name}`",
            code="E-BUILD-BACKEND",
            places=runner.tail(),
            hint="the lines above are the end of its output; a build that needs a compiler is not a pure one",
        ) from error
    except BackendUnavailable as error:
        raise BuildError(
            f"the build backend `{backend}` of `{source.name}` cannot be imported: {error}",
            code="E-BUILD-BACKEND",
        ) from error
    except (OSError, ValueError) as error:
        # It ended the process well but left no answer behind, or one that is not JSON.
        raise BuildError(
            f"the build backend `{backend}` of `{source.name}` gave no answer",
            code="E-BUILD-BACKEND",
            places=runner.tail(),
        ) from error
    wheel = output / Path(name if isinstance(name, str) else "").name
    if not wheel.is_file() or wheel.is_symlink():
        raise BuildError(f"the backend `{backend}` of `{source.name}` made no wheel", code="E-BUILD-BACKEND")
    return wheel


def _caller(
    source: Path, backend: str, backend_path: Sequence[str] | None, runner: _Runner, interpreter: Path
) -> BuildBackendHookCaller:
    from pyproject_hooks import BuildBackendHookCaller

    try:
        return BuildBackendHookCaller(
            str(source), backend, backend_path=backend_path, runner=runner, python_executable=str(interpreter)
        )
    except ValueError as error:
        raise BuildError(
            f"backend-path of `{source.name}` leads out of it: {error} (PEP 517)", code="E-BUILD-PYPROJECT"
        ) from error


def _build_system(source: Path) -> tuple[list[str], str, list[str] | None]:
    """Return requires, backend and backend-path of pyproject.toml, or the legacy ones (PEP 517, PEP 518)."""
    path = source / "pyproject.toml"
    table: Any = None
    if path.is_file():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BuildError(
                f"pyproject.toml of `{source.name}` is not TOML: {error}", code="E-BUILD-PYPROJECT"
            ) from error
    if table is None:
        return list(_LEGACY_REQUIRES), _LEGACY_BACKEND, None
    requires = table.get("requires") if isinstance(table, dict) else None
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        raise BuildError(
            f"[build-system] of `{source.name}` has no list `requires` (PEP 518)", code="E-BUILD-PYPROJECT"
        )
    backend, backend_path = table.get("build-backend", _LEGACY_BACKEND), table.get("backend-path")
    if not isinstance(backend, str) or not (
        backend_path is None
        or (isinstance(backend_path, list) and all(isinstance(item, str) for item in backend_path))
    ):
        raise BuildError(
            f"[build-system] of `{source.name}` is not as PEP 517 says", code="E-BUILD-PYPROJECT"
        )
    return requires, backend, backend_path


def _install(requires: Sequence[str], interpreter: Path, tools: BuildTools) -> None:
    if requires:
        command = [
            "pip",
            "install",
            "--quiet",
            "--python",
            str(interpreter),
            *tools.uv_arguments,
            "--",
            *sorted(requires),
        ]
        _uv(command, tools, what="install the build requirements")


def _uv(command: list[str], tools: BuildTools, *, what: str) -> None:
    done = subprocess.run(
        [tools.uv, *command],
        env=dict(tools.uv_environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise BuildError(
            f"uv could not {what}",
            code="E-BUILD-REQUIRES",
            places=done.stderr.strip().splitlines()[-_LOG_LINES:],
        )


def _clean_environment(interpreter: Path, work: Path, tools: BuildTools) -> dict[str, str]:
    home, temporary = work / "home", work / "tmp"
    home.mkdir()
    temporary.mkdir()
    system = [] if os.name == "nt" else ["/usr/local/bin", "/usr/bin", "/bin"]
    return {
        **{name: tools.uv_environ[name] for name in _PASSED_ON if name in tools.uv_environ},
        "PATH": os.pathsep.join([str(interpreter.parent), *system]),
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "TMP": str(temporary),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": str(tools.source_date_epoch),
    }


class _Runner:
    """Runs the hooks of pyproject_hooks in our environment and keeps what they print."""

    def __init__(self, variables: Mapping[str, str], source: Path) -> None:
        self._variables = dict(variables)
        self._source = source
        self._log: list[str] = []

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        try:
            done = subprocess.run(
                list(cmd),
                cwd=cwd,
                env={**self._variables, **(extra_environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=HOOK_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(
                f"the build backend of `{self._source.name}` took more than {HOOK_TIMEOUT} s",
                code="E-BUILD-TIMEOUT",
            ) from error
        self._log += done.stdout.splitlines()
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, list(cmd))

    def tail(self) -> list[str]:
        """Return the end of the output."""
        return self._log[-_LOG_LINES:]
