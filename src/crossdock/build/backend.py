"""PEP 517: the hooks of a build backend, run in a sandbox, in an environment of host tools."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossdock.build.environment import Environment
    from crossdock.build.sandbox import Sandbox

#: What PEP 517 says of a project without [build-system].
_LEGACY_REQUIRES = ("setuptools >= 40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"

#: Lines of a failed build's output that the error shows.
LOG_LINES = 30
#: An answer of a hook is a file name or a list of requirements.
_ANSWER_LIMIT = 1 << 20
#: What an answer says in place of a value, in the words of pyproject_hooks.
_EXCUSES = ("unsupported", "no_backend", "hook_missing")
_TAIL = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTools:
    """What a build needs from outside: uv, and how uv reaches the index (arguments and environment)."""

    uv: str
    uv_arguments: tuple[str, ...]
    uv_environ: Mapping[str, str]
    source_date_epoch: int = 315_532_800
    #: Whether a source distribution's code may run where no sandbox can be made.
    allow_unsandboxed: bool = False
    #: The user's limits on one command, memory in MiB; None for ours.
    seconds: int | None = None
    memory: int | None = None
    #: Takes a line for the user.
    warn: Callable[[str], None] = field(default=lambda _text: None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """`[build-system]` of a pyproject.toml, or what stands for a missing one (PEP 517, PEP 518)."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] | None = None


def build_system(source: Path) -> BuildSystem:
    """Read the build system of an unpacked project; raise `BuildError` (E-BUILD-PYPROJECT)."""
    path = source / "pyproject.toml"
    table: Any = None
    if path.is_file():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("build-system")
        except (ValueError, RecursionError) as error:
            # Numbers of thousands of digits and arrays of thousands in each other are TOML, and cannot be read.
            raise BuildError(
                f"pyproject.toml of `{source.name}` is not TOML: {error}", code="E-BUILD-PYPROJECT"
            ) from error
    if table is None:
        return BuildSystem(requires=_LEGACY_REQUIRES, backend=_LEGACY_BACKEND)
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
    return BuildSystem(
        requires=tuple(requires),
        backend=backend,
        backend_path=None if backend_path is None else tuple(backend_path),
    )


def clean_variables(path: Sequence[str], *, build: str, tools: BuildTools) -> dict[str, str]:
    """Return what every backend sees: nothing of the caller's, so no credentials either.

    `build` is the build's directory by the name that it has inside; `path` are directories of programs. Home and
    temporary files lie below it; locale, time zone and hash seed are fixed.
    """
    found = {
        "PATH": os.pathsep.join(path),
        "HOME": f"{build}/home",
        "TMPDIR": f"{build}/tmp",  # noqa: S108 - inside, its own
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": str(tools.source_date_epoch),
    }
    if os.name == "nt":
        found |= {"USERPROFILE": found["HOME"], "TEMP": found["TMPDIR"], "TMP": found["TMPDIR"]}
        found |= {
            name: os.environ[name] for name in ("SYSTEMROOT", "PATHEXT", "COMSPEC") if name in os.environ
        }
    return found


class Backend:
    """The hooks of one project's backend; `work` is its build's directory as it lies outside, and `log` takes its output."""

    def __init__(
        self,
        source: Path,
        system: BuildSystem,
        *,
        work: Path,
        environment: Environment,
        sandbox: Sandbox,
        variables: Mapping[str, str],
        log: Path,
        what: str,
    ) -> None:
        from pyproject_hooks import BuildBackendHookCaller

        self.system = system
        self._what, self._log, self._work, self._sandbox = what, log, work, sandbox
        runner = _Runner(work, environment, sandbox, variables, log)
        try:
            self._caller = BuildBackendHookCaller(
                str(source),
                system.backend,
                backend_path=system.backend_path,
                runner=runner,
                python_executable=str(environment.python),
            )
        except ValueError as error:
            raise BuildError(
                f"backend-path of `{what}` leads out of it: {error} (PEP 517)", code="E-BUILD-PYPROJECT"
            ) from error

    def requires(self, config: Mapping[str, str | list[str]]) -> list[str]:
        """Return what the backend asks for to build a wheel with these settings (`get_requires_for_build_wheel`)."""
        more = self._call("get_requires_for_build_wheel", dict(config))
        if not isinstance(more, list) or not all(isinstance(item, str) for item in more):
            raise BuildError(
                f"the build backend `{self.system.backend}` of `{self._what}` asks for something that is no list of"
                " requirements",
                code="E-BUILD-BACKEND",
            )
        return more

    def wheel(self, config: Mapping[str, str | list[str]]) -> Path:
        """Build, and return the wheel's path below `work` (`build_wheel`)."""
        output = self._work / "dist"
        output.mkdir(exist_ok=True)
        name = self._call("build_wheel", self._sandbox.inside(output), dict(config))
        wheel = output / Path(name if isinstance(name, str) else "").name
        try:
            # An earlier hook may have left links there, which lead to the host's files.
            there = not output.is_symlink() and not wheel.is_symlink() and wheel.is_file()
        except (OSError, ValueError):
            there = False  # such a name no file can have
        if not there:
            raise BuildError(
                f"the backend `{self.system.backend}` of `{self._what}` made no wheel", code="E-BUILD-BACKEND"
            )
        return wheel

    def _call(self, hook: str, *arguments: object) -> object:
        from pyproject_hooks import BackendUnavailable, HookMissing, UnsupportedOperation

        backend = self.system.backend
        try:
            return getattr(self._caller, hook)(*arguments)
        except subprocess.CalledProcessError as error:
            raise BuildError(
                f"the build backend `{backend}` failed on `{self._what}`",
                code="E-BUILD-BACKEND",
                places=log_tail(self._log),
                hint=f"the lines above are the end of its output; the whole is in `{self._log}`",
            ) from error
        except BackendUnavailable as error:
            raise BuildError(
                f"the build backend `{backend}` of `{self._what}` cannot be imported: {error}",
                code="E-BUILD-BACKEND",
                places=log_tail(self._log),
            ) from error
        except (HookMissing, UnsupportedOperation) as error:
            raise BuildError(
                f"the build backend `{backend}` of `{self._what}` has no `{hook}` (PEP 517)",
                code="E-BUILD-BACKEND",
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            # It ended the process well but left no answer behind, or one that is not JSON.
            raise BuildError(
                f"the build backend `{backend}` of `{self._what}` gave no answer",
                code="E-BUILD-BACKEND",
                places=log_tail(self._log),
            ) from error


def log_tail(log: Path, lines: int = LOG_LINES) -> list[str]:
    """Return the last lines of a build's output."""
    return log_text(log).splitlines()[-lines:]


def log_text(log: Path, size: int = _TAIL) -> str:
    """Return the end of a build's output, at most `size` bytes."""
    from crossdock.build.sandbox.logfile import read_log

    return read_log(log, size).decode("utf-8", "replace")


class _Runner:
    """Runs the hooks of pyproject_hooks inside: its program and its files of questions and answers are taken there."""

    def __init__(
        self,
        work: Path,
        environment: Environment,
        sandbox: Sandbox,
        variables: Mapping[str, str],
        log: Path,
    ) -> None:
        self._place = work / "hooks"
        self._environment = environment
        self._sandbox = sandbox
        self._variables = dict(variables)
        self._log = log

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        _python, script, hook, control = cmd
        inside = self._sandbox.inside
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        shutil.copyfile(script, self._place / "run.py")
        shutil.copytree(control, self._place / "control")
        command = [
            self._environment.inside(self._environment.python),
            inside(self._place / "run.py"),
            hook,
            inside(self._place / "control"),
        ]
        extra = {
            name: json.dumps([inside(path) for path in json.loads(value)])
            if name.endswith("_JSON")
            else value
            for name, value in (extra_environ or {}).items()
        }
        status = self._sandbox.run(
            command,
            cwd=inside(cwd or self._place),
            env={**self._variables, **extra},
            log=self._log,
        )
        if status:
            raise subprocess.CalledProcessError(status, command)
        answer = _parsed(_read_answer(self._place / "control" / "output.json"))
        # Python's warnings of the backend: whoever wants them reads the log.
        answer.pop("warnings", None)
        (Path(control) / "output.json").write_text(json.dumps(answer))


def _parsed(text: bytes) -> dict[str, Any]:
    """Return an answer with what pyproject_hooks looks for in it; raise `ValueError` where it is none."""
    answer = json.loads(text)
    if not isinstance(answer, dict):
        raise ValueError("no table")  # noqa: TRY004  whatever is wrong with an answer, it is none
    if "return_val" not in answer and not any(answer.get(name) for name in _EXCUSES):
        raise ValueError("no value")
    return answer


def _read_answer(path: Path) -> bytes:
    """Read what the hook left; a link or a device in its place is none."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is open already
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(str(path))
        return file.read(_ANSWER_LIMIT)
