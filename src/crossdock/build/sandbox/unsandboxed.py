"""No sandbox, where the user has said so: still a clean environment, limits, and an end for what was started."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Sandbox
from crossdock.build.sandbox.supervise import Job, supervise
from crossdock.build.sandbox.windows import run_plainly
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Sets limits in the process that becomes the command: `ulimit -f` counts blocks of 512 bytes (POSIX).
_LIMITED = 'ulimit -c 0; ulimit -f "$1"; shift; exec "$@"'


class Unsandboxed(Sandbox):
    """The command sees what the user sees. Paths inside are the host's; what detaches itself may outlive the run."""

    kind: ClassVar[str] = "none"

    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, network: bool = False
    ) -> int:
        """Run `command` with `env` alone, under the limits; see `Sandbox.run`."""
        del network  # it has it anyway
        return run_limited(self, self._around(command), cwd=cwd, env=env, log=log, what=Path(command[0]).name)

    def _around(self, command: Sequence[str]) -> list[str]:
        if sys.platform == "win32":
            return list(command)
        return limited(command, self.limits.file_size)


def limited(command: Sequence[str], file_size: int) -> list[str]:
    """Return a command that runs `command` without core dumps and with files of `file_size` bytes at most."""
    return ["/bin/sh", "-c", _LIMITED, "sh", str(max(1, file_size // 512)), *command]


def run_limited(
    sandbox: Sandbox, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, what: str
) -> int:
    """Run a command of the host under the limits of `sandbox`."""
    if not os.path.isdir(cwd):  # noqa: PTH112  a string of the caller's
        raise BuildError(f"`{cwd}` is no directory to build in", code="E-BUILD-SANDBOX")
    job = Job(command=command, environ=env, log=log, limits=sandbox.limits, what=what, cwd=cwd)
    if sys.platform == "win32":
        return run_plainly(job)
    status = supervise(job)
    assert status is not None  # noqa: S101  only bubblewrap tells of its status by a pipe
    return status
