"""What a build gets so that cargo compiles for the target: the compiler, the crates, and the variables that say so."""

from __future__ import annotations

import posixpath
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.rust.crates import vendor_crates
from crossdock.build.rust.manifests import find_crates
from crossdock.build.rust.toolchain import find_rust
from crossdock.build.rust.variables import rust_variables
from crossdock.build.sandbox import Mount
from crossdock.target.model import Os

if TYPE_CHECKING:
    from crossdock.build.backend import BuildSystem
    from crossdock.build.model import World
    from crossdock.build.rust.toolchain import Rust
    from crossdock.build.toolchain.made import Plan
    from crossdock.target.model import Target

_RUST, _CRATES, _HOME, _PREFIX = "/rust", "/crates", "cargo", "prefix"
_ICONV = Path(__file__).with_name("libiconv.tbd")
#: PyO3 runs the module by itself and looks at the prefix, which no Python for another machine has here.
_COMPLETED = 'build_time_vars.setdefault("prefix", "/usr")\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class RustParts:
    """What is mounted, set and put on the PATH, and what it is: `facts` for the provenance, `key` for the build's key."""

    mounts: tuple[Mount, ...]
    variables: dict[str, str]
    path: tuple[str, ...]
    facts: dict[str, Any]
    key: dict[str, Any]


def rust_of(project: Path, system: BuildSystem, target: Target, world: World) -> Rust | None:
    """Return the compiler that a project would be built with, None if it has no Rust: for a key, nothing is fetched."""
    crates = find_crates(project, system)
    return None if crates is None else find_rust(target, world, at_least=crates.at_least)


def prepare_rust(
    project: Path,
    system: BuildSystem,
    plan: Plan,
    world: World,
    *,
    work: Path,
    scratch: Path,
    described: Path,
    log: Path,
    by_place: bool,
) -> RustParts | None:
    """Get the compiler and the crates for an unpacked project; None if it builds nothing of Rust.

    `work` is the build's own directory, `plan.places.build` inside; `described` has the module of the target's sysconfig
    variables, and `by_place` tells whether mounts have names of their own. Raise `BuildError` (E-BUILD-RUST, E-BUILD-CRATES) or `FetchError`.
    """
    crates = find_crates(project, system)
    if crates is None:
        return None
    rust = find_rust(plan.target, world, at_least=crates.at_least)
    directory = rust.place()
    mounts = [Mount(source=directory, place=_RUST)]
    place = _RUST if by_place else str(directory)
    home = work / _HOME
    _show_python(work / _PREFIX, plan, described)
    if plan.target.os is Os.MACOS:
        shutil.copyfile(_ICONV, work / _PREFIX / "lib" / _ICONV.name)
    home.mkdir(exist_ok=True)
    facts: dict[str, Any] = {"compiler": rust.key()}
    remaps: dict[str, str] = {}
    if not crates.own_sources:
        fetching = scratch / "rust"
        fetching.mkdir()
        try:
            vendored = vendor_crates(crates, project, directory, world, scratch=fetching, log=log)
        finally:
            shutil.rmtree(fetching, ignore_errors=True)
        at = _CRATES if by_place else str(vendored.directory)
        mounts.append(Mount(source=vendored.directory, place=_CRATES))
        (home / "config.toml").write_text(vendored.settings(at), encoding="utf-8")
        facts["crates"] = {"locks": vendored.digest, "pinned": vendored.pinned}
        remaps[at] = "crates"
    remaps |= {f"{plan.places.build}/{_HOME}": "cargo", plan.places.build: ".", place: "rust"}
    inside = plan.places.build
    variables = rust_variables(
        rust,
        plan,
        place=place,
        home=f"{inside}/{_HOME}",
        python=f"{inside}/{_library(_PREFIX, plan)}",
        remaps=remaps,
    )
    return RustParts(
        mounts=tuple(mounts),
        variables=variables,
        path=(f"{place}/bin",),
        facts={"rust": facts},
        key=rust.key(),
    )


def _show_python(prefix: Path, plan: Plan, described: Path) -> None:
    """Lay the target's Python out as if installed: PyO3 reads `lib/pythonX.Y`, others find headers from there."""
    name = posixpath.basename(plan.include)
    library = prefix / "lib" / name
    library.mkdir(parents=True)
    for module in described.glob("_sysconfigdata*.py"):
        (library / module.name).write_text(module.read_text("utf-8") + _COMPLETED, encoding="utf-8")
    if plan.target.os is Os.WINDOWS:
        version = plan.target.python
        for lib in ("python3.lib", f"python{version.major}{version.minor}{'t' * version.free_threaded}.lib"):
            (library / lib).symlink_to(f"{plan.places.headers}/libs/{lib}")
    (prefix / "include").mkdir()
    (prefix / "include" / name).symlink_to(plan.include)


def _library(prefix: str, plan: Plan) -> str:
    return f"{prefix}/lib/{posixpath.basename(plan.include)}"
