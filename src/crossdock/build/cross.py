"""One cross build: a source distribution, a target, a wheel whose tag is true."""

from __future__ import annotations

import platform
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.build import failure
from crossdock.build.backend import Backend, build_system, clean_variables, log_text
from crossdock.build.environment import Environment, HostPython, host_python
from crossdock.build.overlay import overlay
from crossdock.build.parts import Parts, gather_parts
from crossdock.build.shim import VARIABLE, install_shim
from crossdock.build.toolchain import zig
from crossdock.build.toolchain.made import build_variables, copy_cache, identity
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.build.backend import BuildSystem
    from crossdock.build.model import PackageSettings, World
    from crossdock.build.repair import Repaired
    from crossdock.build.sandbox import Sandbox
    from crossdock.target.model import Target

#: How often a build may be begun again with libraries that its output asked for.
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is built: an unpacked source distribution, or what comes out as one.

    `unpack` writes it to a directory and returns where the project lies in it. `digest` names its bytes; `evidence`
    says why we believe that it compiles something. `version` None means that any will do.
    """

    what: str
    name: str
    version: str | None
    digest: str
    unpack: Callable[[Path], Path]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossBuild:
    """A build to be done: `log` is where its output is kept, `tell` hears of each stage by a word or two."""

    source: Source
    target: Target
    settings: PackageSettings
    world: World
    log: Path
    glibc: tuple[int, int] | None = None
    tell: Callable[[str], None] = field(default=lambda _stage: None)


def build_cross(build: CrossBuild) -> Repaired:
    """Build the source for the target; raise `BuildError` with the lines that matter, the log's path and the cause.

    Where the output names a library that is missing and Debian has it, the build is begun again with it.
    """
    from dataclasses import replace

    from crossdock.build.sysroot import libraries_asked

    build.log.parent.mkdir(parents=True, exist_ok=True)
    build.log.write_bytes(b"")
    settings = build.settings
    for _attempt in range(_TRIES):
        try:
            return _attempted(replace(build, settings=settings))
        except BuildError as error:
            if (
                error.code not in {"E-BUILD-BACKEND", "E-BUILD-LIBRARY", "E-BUILD-FELL-BACK"}
                or settings.sysroot
            ):
                raise failure.explained(error, build) from error
            asked = [name for name in libraries_asked(log_text(build.log)) if name not in settings.libraries]
            if not asked or build.world.sysroot is not None:
                raise failure.explained(error, build) from error
            build.tell(f"again with {', '.join(asked)}")
            settings = replace(settings, libraries=(*settings.libraries, *asked))
            last = error
    raise failure.explained(last, build) from last


def _attempted(build: CrossBuild) -> Repaired:
    from crossdock.build.repair import RepairJob, repair

    world, source, target = build.world, build.source, build.target
    python = _host_python(build)
    with tempfile.TemporaryDirectory(prefix="crossdock-build-") as name:
        scratch = Path(name)
        work = scratch / "build"
        for folder in (work, work / "home", work / "tmp", work / "src"):
            folder.mkdir()
        project = source.unpack(work / "src")
        system = build_system(project)
        build.tell("preparing")
        parts = gather_parts(build, python, system, project, scratch)
        copy_cache(parts.warm, work / "zig")
        sandbox = parts.open(work)
        wheel, facts = _built(build, parts, sandbox, project, work, python, system)
        build.tell("proving")
        return repair(
            wheel,
            RepairJob(
                target=target,
                what=source.what,
                name=source.name,
                version=source.version,
                sysroot=parts.sysroot,
                native_evidence=source.evidence,
                pure=build.settings.pure,
                provenance=_provenance(build, parts, facts),
                forbidden=_forbidden(scratch, world, python),
            ),
        )


def _built(
    build: CrossBuild,
    parts: Parts,
    sandbox: Sandbox,
    project: Path,
    work: Path,
    python: HostPython,
    system: BuildSystem,
) -> tuple[Path, dict[str, Any]]:
    """Run the backend, and return its wheel and what it was built with."""
    what = build.source.what
    build.tell("installing build requirements")
    environment = Environment.make(
        work / "env", sandbox.inside(work / "env"), build.world.tools, python=python
    )
    install_shim(environment.site_packages)
    environment.install([*system.requires, *build.settings.requires], what=what)
    variables = _variables(build, parts, sandbox, work)
    backend = Backend(
        project,
        system,
        work=work,
        environment=environment,
        sandbox=sandbox,
        variables=variables,
        log=build.log,
        what=what,
    )
    config = _config(build, parts, system, environment, work)
    more = backend.requires(config)
    environment.install(more, what=what)
    over = overlay(environment.site_packages, build.target, build.world)
    build.tell("compiling")
    wheel = backend.wheel(config)
    return wheel, {"build-requires": environment.installed(), "overlay": over}


def _host_python(build: CrossBuild) -> HostPython:
    wanted = build.target.python
    python = host_python(build.world.python_for(wanted.version, wanted.free_threaded))
    if python.version[:2] != wanted.version:
        raise BuildError(
            f"`{build.source.what}` is built by a Python {wanted.short}, and this machine has none",
            code="E-BUILD-PYTHON",
            hint=f"build backends take their own Python's version: put a Python {wanted.short} on the PATH,"
            f" or let uv have it: `uv python install {wanted.short}`",
        )
    return python


def _variables(build: CrossBuild, parts: Parts, sandbox: Sandbox, work: Path) -> dict[str, str]:
    plan = parts.plan
    inside = sandbox.inside(work)
    path = [
        f"{inside}/env/bin",
        *parts.path,
        plan.bin,
        *([f"{plan.places.sysroot}/usr/bin"] if plan.has_sysroot else []),
    ]
    found = clean_variables([*path, plan.places.tools], build=inside, tools=build.world.tools)
    found |= build_variables(plan, sysconfigdata=parts.sysconfigdata, platform=parts.platform)
    found[VARIABLE] = f"{plan.places.target}/target.json"
    jobs = str(build.world.jobs)
    found |= {
        # What `make check` would run is for the target: it has nothing to do.
        "MAKEFLAGS": f"-j{jobs} TESTS= check_PROGRAMS=",
        "CMAKE_BUILD_PARALLEL_LEVEL": jobs,
        "MAX_JOBS": jobs,
        "CARGO_BUILD_JOBS": jobs,
        "GRPC_PYTHON_BUILD_EXT_COMPILER_JOBS": jobs,
    }
    return {**found, **parts.variables, **build.settings.environment}


def _config(
    build: CrossBuild, parts: Parts, system: BuildSystem, environment: Environment, work: Path
) -> dict[str, str | list[str]]:
    """Return the config settings (PEP 517): the user's, and for meson-python the cross files."""
    config = dict(build.settings.config_settings)
    if "mesonpy" in system.backend or any(item.startswith("meson-python") for item in system.requires):
        extra = work / "meson-extra.cross"
        numpy = environment.inside(environment.site_packages / "numpy" / "_core" / "include")
        if not (environment.site_packages / "numpy" / "_core").is_dir():
            numpy = environment.inside(environment.site_packages / "numpy" / "core" / "include")
        extra.write_text(f"[properties]\nnumpy-include-dir = '{numpy}'\n")
        given = config.get("setup-args", [])
        files = [f"{parts.plan.places.toolchain}/meson.cross", f"{parts.plan.places.build}/{extra.name}"]
        config["setup-args"] = [
            *([given] if isinstance(given, str) else given),
            *(f"--cross-file={file}" for file in files),
        ]
    return config


def _provenance(build: CrossBuild, parts: Parts, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the wheel says of its making: everything that decided its bytes, nothing of this machine."""
    sysroot = parts.sysroot
    return {
        "builder": f"crossdock {__version__}",
        "source": {"filename": build.source.what, "digest": build.source.digest},
        "target": build.target.fields_for_key(),
        "compiler": {"zig": zig.VERSION, **identity(parts.plan)},
        "target-python": {
            "provider": parts.target_python.provider,
            "detail": parts.target_python.detail,
            "digest": parts.target_python.digest,
        },
        "sysroot": None
        if sysroot is None
        else {
            "detail": sysroot.detail,
            "digest": sysroot.digest,
            "packages": [f"{one.name}={one.version}" for one in sysroot.packages],
        },
        "settings": build.settings.key(),
        **parts.facts,
        **facts,
    }


def _forbidden(scratch: Path, world: World, python: HostPython) -> tuple[str, ...]:
    """Return texts that would tell of this machine: where we build, where the store lies, where its own Python does."""
    found = [str(scratch), str(world.store.root)]
    if not Path(python.prefix).is_relative_to("/usr"):
        found.append(python.prefix)
    return tuple(found)


def host_name_for_zig() -> str:
    """Return the machine that builds, in zig's words."""
    from crossdock.build.toolchain.targets import zig_host

    return zig_host(sys.platform, platform.machine())
