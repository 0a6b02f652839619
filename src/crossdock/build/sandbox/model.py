"""What a sandbox is: mounts, limits, and what every kind of it can do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from crossdock.build.sandbox.places import check_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A directory or file of the host and the absolute POSIX path where a build sees it.

    `python` says that it is the prefix of a Python: of what lies there, which may be all of a home, that alone is shown.
    """

    source: Path
    place: str
    writable: bool = False
    python: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one command may use: wall seconds, bytes of memory, processes at a time, bytes in one file."""

    seconds: float = 3600
    memory: int = 8 << 30
    processes: int = 512
    file_size: int = 8 << 30

    def chosen(self, seconds: int | None, memory: int | None) -> Limits:
        """Return them with those that the user has chosen, memory in MiB."""
        return replace(
            self,
            seconds=self.seconds if seconds is None else seconds,
            memory=self.memory if memory is None else memory << 20,
        )


class Sandbox(ABC):
    """A place where the code of a package's author runs: made by `open_sandbox`."""

    #: `bubblewrap`, `namespaces`, `sandbox-exec` or `none`.
    kind: ClassVar[str]

    def __init__(self, mounts: Sequence[Mount], limits: Limits) -> None:
        #: As the caller spells them, and with sources that no link leads away from now or later.
        self.spelled = tuple(replace(mount, source=mount.source.absolute()) for mount in mounts)
        check_places(self.spelled)
        self.mounts = tuple(replace(mount, source=mount.source.resolve()) for mount in self.spelled)
        check_places(self.mounts)
        self.limits = limits

    def inside(self, path: Path | str) -> str:
        """Return where the host's `path` lies inside; raises ValueError if no mount shows it there."""
        return os.fspath(path)

    @abstractmethod
    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], log: Path, network: bool = False
    ) -> int:
        """Run `command` to its end and return its exit status (128 + the signal that ended it).

        `command`, `cwd` and `env` speak of paths inside. What it prints on both streams is appended to `log` as it
        comes. `network` lets it use the host's network: for downloads by trusted programs, never for a backend. All
        that it started is dead when this returns; the thread that calls this has to live as long (bubblewrap dies with
        its parent thread). Raises `BuildError`: E-BUILD-TIMEOUT, E-BUILD-MEMORY, E-BUILD-PROCESSES at a limit,
        E-BUILD-SANDBOX if the sandbox itself cannot be made.
        """
