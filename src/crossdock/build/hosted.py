"""A build for no platform in particular: the backend in a sandbox, with no compiler and no library to find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.build.backend import Backend, build_system, clean_variables
from crossdock.build.environment import Environment, host_python
from crossdock.build.sandbox import Limits, Mount, open_sandbox, plain_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.build.backend import BuildTools
    from crossdock.build.environment import HostPython

#: Seconds that a build without a compiler may take.
_SECONDS = 600
_BUILD, _TOOLS = "/build", "/tools"


def build_wheel(
    source: Path, work: Path, tools: BuildTools, *, python: str, log: Path, trusted: bool = False
) -> Path:
    """Build the project in `source`, which lies below `work`, and return its wheel, in a directory below `work`.

    `python` is the host interpreter that runs the backend. `log` takes its output, and lies outside `work`, in which all
    is the backend's to replace, by a link for one. `trusted` says that the code is the user's own: where no
    sandbox can be made it runs without one, and a warning tells so. Raises `BuildError` with the end of the log.
    """
    system = build_system(source)
    home, temporary, programs = work / "home", work / "tmp", work / "tools"
    for folder in (home, temporary):
        folder.mkdir()
    plain_tools(programs)
    interpreter = host_python(python)
    sandbox = open_sandbox(
        _mounts(work, programs, interpreter),
        Limits(seconds=_SECONDS).chosen(tools.seconds, tools.memory),
        allow_unsandboxed=trusted or tools.allow_unsandboxed,
        warn=tools.warn,
    )
    environment = Environment.make(work / "env", sandbox.inside(work / "env"), tools, python=interpreter)
    environment.install(system.requires, what=source.name, own=trusted)
    variables = clean_variables(
        [f"{environment.place}/bin", sandbox.inside(programs)], build=sandbox.inside(work), tools=tools
    )
    backend = Backend(
        source,
        system,
        work=work,
        environment=environment,
        sandbox=sandbox,
        variables=variables,
        log=log,
        what=source.name,
    )
    environment.install(backend.requires({}), what=source.name, own=trusted)
    return backend.wheel({})


def _mounts(work: Path, programs: Path, python: HostPython) -> Sequence[Mount]:
    return [*work_mounts(work, _BUILD), Mount(source=programs, place=_TOOLS), *python_mounts(python)]


def work_mounts(work: Path, place: str) -> list[Mount]:
    """Return the mounts of a build's directory at `place`: all of it is the build's but its environment.

    uv fills the environment from outside, between two hooks: a backend that could write there would lead what uv
    writes elsewhere by a link.
    """
    environment = work / "env"
    environment.mkdir()
    return [
        Mount(source=work, place=place, writable=True),
        Mount(source=environment, place=f"{place}/{environment.name}"),
    ]


def python_mounts(python: HostPython) -> list[Mount]:
    """Return the mounts that a host Python needs where it is not one of the system's: at their own places."""
    if python.prefix == "/usr":
        return []
    return [
        Mount(source=Path(python.prefix), place=python.prefix, python=True),
        Mount(source=Path(python.executable), place=python.executable),
    ]
