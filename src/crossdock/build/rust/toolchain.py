"""Which Rust compiles for a target: this machine's own where it can, else Debian's."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdock.build.rust.debian import choose_debian, source_version
from crossdock.build.rust.installed import add_target, installed_rust
from crossdock.build.rust.layout import debian_tree
from crossdock.build.rust.table import debian_names, rust_host, rust_triple
from crossdock.errors import BuildError, FetchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.build.rust.debian import DebianRust
    from crossdock.build.rust.installed import InstalledRust
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Rust:
    """A compiler for a target: `host` and `triple` are Rust's names of this machine and of the target.

    `provider` is `installed` or `debian`, `detail` one line that tells which. `place` makes or finds its directory,
    with `bin/cargo` and `bin/rustc`; all else is known without it.
    """

    host: str
    triple: str
    version: tuple[int, int, int]
    provider: str
    detail: str
    place: Callable[[], Path]

    def key(self) -> dict[str, Any]:
        """Return what of it decides a wheel's bytes, JSON-ready."""
        return {"provider": self.provider, "detail": self.detail, "target": self.triple}


def find_rust(target: Target, world: World, *, at_least: tuple[int, ...] = ()) -> Rust:
    """Return the Rust for a target; raise `BuildError` (E-BUILD-RUST) with what was looked at and what to do.

    First what this machine has, if the target's standard library is there or rustup can add it, then Debian's.
    """
    triple = rust_triple(target)
    own = installed_rust(world.tools.uv_environ)
    why: list[str] = []
    if own is None:
        why.append("this machine: no `rustc` of rustup's on the PATH")
    elif own.version < (*at_least, 0, 0, 0)[:3]:
        why.append(f"this machine: its Rust is {_text(own.version)}")
    elif own.has(triple) or (_online(world) and add_target(own, triple, world)):
        return _of_installed(own, triple)
    else:
        why.append(f"this machine: its Rust {_text(own.version)} has no standard library of {triple}")
    try:
        return _of_debian(triple, world, at_least)
    except BuildError as error:
        raise BuildError(
            error.message, code=error.code, places=[*why, *error.places], hint=error.hint
        ) from error


def _of_debian(triple: str, world: World, at_least: tuple[int, ...]) -> Rust:
    host = rust_host(sys.platform, platform.machine())
    if host is None or debian_names(host) is None or debian_names(triple) is None:
        raise BuildError(
            f"no Rust for {triple} was found",
            code="E-BUILD-RUST",
            hint=f"have it by rustup: `rustup target add {triple}`",
        )
    found = choose_debian(host, triple, world, at_least=at_least)
    return Rust(
        host=host,
        triple=triple,
        version=found.version,
        provider="debian",
        detail=_detail(found),
        place=lambda: debian_tree(found, host, triple, world),
    )


def _detail(found: DebianRust) -> str:
    """Name the packages that decide what is compiled, without the machine that they run on.

    Those of the C library and the like only let the compiler run.
    """
    release = found.release
    names = {release.compiler, release.cargo}
    told = {
        f"{one.name} {source_version(one)}"
        for one in found.host
        if one.name in names or one.name.startswith("libllvm")
    }
    library = found.library or next(one for one in found.host if one.name == release.library)
    told.add(f"{library.name} {library.version} {library.architecture}")
    return f"Rust {found.text}, Debian {release.suite}: {', '.join(sorted(told))}"


def _of_installed(own: InstalledRust, triple: str) -> Rust:
    return Rust(
        host=own.host,
        triple=triple,
        version=own.version,
        provider="installed",
        detail=f"Rust {_text(own.version)} {own.commit}",
        place=lambda: own.directory,
    )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _online(world: World) -> bool:
    try:
        world.http()
    except FetchError:
        return False
    return True
