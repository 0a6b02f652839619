"""The sandbox on Linux: bubblewrap with namespaces of its own for everything, and only what is named is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.model import Limits, Mount, Sandbox
from crossdock.build.sandbox.places import place_of
from crossdock.build.sandbox.plan import GID, HOSTNAME, UID, Step, steps
from crossdock.build.sandbox.probe import refusal_of
from crossdock.build.sandbox.scratch import scratch_directory
from crossdock.build.sandbox.seccomp import filter_program
from crossdock.build.sandbox.supervise import Job, supervise
from crossdock.build.sandbox.view import host_view
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The oldest version that is known to have all options that are used.
_OLDEST = (0, 4)


class Bubblewrap(Sandbox):
    """Namespaces made by the program `bwrap`."""

    kind: ClassVar[str] = "bubblewrap"

    def __init__(
        self,
        program: str,
        mounts: Sequence[Mount],
        limits: Limits,
        *,
        hide: Sequence[str] = (),
        sysroot: tuple[Path, str] | None = None,
    ) -> None:
        super().__init__(mounts, limits)
        self._program = program
        self._hide = tuple(hide)
        self._sysroot = sysroot

    def inside(self, path: Path | str) -> str:
        """Return where the host's `path` lies inside; raises ValueError if no mount shows it there."""
        try:
            return place_of(path, self.spelled)
        except ValueError:
            text, view = os.fspath(path), host_view()
            if text in view.links or any(text == at or text.startswith(f"{at}/") for at in view.shown):
                return text
            raise

    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, network: bool = False
    ) -> int:
        """Run `command` in namespaces made for it; see `Sandbox.run`."""
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_directory())
            tree = steps(self.mounts, scratch, hide=self._hide, sysroot=self._sysroot, network=network)
            code = supervise(self._job(tree, command, cwd=cwd, env=env, log=log, network=network))
        if code is not None:
            return code
        last = _last_lines(log)
        if last and last[0].startswith("bwrap: execvp "):
            return 127  # as a shell says it of a program that is not there
        raise BuildError(
            "bubblewrap could not make the sandbox, or was killed from outside",
            code="E-BUILD-SANDBOX",
            places=[*last, str(log)],
        )

    def _job(
        self,
        tree: Sequence[Step],
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        log: Path,
        network: bool,
    ) -> Job:
        descriptors: list[int] = []
        status, told = os.pipe()
        waiting, gate = os.pipe()
        descriptors += [told, waiting]
        arguments = [*_namespaces(network=network), "--json-status-fd", str(told), "--block-fd", str(waiting)]
        calls = filter_program()
        if calls is not None:
            descriptors.append(_memory(calls))
            arguments += ["--seccomp", str(descriptors[-1])]
        for step in tree:
            if step.do == "text":
                descriptors.append(_memory(step.what.encode()))
                arguments += ["--ro-bind-data", str(descriptors[-1]), step.place]
            else:
                arguments += _option(step)
        for name, value in env.items():
            arguments += ["--setenv", name, value]
        arguments += ["--chdir", cwd]
        given = _memory("\0".join([*arguments, ""]).encode("utf-8", "surrogateescape"))
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


def _option(step: Step) -> list[str]:
    match step.do:
        case "show":
            return ["--ro-bind", step.what, step.place]
        case "give":
            return ["--bind", step.what, step.place]
        case "link":
            return ["--symlink", step.what, step.place]
        case "empty":
            return ["--tmpfs", step.place, "--remount-ro", step.place]
        case "directory":
            return ["--dir", step.place]
        case "seal":
            return ["--remount-ro", step.place]
        case _:
            raise AssertionError(step.do)


def _memory(data: bytes) -> int:
    """Return a descriptor from which `data` is read."""
    descriptor = os.memfd_create("crossdock")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _last_lines(log: Path) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("bwrap: ")][-1:]


@cache
def find() -> str | None:
    """Return the program bwrap, or None where there is none (or one that is too old)."""
    program = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin")
    if program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, env={})
    match = re.search(r"(\d+)\.(\d+)", done.stdout)
    return program if match and (int(match[1]), int(match[2])) >= _OLDEST else None


@cache
def trouble(program: str) -> str | None:
    """Run a trivial command once and return why it cannot be, or None if all is well."""
    with scratch_directory() as scratch:
        log = scratch / "log"
        (scratch / "tree").mkdir()
        sandbox = Bubblewrap(program, (), Limits(seconds=60))
        try:
            status = sandbox.run(["/usr/bin/true"], cwd="/tmp", env={}, log=log)  # noqa: S108  inside
        except BuildError as error:
            return refusal_of("\n".join(error.places[:1]) or error.message)
        said = log.read_text(encoding="utf-8", errors="replace").strip()
    return None if status == 0 else refusal_of(said or f"status {status}")
