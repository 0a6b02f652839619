"""What a cross build works with: the target's Python and system libraries, the settings of a package, the outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.net.debian.sources import Archive
    from crossdock.net.http import Http
    from crossdock.net.index import Index
    from crossdock.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPython:
    """The development files of the target's Python, none of which names a place on this machine.

    `directory` holds `include/pythonX.Y` (`include/pythonX.Yt` where free-threaded) with the target's own
    `pyconfig.h`, and `libs/` with import libraries for Windows. `variables` are its `build_time_vars` as that
    Python was built. `provider` is `given`, `python-build-standalone`, `debian` or `host-headers`, `detail` one line
    that tells which (`libpython3.11-dev 3.11.2-6+deb12u6 arm64`), `digest` a hex SHA-256 over all of it.
    """

    directory: Path
    variables: Mapping[str, Any]
    provider: str
    detail: str
    digest: str

    @property
    def include(self) -> Path:
        """The directory with `Python.h`."""
        return next(iter(sorted((self.directory / "include").glob("python3*"))))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SystemPackage:
    """A package whose files lie in a sysroot: Debian's name and version, and its source package's."""

    name: str
    version: str
    architecture: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysroot:
    """The target's system libraries, laid out like its root file system.

    `directory` has `usr/include`, `usr/lib/TRIPLET` and `usr/share`, nothing of the C library itself. `floor` is the
    glibc of the release that the libraries were built on, `triplet` Debian's name of the architecture. `owners` gives
    the package of each file below `directory`, by its path with forward slashes. `environment` are variables that
    tell a build what it would ask of the target's programs and libraries; paths in them are the target's (`/usr/...`).
    """

    directory: Path
    triplet: str
    detail: str
    digest: str
    floor: tuple[int, int] | None = None
    packages: tuple[SystemPackage, ...] = ()
    owners: Mapping[str, SystemPackage] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    #: What `sysroot.static_links` reads: libraries that can become part of a module.
    static: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Shared libraries that ask for older symbol versions than as Debian has them.
    lowered: tuple[str, ...] = ()
    #: The newest glibc that any of the shared libraries asks for, where that is known.
    asks: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSettings:
    """How one package is built: the keys of `[tool.crossdock.build.NAME]`.

    `libraries` are Debian packages beside those of our table, `config_settings` go to the backend (PEP 517),
    `environment` are variables for it, `requires` more build requirements (PEP 508), `sysroot` a directory with the
    target's libraries in place of Debian's, `release` the release of Debian (`bookworm`) in place of the oldest that
    serves. `pure` says that a wheel without binaries is what the package means to be. `seconds` and `memory` (in MiB)
    limit each command of its build; they decide no bytes.
    """

    libraries: tuple[str, ...] = ()
    config_settings: Mapping[str, str | list[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    sysroot: str | None = None
    pure: bool = False
    release: str | None = None
    seconds: int | None = None
    memory: int | None = None

    def key(self) -> dict[str, Any]:
        """Return what decides the result, JSON-ready.

        It is in the wheel and in exports: of the values of variables, which may be the user's secrets, hashes are.
        """
        hashes = {
            name: f"sha256:{sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()}"
            for name, value in sorted(self.environment.items())
        }
        return {
            "libraries": sorted(self.libraries),
            "config-settings": {name: self.config_settings[name] for name in sorted(self.config_settings)},
            "environment": hashes,
            "requires": sorted(self.requires),
            "pure": self.pure,
            "release": self.release,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a cross build needs from outside: everything that touches the machine or the network is handed in.

    `http` and `index` are made when they are needed; `http` raises `FetchError` where the command is offline.
    `python_for` gives a host interpreter of a minor version (and free-threaded or not), or raises `BuildError`
    (E-BUILD-PYTHON). `archives` are the Debian archives of a suite with its updates. `now` is the time in seconds
    since 1970 for signatures that expire; it decides no bytes.
    """

    store: Store
    tools: BuildTools
    http: Callable[[], Http]
    index: Callable[[], Index]
    python_for: Callable[[tuple[int, int], bool], str]
    archives: Callable[[str], Sequence[Archive]]
    now: float
    warn: Callable[[str], None]
    #: Stands for the settings that decide which build requirements an index gives.
    resolution: str = ""
    #: A directory with the target's Python, as `--target-python` gives it.
    target_python: Path | None = None
    #: A directory with the target's system libraries, as `--sysroot` gives it.
    sysroot: Path | None = None
    allow_unsandboxed: bool = False
    #: Processes that one build may run at a time.
    jobs: int = 2
