"""What both kinds of sandbox on Linux share: a tree of their own, so that builds see fixed paths."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.logfile import read_log
from crossdock.build.sandbox.model import Limits, Mount, Sandbox
from crossdock.build.sandbox.places import place_of
from crossdock.build.sandbox.plan import steps
from crossdock.build.sandbox.probe import refusal_of
from crossdock.build.sandbox.pythons import with_pythons
from crossdock.build.sandbox.scratch import scratch_directory
from crossdock.build.sandbox.supervise import Job, supervise
from crossdock.build.sandbox.view import host_view
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossdock.build.sandbox.plan import Step


class Treed(Sandbox):
    """A sandbox with mounts."""

    #: What its own messages in a log begin with.
    prefix: ClassVar[str]

    def __init__(
        self,
        mounts: Sequence[Mount],
        limits: Limits,
        *,
        hide: Sequence[str] = (),
        sysroot: tuple[Path, str] | None = None,
    ) -> None:
        super().__init__(mounts, limits)
        shown, hidden = with_pythons(self.mounts)
        self.mounts = tuple(shown)
        self._hide = (*hide, *hidden)
        self._sysroot = sysroot

    @abstractmethod
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
        """Return what the host runs so that `command` runs in `tree`."""

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
        if any("\0" in text for text in (*command, cwd, *env, *env.values())):
            # bwrap's options come to it as strings that end so: one more would be an option of its own.
            raise BuildError(
                "a variable or an argument for the sandbox has a NUL byte", code="E-BUILD-SANDBOX"
            )
        with scratch_directory() as scratch:
            tree = steps(self.mounts, scratch, hide=self._hide, sysroot=self._sysroot, network=network)
            job = self.job(tree, command, cwd=cwd, env=env, log=log, network=network, scratch=scratch)
            code = supervise(job)
        if code is not None:
            return code
        last = self._last_line(log)
        if last.startswith(f"{self.prefix}execvp "):
            return 127  # as a shell says it of a program that is not there
        raise BuildError(
            "the sandbox could not be made, or was killed from outside",
            code="E-BUILD-SANDBOX",
            places=[*([last] if last else ()), str(log)],
        )

    def _last_line(self, log: Path) -> str:
        lines = read_log(log, 4096).decode("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if line.startswith(self.prefix)), "")

    def trouble(self) -> str | None:
        """Run a trivial command and return why it cannot be, with the remedy, or None if all is well."""
        with scratch_directory() as scratch:
            log = scratch / "log"
            try:
                status = self.run(["/usr/bin/true"], cwd="/tmp", env={}, log=log)  # noqa: S108  inside
            except BuildError as error:
                return refusal_of("\n".join(error.places[:1]) or error.message)
            said = log.read_text(encoding="utf-8", errors="replace").strip()
        return None if status == 0 else refusal_of(said or f"status {status}")


def memory_file(data: bytes) -> int:
    """Return a descriptor from which `data` is read."""
    descriptor = os.memfd_create("crossdock")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
