"""What a build is made of, brought together: the target's Python and libraries, the compiler, tools, Rust, the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.hosted import python_mounts, work_mounts
from crossdock.build.installer import run_uv
from crossdock.build.rust import prepare_rust
from crossdock.build.sandbox import Limits, Mount, open_sandbox, plain_tools, sandbox_kind
from crossdock.build.shim import shim_text
from crossdock.build.sysroot import find_sysroot, static_links
from crossdock.build.target_python import find_target_python, sysconfig_module
from crossdock.build.target_python.names import (
    platform_tag,
    python_name,
    soabi,
    sysconfigdata_name,
)
from crossdock.build.toolchain.made import Places, Plan, toolchain_directory, write_toolchain
from crossdock.build.toolchain.targets import build_floor, machine_words, zig_target
from crossdock.build.toolchain.zig import kernel_headers, warm_cache, zig_directory
from crossdock.errors import BuildError
from crossdock.target.model import Os

if TYPE_CHECKING:
    from crossdock.build.backend import BuildSystem, BuildTools
    from crossdock.build.cross import CrossBuild
    from crossdock.build.environment import HostPython
    from crossdock.build.model import Sysroot, TargetPython
    from crossdock.build.sandbox import Sandbox
    from crossdock.store import Store

#: pkg-config for this machine, from the package index: few hosts have one, and none is needed.
_PKGCONF = "3.0.7.post0"
#: The SHA-256 of each of its files, as of 2026-11-23: it runs in every build that asks for libraries.
_PKGCONF_HASHES = Path(__file__).with_name("pkgconf_hashes.txt")

#: The sandboxes that show things at places of their own.
_WITH_PLACES = frozenset({"bubblewrap", "namespaces"})
_CXX_SUFFIXES = frozenset({".cc", ".cpp", ".cxx", ".hpp", ".hxx", ".hh", ".c++"})
#: In setup.py and Cython (`language="c++"`), in meson.build (`project('x', 'c', 'cpp')`).
_CXX_WORDS = (b"c++", b"'cpp'", b'"cpp"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that a backend is given beside its source; `path` and `variables` are Rust's, `facts` go into the provenance."""

    build: CrossBuild
    plan: Plan
    target_python: TargetPython
    sysroot: Sysroot | None
    sysconfigdata: str
    platform: str
    warm: tuple[Path, ...]
    mounts: tuple[Mount, ...]
    by_place: bool
    path: tuple[str, ...]
    variables: dict[str, str]
    facts: dict[str, Any]

    def open(self, work: Path) -> Sandbox:
        """Open the sandbox around a build's directory."""
        world, settings = self.build.world, self.build.settings
        shown = None if self.sysroot is None else (self.sysroot.directory, self.sysroot.triplet)
        return open_sandbox(
            [*work_mounts(work, self.plan.places.build), *self.mounts],
            Limits().chosen(settings.seconds, settings.memory),
            allow_unsandboxed=world.allow_unsandboxed,
            warn=world.warn,
            sysroot=shown,
        )


def gather_parts(
    build: CrossBuild, python: HostPython, system: BuildSystem, project: Path, scratch: Path
) -> Parts:
    """Get everything; raise `BuildError` or `FetchError` for the first part that cannot be had."""
    world, target = build.world, build.target
    target_python = find_target_python(target, world)
    sysroot = find_sysroot(build.source.name, target, build.settings, world)
    zig = zig_directory(world.store, world.tools)
    pkgconf = _pkgconf(world.store, world.tools)
    by_place = sandbox_kind() in _WITH_PLACES
    places = Places() if by_place else _real_places(scratch, zig, target_python, sysroot, pkgconf)
    plan = _plan(build, python, places, sysroot, by_place=by_place)
    described = scratch / "target"
    module = _describe(described, build, plan, target_python)
    toolchain = toolchain_directory(world.store, plan) if by_place else scratch / "toolchain"
    if not by_place:
        write_toolchain(toolchain, plan)
    tools = scratch / "tools"
    plain_tools(tools)
    mounts = [
        Mount(source=zig, place=places.zig),
        Mount(source=toolchain, place=places.toolchain),
        Mount(source=described, place=places.target),
        Mount(source=target_python.directory, place=places.headers),
        Mount(source=pkgconf, place=places.pkgconf),
        Mount(source=tools, place=places.tools),
    ]
    mounts += python_mounts(python)
    if sysroot is not None:
        mounts.append(Mount(source=sysroot.directory, place=places.sysroot))
    elif by_place and target.os is Os.LINUX:
        mounts += kernel_headers(zig)
    rust = prepare_rust(
        project,
        system,
        plan,
        world,
        work=scratch / "build",
        scratch=scratch,
        described=described / "lib",
        log=build.log,
        by_place=by_place,
    )
    cxx = uses_cxx(project)
    warm = [warm_cache(world, plan.zig_target, plan.machine, cxx=cxx)]
    meson = any(item.startswith("meson") for item in system.requires)
    if rust is not None or meson:
        # What cargo compiles for this machine is linked by zig too, and Meson tries a compiler for it.
        warm.append(warm_cache(world, plan.host_target, cxx=cxx and meson))
    return Parts(
        build=build,
        plan=plan,
        target_python=target_python,
        sysroot=sysroot,
        sysconfigdata=module,
        platform=platform_tag(target),
        warm=tuple(warm),
        mounts=(*mounts, *(() if rust is None else rust.mounts)),
        by_place=by_place,
        path=() if rust is None else rust.path,
        variables={} if rust is None else rust.variables,
        facts={} if rust is None else rust.facts,
    )


def uses_cxx(project: Path) -> bool:
    """Tell whether a source tree seems to compile C++: then libc++ had better be there. A wrong no costs time only."""
    for path in project.rglob("*"):
        if path.suffix in _CXX_SUFFIXES or path.name == "CMakeLists.txt":
            return True
        if path.suffix in {".pyx", ".pxd"} or path.name in {"setup.py", "meson.build", "Cargo.toml"}:
            try:
                text = path.read_bytes()
            except OSError:
                continue
            if any(word in text for word in _CXX_WORDS):
                return True
    return False


def _plan(
    build: CrossBuild, python: HostPython, places: Places, sysroot: Sysroot | None, *, by_place: bool
) -> Plan:
    from crossdock.build.cross import host_name_for_zig

    target = build.target
    triplet = "" if sysroot is None else sysroot.triplet
    floor = build_floor(target, build.glibc)
    static = {} if sysroot is None else static_links(sysroot, floor, place=places.sysroot)
    shown = ("/usr/include", f"/usr/lib/{triplet}") if by_place and triplet else ()
    return Plan(
        target=target,
        zig_target=zig_target(target, floor),
        host_target=host_name_for_zig(),
        interpreter=python.executable,
        machine=machine_words(target),
        places=places,
        soabi=soabi(target),
        include=f"{places.headers}/include/{python_name(target)}",
        triplet=triplet,
        has_sysroot=sysroot is not None,
        shown=shown,
        libraries=tuple((name, tuple(words)) for name, words in sorted(static.items())),
        host_directories=() if python.prefix.startswith("/usr") else (python.prefix,),
    )


def _describe(place: Path, build: CrossBuild, plan: Plan, python: TargetPython) -> str:
    """Write what makes sysconfig answer for the target; return the module's name."""
    (place / "lib" / "pkgconfig").mkdir(parents=True)
    target = build.target
    filename, text = sysconfig_module(
        python, target, include=plan.include, libdir=f"{plan.places.target}/lib", compiler=plan.compilers()
    )
    (place / "lib" / filename).write_text(text)
    namespace: dict[str, Any] = {}
    exec(text, namespace)  # noqa: S102 - our own text, made of literals a moment ago
    variables = namespace["build_time_vars"]
    (place / "target.json").write_text(shim_text(target, include=plan.include, variables=variables))
    return sysconfigdata_name(target)


def _real_places(
    scratch: Path, zig: Path, python: TargetPython, sysroot: Sysroot | None, pkgconf: Path
) -> Places:
    """Return the places of a sandbox that cannot give names of its own: where everything really lies."""
    return Places(
        build=str(scratch / "build"),
        zig=str(zig),
        toolchain=str(scratch / "toolchain"),
        target=str(scratch / "target"),
        headers=str(python.directory),
        sysroot="/nonexistent" if sysroot is None else str(sysroot.directory),
        tools=str(scratch / "tools"),
        pkgconf=str(pkgconf),
    )


def _pkgconf(store: Store, tools: BuildTools) -> Path:
    pinned = _PKGCONF_HASHES.read_text("ascii").split()

    def make(place: Path) -> None:
        requirement = place / "requirements.txt"
        hashes = " ".join(f"--hash=sha256:{one}" for one in pinned)
        requirement.write_text(f"pkgconf=={_PKGCONF} {hashes}\n")
        done = run_uv(
            tools,
            ["pip", "install", "--quiet", *tools.uv_arguments, "--no-deps", "--only-binary", ":all:",
             "--require-hashes", "--link-mode", "copy", "--target", str(place), "-r", str(requirement)],
            "get `pkgconf`",
        )  # fmt: skip
        if done.returncode:
            raise BuildError(
                f"cannot get `pkgconf` {_PKGCONF} from the package index",
                code="E-BUILD-REQUIRES",
                # Each hash that would do has a line of its own.
                places=[line for line in done.stderr.strip().splitlines() if "sha256:" not in line][-10:],
            )

    key = f"{_PKGCONF} {' '.join(pinned)}"
    return store.tree("pkgconf", key, make, prove=lambda place: (place / "pkgconf").is_dir())
