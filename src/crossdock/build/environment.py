"""The environment of host tools that a backend runs in: made by uv, with the target's files laid over what is compiled against."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.build.installer import run_uv
from crossdock.build.requirements import checked_requirements
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossdock.build.backend import BuildTools

#: Lines of uv's output that an error shows.
_LINES = 30
#: Bytes of a script's first line that older kernels read.
_LONGEST = 127
_ASK = (
    "import json,sys,sysconfig;"
    "print(json.dumps([getattr(sys,'_base_executable',sys.executable),sys.base_prefix,list(sys.version_info[:3]),"
    "sysconfig.get_config_var('Py_GIL_DISABLED') or 0]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPython:
    """An interpreter of this machine: the program itself (no shim, no environment), its prefix and its version."""

    executable: str
    prefix: str
    version: tuple[int, int, int]
    free_threaded: bool = False


@lru_cache(maxsize=64)
def host_python(python: str) -> HostPython:
    """Ask an interpreter what it is; raise `BuildError` (E-BUILD-PYTHON) if it does not answer."""
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", _ASK],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env=_plain(),
        )
        executable, prefix, version, free = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BuildError(f"the Python `{python}` does not run: {error}", code="E-BUILD-PYTHON") from error
    return HostPython(
        executable=os.path.realpath(executable),
        prefix=prefix,
        version=tuple(version),
        free_threaded=bool(free),
    )


def _plain() -> dict[str, str]:
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "PYENV_ROOT") if name in os.environ
    }


class Environment:
    """A virtual environment below a build's directory.

    It is made and filled from outside, by uv, and used from inside a sandbox, where it lies at `place`. Its own
    interpreter never runs outside: that would read the `.pth` files of what was installed.
    """

    def __init__(self, directory: Path, place: str, tools: BuildTools, *, python: HostPython) -> None:
        self.directory = directory
        self.place = place
        self._tools = tools
        self._host = python.executable

    @classmethod
    def make(cls, directory: Path, place: str, tools: BuildTools, *, python: HostPython) -> Environment:
        """Make the environment at `directory`; raise `BuildError` (E-BUILD-REQUIRES)."""
        made = cls(directory, place, tools, python=python)
        made._uv(
            ["venv", "--quiet", "--no-project", "--python", python.executable, str(directory)],
            "make an environment",
        )
        return made

    @property
    def python(self) -> Path:
        """The interpreter, as it lies outside."""
        return self.directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def site_packages(self) -> Path:
        """Where packages are, as it lies outside."""
        found = sorted((self.directory / "lib").glob("python3*/site-packages"))
        return found[0] if found else self.directory / "Lib" / "site-packages"

    def inside(self, path: Path) -> str:
        """Return what a path below the environment is called inside."""
        return f"{self.place}/{path.relative_to(self.directory).as_posix()}"

    def install(
        self, requirements: Sequence[str], *, what: str, own: bool = False, named: Sequence[str] = ()
    ) -> None:
        """Install build requirements for this machine; from wheels only, since a sdist's code runs in the sandbox alone.

        `requirements` are the words of the project or its backend, `own` says that it is a directory of the user's,
        `named` are the user's own words. Raise `BuildError`: E-BUILD-REQUIRES with uv's words, E-BUILD-REQUIRES-URL.
        """
        wanted = sorted({*checked_requirements(requirements, what=what, own=own), *named})
        if not wanted:
            return
        self._uv(
            ["pip", "install", "--quiet", *self._where(), "--only-binary", ":all:", "--no-compile-bytecode",
             *self._tools.uv_arguments, "--", *wanted],
            f"install what `{what}` builds with",
        )  # fmt: skip
        self._name_inside()

    def _where(self) -> list[str]:
        """Return what tells uv where to install: it asks the host's interpreter, and puts the files here."""
        if os.name == "nt":
            # Its launchers cannot be told another interpreter, and there is no sandbox.
            return ["--python", str(self.python)]
        return ["--python", self._host, "--prefix", str(self.directory)]

    def installed(self) -> list[str]:
        """Return `name==version` of what was installed, sorted: part of the provenance."""
        found = []
        for info in sorted(self.site_packages.glob("*.dist-info")):
            name, _dash, version = info.name.removesuffix(".dist-info").rpartition("-")
            found.append(f"{name.lower().replace('_', '-')}=={version}")
        return sorted(found)

    def _name_inside(self) -> None:
        """Let scripts start the environment's interpreter, by the name that it has inside."""
        if os.name == "nt":
            return
        old, new = _launcher(self._host), _launcher(f"{self.place}/bin/python")
        for path in (self.directory / "bin").iterdir():
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                head = file.read(len(old) + 1)
            if head.startswith(old) and head[len(old) :].isspace():
                mode = path.stat().st_mode & 0o777
                content = path.read_bytes()
                path.unlink()  # uv links files of its cache
                path.write_bytes(new + content[len(old) :])
                path.chmod(mode)

    def _uv(self, command: list[str], what: str) -> None:
        done = run_uv(self._tools, command, what)
        if done.returncode:
            raise BuildError(
                f"uv could not {what}",
                code="E-BUILD-REQUIRES",
                places=done.stderr.strip().splitlines()[-_LINES:],
                hint="build requirements are tools of this machine and are taken as wheels only",
            )


def _launcher(python: str) -> bytes:
    """Return how a script begins that uv has `python` start: what is too long for the kernel, or has blanks, by a shell."""
    if len(os.fsencode(python)) + len("#!\n") > _LONGEST or " " in python:
        quoted = python.replace("'", "'\"'\"'")
        return os.fsencode(f"#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''")
    return os.fsencode(f"#!{python}")
