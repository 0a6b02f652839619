"""What Rust and Debian call targets, and where Debian has Rust (`rust.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError

if TYPE_CHECKING:
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianRelease:
    """A suite of Debian and the names of its packages of Rust."""

    suite: str
    compiler: str
    cargo: str
    library: str


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "rust.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def releases() -> tuple[DebianRelease, ...]:
    """Return where Debian has Rust, the first to be asked first."""
    return tuple(DebianRelease(**one) for one in _table()["releases"])


def left_out() -> frozenset[str]:
    """Return dependencies of Debian's packages that are not needed here."""
    return frozenset(_table()["left-out"]["names"])


def rust_triple(target: Target) -> str:
    """Return Rust's name of a target; raise `BuildError` (E-BUILD-RUST) where Rust has none that is known here."""
    libc = "" if target.libc is None else f"-{target.libc.kind.value}"
    name = f"{target.os.value}-{target.arch.value}{libc}"
    found = _table()["triples"].get(name)
    if found is None:
        raise BuildError(f"no target of Rust is known for {name}", code="E-BUILD-RUST")
    return str(found)


def rust_host(system: str, machine: str) -> str | None:
    """Return Rust's name of the machine that builds, by `sys.platform` and `platform.machine()`, None if unknown."""
    cpu = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())
    name = {"linux": f"linux-{cpu}-glibc", "darwin": f"macos-{cpu}", "win32": f"windows-{cpu}"}.get(
        system, ""
    )
    found = _table()["triples"].get(name)
    return None if found is None else str(found)


def debian_names(triple: str) -> tuple[str, str] | None:
    """Return Debian's architecture and library directory of a Rust target with glibc, None for any other."""
    for name, known in _table()["triples"].items():
        if known == triple and name.endswith("-glibc"):
            architecture, folder = _table()["architectures"][name.split("-")[1]]
            return str(architecture), str(folder)
    return None
