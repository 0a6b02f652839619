"""The Rust that this machine has already: rustup's, or any other whose tree holds its own programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.build.model import World

_FACT = "rustup-target"
#: A target that rustup could not add is not asked for again for so many seconds.
_FRESH = 86400
#: rustup gives up by itself much later where its server is not reachable.
_SECONDS = 120
_RELEASE = re.compile(r"^release: (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_COMMIT = re.compile(r"^commit-hash: ([0-9a-f]{8,40})$", re.MULTILINE)
_HOST = re.compile(r"^host: ([a-z0-9_-]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledRust:
    """A toolchain in a directory of its own, `bin/cargo` and `bin/rustc` in it."""

    directory: Path
    version: tuple[int, int, int]
    commit: str
    host: str

    def has(self, triple: str) -> bool:
        """Tell whether the standard library of a target is installed."""
        return any((self.directory / "lib" / "rustlib" / triple / "lib").glob("libstd-*.rlib"))


def installed_rust(environ: Mapping[str, str]) -> InstalledRust | None:
    """Return the toolchain of the `rustc` that is found first, None where there is none of its own directory."""
    program = shutil.which("rustc", path=environ.get("PATH"))
    if program is None:
        return None
    root = _output([program, "--print", "sysroot"], environ)
    directory = Path(root.strip()) if root else None
    # A distribution's own compiler shares /usr with everything that a build must not see.
    if directory is None or directory in {Path("/usr"), Path("/usr/local"), Path("/")}:
        return None
    if not all((directory / "bin" / name).is_file() for name in ("cargo", "rustc")):
        return None
    said = _output([str(directory / "bin" / "rustc"), "-vV"], environ) or ""
    release, commit, host = _RELEASE.search(said), _COMMIT.search(said), _HOST.search(said)
    if release is None or host is None:
        return None
    return InstalledRust(
        directory=directory,
        version=(int(release[1]), int(release[2]), int(release[3])),
        commit=commit[1] if commit else "",
        host=host[1],
    )


def add_target(rust: InstalledRust, triple: str, world: World) -> bool:
    """Let rustup add the standard library of a target; False where there is no rustup or it cannot.

    What it could not do within a day is not tried again.
    """
    environ = world.tools.uv_environ
    program = shutil.which("rustup", path=environ.get("PATH"))
    if program is None or rust.directory.parent.name != "toolchains":
        return False
    key = f"{rust.directory} {triple}"
    last = world.store.get_fact(_FACT, key)
    if isinstance(last, int) and 0 <= world.now - last < _FRESH:
        return False
    command = [program, "target", "add", "--toolchain", rust.directory.name, triple]
    # rustup itself does not keep two of its kind from writing into one toolchain.
    with world.store.locked("rustup"):
        if rust.has(triple):
            return True
        world.warn(f"rustup adds Rust's standard library of {triple} to `{rust.directory.name}`")
        if _output(command, {**environ, "RUSTUP_MAX_RETRIES": "0"}) is not None and rust.has(triple):
            return True
    world.store.put_fact(_FACT, key, int(world.now))
    return False


def _output(command: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            env={**environ, "RUSTUP_AUTO_INSTALL": "0"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
