"""One cross build: a source distribution, a target, a wheel whose tag is true."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.build import failure
from crossdock.build.again import changed
from crossdock.build.backend import Backend, build_system, clean_variables, log_text
from crossdock.build.doubts import asks_os_name, modules_given_up
from crossdock.build.environment import Environment, HostPython, host_python
from crossdock.build.overlay import overlay
from crossdock.build.parts import Parts, gather_parts
from crossdock.build.repair.goods import hashes_below
from crossdock.build.sandbox.scratch import scratch_directory
from crossdock.build.shim import VARIABLE, install_shim
from crossdock.build.sysroot import static_packages
from crossdock.build.toolchain import zig
from crossdock.build.toolchain.made import STATIC_NOTES, build_variables, copy_cache, identity
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.build.backend import BuildSystem
    from crossdock.build.model import PackageSettings, Sysroot, World
    from crossdock.build.repair import Repaired
    from crossdock.target.model import Target

#: How often a build may be begun again with what its output asked for.
_TRIES = 3
#: How much of one attempt's output is read, in bytes.
_READ = 4 << 20
#: Findings of a wheel that its user is told of at once: they change what it does.
_TOLD = frozenset({"E-BUILD-LEFT-OUT", "E-BUILD-OS-NAME"})


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
    #: A directory of the user's, who may name URLs of build requirements.
    own: bool = False


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

    Where the output asks for something that can be had, the build is begun again with it (`again.py`).
    """
    build.log.parent.mkdir(parents=True, exist_ok=True)
    build.log.write_bytes(b"")
    for left in reversed(range(_TRIES + 1)):
        attempt = _Attempt(build)
        try:
            return attempt.repaired()
        except BuildError as error:
            found = attempt.asks(error) if left else None
            if found is None:
                raise failure.explained(error, build, attempt.begun) from error
            settings, what = found
            build.tell(f"again with {what}")
            build = replace(build, settings=settings)
    raise AssertionError  # the last try returns or raises


class _Attempt:
    """One try, and what it had when it failed."""

    def __init__(self, build: CrossBuild) -> None:
        self._build = build
        self._sysroot: Sysroot | None = None
        #: Where its output begins in the log.
        self.begun = build.log.stat().st_size

    def repaired(self) -> Repaired:
        """Build and prove; `BuildError` where that fails."""
        build = self._build
        python = _host_python(build)
        with scratch_directory() as scratch:
            work = scratch / "build"
            for folder in (work, work / "home", work / "tmp", work / "src"):
                folder.mkdir()
            project = build.source.unpack(work / "src")
            system = build_system(project)
            shipped = hashes_below(project)
            # Before the build, which may write there.
            own_os_name = asks_os_name(project, build.target)
            build.tell("preparing")
            parts = gather_parts(build, python, system, project, scratch)
            self._sysroot = parts.sysroot
            copy_cache(parts.warm, work / "zig")
            workshop = _Workshop(build, parts, project, work, system)
            wheel = workshop.wheel(python)
            build.tell("proving")
            doubts = modules_given_up(_output(build.log, self.begun)), own_os_name
            done = workshop.repaired(wheel, shipped, _forbidden(scratch, build.world, python), doubts)
            for one in done.report.findings:
                if one.code in _TOLD:
                    build.world.warn(f"`{build.source.what}`: {one.message} [{one.code}]")
            return done

    def asks(self, error: BuildError) -> tuple[PackageSettings, str] | None:
        """Return the settings to begin again with and what is new in them, as far as the output tells."""
        build = self._build
        if error.code not in {"E-BUILD-BACKEND", "E-BUILD-LIBRARY", "E-BUILD-FELL-BACK"}:
            return None
        given = build.settings.sysroot is not None or build.world.sysroot is not None
        return changed(build.settings, _output(build.log, self.begun), self._sysroot, given=given)


class _Workshop:
    """One attempt: the backend at work, and what it was given."""

    def __init__(
        self, build: CrossBuild, parts: Parts, project: Path, work: Path, system: BuildSystem
    ) -> None:
        self._build, self._parts, self._project, self._work, self._system = (
            build,
            parts,
            project,
            work,
            system,
        )
        self._sandbox = parts.open(work)
        #: What the provenance tells of the environment.
        self.facts: dict[str, Any] = {}

    @property
    def static(self) -> list[str]:
        """The libraries that the driver linked statically, by name."""
        notes = self._work / STATIC_NOTES
        return sorted(set(log_text(notes).split())) if notes.is_file() and not notes.is_symlink() else []

    def wheel(self, python: HostPython) -> Path:
        """Run the backend and return its wheel."""
        build, what, tools = self._build, self._build.source.what, self._build.world.tools
        build.tell("installing build requirements")
        place = self._sandbox.inside(self._work / "env")
        environment = Environment.make(self._work / "env", place, tools, python=python)
        install_shim(environment.site_packages)
        own, named = build.source.own, build.settings.requires
        environment.install(self._system.requires, what=what, own=own, named=named)
        backend = Backend(
            self._project,
            self._system,
            work=self._work,
            environment=environment,
            sandbox=self._sandbox,
            variables=self._variables(),
            log=build.log,
            what=what,
        )
        config = self._config(environment)
        environment.install(backend.requires(config), what=what, own=own)
        taken = overlay(environment.site_packages, build.target, build.world)
        self.facts = {"build-requires": environment.installed(), "overlay": taken}
        build.tell("compiling")
        return backend.wheel(config)

    def repaired(
        self,
        wheel: Path,
        shipped: frozenset[str],
        forbidden: tuple[str, ...],
        doubts: tuple[tuple[str, ...], bool],
    ) -> Repaired:
        """Prove the wheel that the backend left, and make it what is shipped."""
        from crossdock.build.repair import RepairJob, repair

        build, sysroot, source = self._build, self._parts.sysroot, self._build.source
        linked = () if sysroot is None else static_packages(sysroot, self.static)
        facts = {**self.facts, "linked-statically": [f"{one.name}={one.version}" for one in linked]}
        return repair(
            wheel,
            RepairJob(
                target=build.target,
                what=source.what,
                name=source.name,
                version=source.version,
                sysroot=sysroot,
                native_evidence=source.evidence,
                pure=build.settings.pure,
                provenance=_provenance(build, self._parts, facts),
                forbidden=forbidden,
                shipped=shipped,
                linked=linked,
                given_up=doubts[0],
                own_os_name=doubts[1],
                c_symbols=zig.c_symbols(build.world, self._parts.plan.zig_target),
            ),
        )

    def _variables(self) -> dict[str, str]:
        build, parts, plan = self._build, self._parts, self._parts.plan
        inside = self._sandbox.inside(self._work)
        sysroot = [f"{plan.places.sysroot}/usr/bin"] if plan.has_sysroot else []
        path = [f"{inside}/env/bin", *parts.path, plan.bin, *sysroot, plan.places.tools]
        jobs = str(build.world.jobs)
        return {
            **clean_variables(path, build=inside, tools=build.world.tools),
            **build_variables(plan, sysconfigdata=parts.sysconfigdata, platform=parts.platform),
            VARIABLE: f"{plan.places.target}/target.json",
            # What `make check` would run is for the target: it has nothing to do.
            "MAKEFLAGS": f"-j{jobs} TESTS= check_PROGRAMS=",
            "CMAKE_BUILD_PARALLEL_LEVEL": jobs,
            "MAX_JOBS": jobs,
            "CARGO_BUILD_JOBS": jobs,
            "GRPC_PYTHON_BUILD_EXT_COMPILER_JOBS": jobs,
            **parts.variables,
            **_told_by(parts),
            **build.settings.environment,
        }

    def _config(self, environment: Environment) -> dict[str, str | list[str]]:
        """Return the config settings (PEP 517): the user's, and for meson-python the cross files."""
        config = dict(self._build.settings.config_settings)
        system = self._system
        if "mesonpy" not in system.backend and not any("meson-python" in item for item in system.requires):
            return config
        packages = environment.site_packages
        core = "_core" if (packages / "numpy" / "_core").is_dir() else "core"
        headers = environment.inside(packages / "numpy" / core / "include")
        # They tell of headers, which are the target's: `overlay` has put them there.
        scripts = environment.inside(environment.site_packages.parents[2] / "bin")
        asked = [f"{name} = '{scripts}/{name}'" for name in ("numpy-config", "pybind11-config")]
        lines = ["[properties]", f"numpy-include-dir = '{headers}'", "[binaries]", *asked, ""]
        extra = self._work / "meson-extra.cross"
        extra.write_text("\n".join(lines))
        files = [f"{self._parts.plan.places.toolchain}/meson.cross", self._sandbox.inside(extra)]
        given = config.get("setup-args", [])
        config["setup-args"] = [
            *([given] if isinstance(given, str) else given),
            *(f"--cross-file={file}" for file in files),
        ]
        if "build-dir" not in config:
            # A directory of a random name otherwise, which some packages write into what they install.
            config.setdefault("builddir", f"{self._sandbox.inside(self._work)}/meson")
        return config


def _output(log: Path, begun: int) -> str:
    """Return what a log got since it was of a size: earlier attempts are not this one's."""
    return log_text(log, max(0, min(log.stat().st_size - begun, _READ)))


def _told_by(parts: Parts) -> dict[str, str]:
    """Return the variables that come with the system libraries, their paths as they hold inside."""
    if parts.sysroot is None:
        return {}
    plan = parts.plan
    usr = "/usr" if plan.shown else f"{plan.places.sysroot}/usr"
    return {name: value.replace("/usr", usr) for name, value in parts.sysroot.environment.items()}


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


def _provenance(build: CrossBuild, parts: Parts, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the wheel says of its making: everything that decided its bytes, nothing of this machine."""
    sysroot = parts.sysroot
    return {
        "builder": f"crossdock {__version__}",
        # Not the file's or directory's name, which its user chose.
        "source": {
            "name": build.source.name,
            "version": build.source.version,
            "digest": build.source.digest,
        },
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
            # These ask for older symbols of the C library than Debian's own do.
            "lowered": sorted(sysroot.lowered),
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
