"""A target without its Python, made only if there is such a place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crossdock.errors import TargetError
from crossdock.target.arches import assumed_libc, lowest_glibc
from crossdock.target.model import Arch, Libc, LibcKind, Os

#: arm64 Macs began with 11.0; 10.13 is the oldest that CPython's own builds run on since 3.8. The oldest is
#: the safe one: what fits it fits every newer one.
_MACOS = {Arch.AARCH64: (11, 0), Arch.X86_64: (10, 13)}
#: Below these no tag is ever generated (packaging's mac_platforms and ios_platforms).
_FIRST_MACOS = {Arch.AARCH64: (11, 0), Arch.X86_64: (10, 4)}
_FIRST_IOS = (12, 0)
#: CPython's own floors: PEP 730 (iOS 13), PEP 738 and its builds since 3.14 (API level 24).
_IOS = (13, 0)
_ANDROID = 24
#: The API level that android_platforms() goes down to (PEP 738).
FIRST_ANDROID = 16

#: Android's names of CPUs, as in its wheel tags (PEP 738).
ANDROID_ABIS = {
    "arm64_v8a": Arch.AARCH64,
    "x86_64": Arch.X86_64,
    "armeabi_v7a": Arch.ARMV7L,
    "x86": Arch.I686,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A target without its Python; `assumed` are the words for what the name left open.

    `os_version` of a Pyodide is None where the Python decides it. `machine` is what `platform_machine`
    says there, if not the architecture.
    """

    os: Os
    arch: Arch
    libc: Libc | None = None
    os_version: tuple[int, int] | None = None
    simulator: bool = False
    machine: str | None = None
    assumed: tuple[str, ...] = ()

    def assuming(self, word: str) -> Place:
        """Return the same place with one more word for what was left open."""
        return replace(self, assumed=(word, *self.assumed))


def linux(arch: Arch, libc: Libc | None = None, kind: LibcKind = LibcKind.GLIBC) -> Place:
    """Return Linux with a C library's floor, or with the usual one of `kind`; `TargetError` if it cannot be."""
    if arch is Arch.WASM32:
        raise TargetError("there is no Linux on wasm32", code="E-TARGET-ARCH", hint="say wasm32-pyodide2025")
    if libc is not None:
        _check_libc(arch, libc)
        return Place(os=Os.LINUX, arch=arch, libc=libc)
    found = assumed_libc(arch, kind)
    words = f"{found.kind} {found.major}.{found.minor} or newer"
    return Place(os=Os.LINUX, arch=arch, libc=found, assumed=(words,))


def _check_libc(arch: Arch, libc: Libc) -> None:
    lowest = lowest_glibc(arch)
    if libc.kind is LibcKind.GLIBC and (libc.major != 2 or libc.minor < lowest):  # noqa: PLR2004  # glibc 2
        raise TargetError(
            f"no wheel can be tagged for glibc {libc.major}.{libc.minor} on {arch}",
            code="E-TARGET-LIBC",
            hint=f"the lowest is 2.{lowest} (PEP 600)",
        )
    if libc.kind is LibcKind.MUSL and libc.major != 1:
        raise TargetError(
            f"there is no musl {libc.major}.{libc.minor}", code="E-TARGET-LIBC", hint="musl is at 1.2"
        )


def macos(arch: Arch, version: tuple[int, int] | None) -> Place:
    """Return macOS from `version` on; one older than the CPU's first is the first."""
    if arch not in _MACOS:
        raise TargetError(f"there is no macOS on {arch}", code="E-TARGET-ARCH", hint="arm64 and x86_64 exist")
    if version is not None:
        return Place(os=Os.MACOS, arch=arch, os_version=max(version, _FIRST_MACOS[arch]))
    floor = _MACOS[arch]
    return Place(os=Os.MACOS, arch=arch, os_version=floor, assumed=(f"macOS {floor[0]}.{floor[1]} or newer",))


def windows(arch: Arch) -> Place:
    """Return Windows; it has no floor."""
    if arch not in (Arch.X86_64, Arch.AARCH64, Arch.I686):
        raise TargetError(
            f"there is no Windows on {arch}", code="E-TARGET-ARCH", hint="amd64, arm64 and 386 exist"
        )
    return Place(os=Os.WINDOWS, arch=arch)


def ios(arch: Arch, version: tuple[int, int] | None, *, simulator: bool) -> Place:
    """Return iOS on a device or in a simulator; no device has an x86_64."""
    if arch not in _MACOS:
        raise TargetError(
            f"there is no iOS on {arch}", code="E-TARGET-ARCH", hint="arm64 exists; x86_64 as simulator"
        )
    if version is not None and version < _FIRST_IOS:
        raise TargetError(
            f"no wheel can be tagged for iOS {version[0]}.{version[1]}",
            code="E-TARGET-OS",
            hint=f"the lowest is {_FIRST_IOS[0]}.{_FIRST_IOS[1]}",
        )
    assumed = () if version else (f"iOS {_IOS[0]}.{_IOS[1]} or newer",)
    return Place(
        os=Os.IOS,
        arch=arch,
        os_version=version or _IOS,
        simulator=simulator or arch is Arch.X86_64,
        assumed=assumed,
    )


def android(arch: Arch, level: int | None) -> Place:
    """Return Android from an API level on."""
    if arch not in ANDROID_ABIS.values():
        raise TargetError(
            f"there is no Android on {arch}", code="E-TARGET-ARCH", hint=f"known: {', '.join(ANDROID_ABIS)}"
        )
    if level is not None and level < FIRST_ANDROID:
        raise TargetError(
            f"no wheel can be tagged for Android's API level {level}",
            code="E-TARGET-OS",
            hint=f"the lowest is {FIRST_ANDROID} (PEP 738)",
        )
    assumed = () if level is not None else (f"API level {_ANDROID} or newer",)
    return Place(os=Os.ANDROID, arch=arch, os_version=(level or _ANDROID, 0), assumed=assumed)


def emscripten(arch: Arch, version: tuple[int, int] | None) -> Place:
    """Return Pyodide. Without a version the Python decides: there is one ABI for each."""
    if arch is not Arch.WASM32:
        raise TargetError(f"there is no Pyodide on {arch}", code="E-TARGET-ARCH", hint="it is wasm32")
    return Place(os=Os.EMSCRIPTEN, arch=arch, os_version=version)


def place(
    system: Os, arch: Arch, version: tuple[int, int] | None, *, kind: LibcKind, simulator: bool = False
) -> Place:
    """Return the place on any system; `version` is the C library's on Linux, else the system's."""
    match system:
        case Os.LINUX:
            return linux(arch, Libc(kind, *version) if version else None, kind)
        case Os.MACOS:
            return macos(arch, version)
        case Os.WINDOWS:
            return windows(arch)
        case Os.IOS:
            return ios(arch, version, simulator=simulator)
        case Os.ANDROID:
            return android(arch, version[0] if version else None)
        case Os.EMSCRIPTEN:
            return emscripten(arch, version)
