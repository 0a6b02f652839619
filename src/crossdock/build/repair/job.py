"""What a repair is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.build.canonical import BuiltWheel
    from crossdock.build.model import Sysroot, SystemPackage
    from crossdock.inspect.finding import Finding
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairJob:
    """What a wheel must come out as.

    `what` is the source's file name, for messages. `version` None means that any will do. `native_evidence` says
    why we believe that the package compiles something; empty where nothing says so. `pure` says that a wheel
    without binaries is what the package means to be. `provenance` goes into the wheel as
    `crossdock-build.json`. None of the texts in `forbidden` may occur in any file: they tell of the machine that built it.
    `linked` are packages of the sysroot whose code became part of modules, linked statically.
    `c_symbols` are the symbols of the target's C library, each with the version of glibc that it came with (None for
    musl); empty where they are not known.
    `given_up` are modules that the build's output says it went on without; `own_os_name` says that the source's
    requirements follow the `os.name` of the machine that built it, which is not the target's.
    `shipped` are the hex SHA-256 of files that lie in the source as they are: those are goods, not built here.
    """

    target: Target
    what: str
    name: str
    version: str | None
    sysroot: Sysroot | None
    native_evidence: tuple[str, ...]
    pure: bool
    provenance: Mapping[str, Any]
    forbidden: tuple[str, ...] = ()
    shipped: frozenset[str] = frozenset()
    linked: tuple[SystemPackage, ...] = ()
    given_up: tuple[str, ...] = ()
    own_os_name: bool = False
    c_symbols: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The oldest system that a wheel runs on, and what keeps it from running on an older one.

    `version` is of the C library or of macOS. The rest is empty where nothing is needed and the floor is that of
    the tags themselves: `path` is the file in the wheel, `library` and `symbol` what it needs, `need` the need in
    the file's own words (`GLIBC_2.34`).
    """

    version: tuple[int, int]
    path: str = ""
    need: str = ""
    library: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        """Return what sets the floor, in words."""
        if not self.path:
            return ""
        symbol = f" ({self.symbol})" if self.symbol else ""
        return f"{self.path} needs {self.need}{symbol}{f' of {self.library}' if self.library else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafted:
    """A library taken into the wheel: where it lies there, its own name, its place in the sysroot, whose it is."""

    path: str
    soname: str
    source: str
    package: SystemPackage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What was found and done: the wheel's tags, its floor (None for a wheel without one), libraries, findings."""

    tags: tuple[str, ...]
    floor: Floor | None = None
    grafted: tuple[Grafted, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """A wheel that is proven, and how it came to be."""

    wheel: BuiltWheel
    report: RepairReport = field(repr=False)
