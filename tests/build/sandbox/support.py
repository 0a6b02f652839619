"""What the tests of the sandbox share: a sandbox around a build tree, and the hostile script in it and outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossdock.build.sandbox import Limits, Mount, Sandbox, bubblewrap, namespaces, open_sandbox
from crossdock.build.sandbox.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).with_name("hostile.py")
PREFIX = Path(sys.base_prefix).resolve()
PYTHON = str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}").resolve())


#: The kind that a yard takes, in a variable so that processes of a test take it too.
KIND = "CROSSDOCK_TEST_SANDBOX"


def _trouble(kind: str) -> str | None:
    if not sys.platform.startswith("linux"):
        return f"{kind}: only on Linux"
    if kind == "namespaces":
        return namespaces.trouble()
    program = bubblewrap.find()
    return "no bwrap on this machine" if program is None else bubblewrap.trouble(program)


def _kind(name: str) -> Any:
    trouble = _trouble(name)
    return pytest.param(name, marks=pytest.mark.skipif(trouble is not None, reason=str(trouble)))


#: Both kinds that have a tree of their own are held to the same tests.
KINDS = [_kind("bubblewrap"), _kind("namespaces")]


@dataclass
class Yard:
    """A build tree with a sandbox around it."""

    root: Path
    limits: Limits = field(default_factory=Limits)
    mounts: tuple[Mount, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.build = self.root / "build"
        self.build.mkdir(exist_ok=True)
        self.log = self.root / "log"
        (self.build / "hostile.py").write_bytes(SCRIPT.read_bytes())

    def sandbox(self) -> Sandbox:
        mounts = [Mount(source=self.build, place="/build", writable=True), *self.mounts]
        if Path("/usr") != PREFIX:
            mounts.append(Mount(source=PREFIX, place=str(PREFIX)))
        if os.environ.get(KIND) == "namespaces":
            return Namespaces(mounts, self.limits, **self.options)
        return open_sandbox(mounts, self.limits, allow_unsandboxed=False, warn=pytest.fail, **self.options)

    def run(self, *command: str, network: bool = False, env: dict[str, str] | None = None) -> int:
        variables = {"PATH": "/usr/bin", "HOME": "/build", **(env or {})}
        return self.sandbox().run(command, cwd="/build", env=variables, log=self.log, network=network)

    def attack(self, *arguments: object, network: bool = False) -> int:
        """Return 0 if the attack came off inside, 3 if it did not; anything else is a broken test."""
        return self.run(PYTHON, "-I", "/build/hostile.py", *map(str, arguments), network=network)

    def shell(self, text: str) -> str:
        """Return what a script says inside."""
        before = self.log.stat().st_size if self.log.exists() else 0
        status = self.run("/bin/sh", "-c", text)
        said = self.text()[before:]
        assert status == 0, said
        return said

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def attack_outside(*arguments: object, env: dict[str, str] | None = None) -> int:
    """Do the same on the host: an attack that fails here shows nothing by failing inside."""
    done = subprocess.run(
        [PYTHON, "-I", SCRIPT, *map(str, arguments)],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.returncode


def alive(marker: str) -> list[int]:
    """Return the processes of this machine that have `marker` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
