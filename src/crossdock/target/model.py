"""The target: where the result will run, as a value. Nothing in it is ever read from the host."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


#: Every variable of PEP 508 that describes the environment.
MARKER_VARIABLES = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)


class Os(StrEnum):
    """Operating systems, by crossdock's canonical name."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"
    IOS = "ios"
    ANDROID = "android"
    EMSCRIPTEN = "emscripten"


class Arch(StrEnum):
    """CPU architectures, by one canonical name whatever the ecosystem calls them (arm64 is `aarch64`)."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    ARMV7L = "armv7l"
    ARMV6L = "armv6l"
    I686 = "i686"
    PPC64LE = "ppc64le"
    S390X = "s390x"
    RISCV64 = "riscv64"
    LOONGARCH64 = "loongarch64"
    WASM32 = "wasm32"


class LibcKind(StrEnum):
    """C libraries of Linux targets."""

    GLIBC = "glibc"
    MUSL = "musl"


class Implementation(StrEnum):
    """Python implementations, by the value of `implementation_name` (PEP 508)."""

    CPYTHON = "cpython"
    PYPY = "pypy"


@dataclass(frozen=True, slots=True, order=True)
class Libc:
    """A C library and its floor: the oldest version that the result must run on."""

    kind: LibcKind
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.kind}{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """The target's Python.

    `patch` is None where the target leaves it open; `prerelease` is e.g. `rc1` for 3.15.0rc1.
    `abi` is only set for PyPy (`pypy311_pp73`).
    """

    major: int = 3
    minor: int
    patch: int | None = None
    prerelease: str = ""
    implementation: Implementation = Implementation.CPYTHON
    free_threaded: bool = False
    abi: str | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version, for example (3, 12)."""
        return (self.major, self.minor)

    @property
    def short(self) -> str:
        """`X.Y`, the value of `python_version` (PEP 508)."""
        return f"{self.major}.{self.minor}"

    @property
    def full(self) -> str | None:
        """`X.Y.Z` with a pre-release suffix if any, or None where the patch is open."""
        return None if self.patch is None else f"{self.short}.{self.patch}{self.prerelease}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the result will run. Two targets with equal fields are equal, whatever they were called.

    `libc` is set for Linux and only there. `os_version` is the floor of the others: macOS and iOS
    (major, minor), Android (API level, 0), Emscripten (year, revision) of the pyemscripten or pyodide ABI.
    `simulator` is for iOS. `marker_overrides` are (variable, value) pairs of PEP 508 variables that the
    user declares, for example `platform_release`. `base_libraries` are the sonames that the place itself
    provides beyond what the policies allow, None where nobody said.
    """

    os: Os
    arch: Arch
    python: Python
    libc: Libc | None = None
    os_version: tuple[int, int] | None = None
    simulator: bool = False
    marker_overrides: tuple[tuple[str, str], ...] = ()
    base_libraries: frozenset[str] | None = None
    #: As the user or the preset calls it; not part of the value.
    name: str = field(default="", compare=False)
    #: What the name left open and was filled in, in words for the plan; not part of the value.
    assumed: tuple[str, ...] = field(default=(), compare=False)
    #: The preset that it was read from, without architecture (`lambda-python3.12`); not part of the value.
    preset: str = field(default="", compare=False)

    def fields_for_key(self) -> dict[str, Any]:
        """Return every field that counts, as JSON-ready values in a fixed order."""
        result: dict[str, Any] = {}
        for item in fields(self):
            if item.compare:
                value = getattr(self, item.name)
                result[item.name] = _plain(value)
        return result

    @property
    def key(self) -> str:
        """A hex SHA-256 over all fields that count: the key of caches that depend on the target."""
        import hashlib
        import json

        text = json.dumps(self.fields_for_key(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Python | Libc):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
