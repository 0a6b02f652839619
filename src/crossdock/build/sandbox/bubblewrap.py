"""The sandbox on Linux: bubblewrap with namespaces of its own for everything, and only what is named is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Limits, Mount
from crossdock.build.sandbox.plan import GID, HOSTNAME, UID, Step
from crossdock.build.sandbox.seccomp import filter_program
from crossdock.build.sandbox.supervise import Job
from crossdock.build.sandbox.treed import Treed, memory_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The oldest version that is known to have all options that are used.
_OLDEST = (0, 4)
_HAS_CHMOD = (0, 5)

_WITH_SOURCE = {"show": "--ro-bind", "give": "--bind", "link": "--symlink"}
_BY_PLACE = {"directory": "--dir", "seal": "--remount-ro"}


class Bubblewrap(Treed):
    """Namespaces made by the program `bwrap`."""

    kind: ClassVar[str] = "bubblewrap"
    prefix: ClassVar[str] = "bwrap: "

    def __init__(
        self,
        program: str,
        mounts: Sequence[Mount],
        limits: Limits,
        *,
        hide: Sequence[str] = (),
        sysroot: tuple[Path, str] | None = None,
    ) -> None:
        super().__init__(mounts, limits, hide=hide, sysroot=sysroot)
        self._program = program

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
        """Return the command line of bwrap: its options come through a descriptor, which has room for all."""
        del scratch  # bwrap has a place of its own to build the tree at
        status, told = os.pipe()
        waiting, gate = os.pipe()
        descriptors = [told, waiting]
        arguments = [*_namespaces(network=network), "--json-status-fd", str(told), "--block-fd", str(waiting)]
        calls = filter_program()
        if calls is not None:
            descriptors.append(memory_file(calls))
            arguments += ["--seccomp", str(descriptors[-1])]
        for step in tree:
            if step.do == "text":
                descriptors.append(memory_file(step.what.encode()))
                arguments += ["--ro-bind-data", str(descriptors[-1]), step.place]
            else:
                arguments += _option(step, _version(self._program))
        for name, value in env.items():
            arguments += ["--setenv", name, value]
        arguments += ["--chdir", cwd]
        given = memory_file("\0".join([*arguments, ""]).encode("utf-8", "surrogateescape"))
        return Job(
            command=[self._program, "--args", str(given), "--", *command],
            environ={},
            log=log,
            limits=self.limits,
            what=Path(command[0]).name,
            descriptors=[*descriptors, given],
            status=status,
            gate=gate,
        )


def _namespaces(*, network: bool) -> list[str]:
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if network else ("--unshare-net",)),
        *("--uid", str(UID), "--gid", str(GID), "--hostname", HOSTNAME),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev"),
    ]


def _option(step: Step, version: tuple[int, int]) -> list[str]:
    if step.do in _WITH_SOURCE:
        return [_WITH_SOURCE[step.do], step.what, step.place]
    if step.do == "empty":
        return ["--tmpfs", step.place, "--remount-ro", step.place]
    if step.do == "close":
        return ["--chmod", "0111", step.place] if version >= _HAS_CHMOD else []
    return [_BY_PLACE[step.do], step.place]


@cache
def find() -> str | None:
    """Return the program bwrap, or None where there is none (or one that is too old)."""
    program = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin")
    if program is None:
        return None
    return program if _version(program) >= _OLDEST else None


@cache
def _version(program: str) -> tuple[int, int]:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, env={})
    match = re.search(r"(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@cache
def trouble(program: str) -> str | None:
    """Return why `program` makes no sandbox here, None if it does; asked once in a process."""
    return Bubblewrap(program, (), Limits(seconds=60)).trouble()
