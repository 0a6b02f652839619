"""The sandbox on Linux without bubblewrap: the same tree and the same namespaces, made by a program of ours."""

from __future__ import annotations

import base64
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Limits
from crossdock.build.sandbox.plan import GID, HOSTNAME, UID, Step
from crossdock.build.sandbox.seccomp import filter_program
from crossdock.build.sandbox.supervise import Job
from crossdock.build.sandbox.treed import Treed, memory_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A program by itself, not imported: it loads what crossdock does not need.
_PROGRAM = Path(__file__).with_name("enter.py")


class Namespaces(Treed):
    """Namespaces made by `enter.py`, which the interpreter that runs crossdock runs."""

    kind: ClassVar[str] = "namespaces"
    prefix: ClassVar[str] = "namespaces: "

    def job(
        self,
        tree: Sequence[Step],
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        log: Path,
        network: bool,
        scratch: Path,
    ) -> Job:
        """Return the command line of `enter.py`: what to do comes through a descriptor."""
        status, told = os.pipe()
        waiting, gate = os.pipe()
        (scratch / "root").mkdir()
        calls = filter_program()
        plan = {
            "root": os.fspath(scratch / "root"),
            "steps": [[step.do, step.place, step.what] for step in tree],
            "network": network,
            "uid": UID,
            "gid": GID,
            "hostname": HOSTNAME,
            "filter": None if calls is None else base64.b64encode(calls).decode(),
            "command": list(command),
            "cwd": cwd,
            "env": dict(env),
            "told": told,
            "waiting": waiting,
        }
        given = memory_file(json.dumps(plan).encode())
        return Job(
            # Isolated and without site: nothing of the user's environment decides what it does.
            command=[sys.executable, "-I", "-S", os.fspath(_PROGRAM), str(given)],
            environ={},
            log=log,
            limits=self.limits,
            what=Path(command[0]).name,
            descriptors=[told, waiting, given],
            status=status,
            gate=gate,
        )


@cache
def trouble() -> str | None:
    """Return why this host lets us make no namespaces, None if it does; asked once in a process."""
    return Namespaces((), Limits(seconds=60)).trouble()
