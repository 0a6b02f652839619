"""Why a wheel does not fit a target, in words: the reasons behind a selection (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.target.model import Arch, Implementation, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.lock.model import LockedWheel
    from crossdock.target.model import Target

#: PEP 600: the old names stand for these glibc versions.
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}

_PERENNIAL = re.compile(r"(manylinux|musllinux)_(\d{1,4})_(\d{1,4})_(\w+)")
_OLD_LINUX = re.compile(r"(manylinux1|manylinux2010|manylinux2014)_(\w+)")
_BARE_LINUX = re.compile(r"linux_(\w+)")
_VERSIONED = re.compile(r"(macosx|ios)_(\d{1,4})_(\d{1,4})_(\w+)")
_ANDROID = re.compile(r"android_(\d{1,4})_(\w+)")
_WASM = re.compile(r"(?:pyodide|pyemscripten|emscripten)_(\w+)_wasm32")
_PYTHON = re.compile(r"(cp|pp|py|ip|jy|graalpy)(\d)_?(\d{0,3})")

_INTERPRETERS = {"cp": "CPython", "pp": "PyPy", "py": "Python", "ip": "IronPython", "jy": "Jython"}
_OS_NAMES = {
    Os.LINUX: "Linux",
    Os.MACOS: "macOS",
    Os.WINDOWS: "Windows",
    Os.IOS: "iOS",
    Os.ANDROID: "Android",
    Os.EMSCRIPTEN: "Pyodide",
}
#: CPU names of platform tags that are not the canonical ones.
_ARCHES = {
    "arm64": Arch.AARCH64,
    "amd64": Arch.X86_64,
    "win32": Arch.I686,
    "i386": Arch.I686,
    "arm64_v8a": Arch.AARCH64,
    "armeabi_v7a": Arch.ARMV7L,
    "x86": Arch.I686,
    "arm64_iphoneos": Arch.AARCH64,
    "arm64_iphonesimulator": Arch.AARCH64,
    "x86_64_iphonesimulator": Arch.X86_64,
}
#: Mac binaries with several CPUs: which (packaging.tags.mac_platforms).
_FAT = {
    "universal2": (Arch.AARCH64, Arch.X86_64),
    "universal": (Arch.X86_64,),
    "intel": (Arch.X86_64,),
    "fat64": (Arch.X86_64,),
    "fat3": (Arch.X86_64,),
}


def why_not(wheel: LockedWheel, target: Target) -> str:
    """Say what keeps `wheel` off `target`: its platform, its Python, its ABI, or several of them."""
    reasons = [_platform_reason(wheel, target), _python_reason(wheel, target)]
    found = [reason for reason in reasons if reason]
    return "; ".join(found) or f"the target does not list {wheel.tag}"


def glibc_needed(wheel: LockedWheel, target: Target) -> tuple[int, int] | None:
    """Return the glibc (major, minor) that a wheel's tags ask for, where that alone keeps it off `target`; else None."""
    libc = target.libc
    if libc is None or libc.kind is not LibcKind.GLIBC or _python_reason(wheel, target):
        return None
    if not _platform_reason(wheel, target).startswith("needs glibc"):
        return None
    # With several platform tags the lowest claim for this CPU is what it asks for.
    return min(
        _floor(platform)
        for platform in wheel.platforms
        if _one_platform(platform, target).startswith("needs glibc")
    )


def _platform_reason(wheel: LockedWheel, target: Target) -> str:
    if "any" in wheel.platforms:
        return ""
    reasons = {platform: _one_platform(platform, target) for platform in wheel.platforms}
    if "" in reasons.values():
        return ""
    # A wheel with several platform tags needs only one of them: the nearest, the lowest claim, is the one to tell.
    nearest = min(reasons, key=lambda platform: (_distance(reasons[platform]), _floor(platform)))
    return reasons[nearest]


def _distance(reason: str) -> int:
    """Rank reasons by how near the wheel came: a floor too high says more than another system."""
    order = ("needs", "a bare", "for musl", "for glibc")
    return next((i for i, start in enumerate(order) if reason.startswith(start)), len(order))


def _floor(platform: str) -> tuple[int, int]:
    if match := _PERENNIAL.fullmatch(platform) or _VERSIONED.fullmatch(platform):
        return (int(match[2]), int(match[3]))
    match = _OLD_LINUX.fullmatch(platform)
    return _LEGACY[match[1]] if match else (0, 0)


def _one_platform(platform: str, target: Target) -> str:  # noqa: PLR0911 - one for each family of tags
    if match := _PERENNIAL.fullmatch(platform):
        kind = LibcKind.GLIBC if match[1] == "manylinux" else LibcKind.MUSL
        return _linux_reason(kind, (int(match[2]), int(match[3])), match[4], target)
    if match := _OLD_LINUX.fullmatch(platform):
        return _linux_reason(LibcKind.GLIBC, _LEGACY[match[1]], match[2], target)
    if match := _BARE_LINUX.fullmatch(platform):
        return _bare_linux_reason(platform, match[1], target)
    if match := _VERSIONED.fullmatch(platform):
        os = Os.MACOS if match[1] == "macosx" else Os.IOS
        return _versioned_reason(os, (int(match[2]), int(match[3])), match[4], target)
    if match := _ANDROID.fullmatch(platform):
        return _versioned_reason(Os.ANDROID, (int(match[1]), 0), match[2], target)
    if match := _WASM.fullmatch(platform):
        return "for another Pyodide ABI" if target.os is Os.EMSCRIPTEN else "for Pyodide"
    if platform.startswith("win"):
        arch = platform if platform == "win32" else platform.removeprefix("win_")
        return _other_os(Os.WINDOWS, target) or _other_arch(arch, target)
    return f"for {platform}, which is not known"


def _linux_reason(kind: LibcKind, floor: tuple[int, int], arch: str, target: Target) -> str:
    other = _other_os(Os.LINUX, target) or _other_arch(arch, target)
    if other or target.libc is None:
        return other
    if kind is not target.libc.kind:
        return f"for {kind}, the target has {target.libc.kind}"
    if floor > (target.libc.major, target.libc.minor):
        return f"needs {kind} {floor[0]}.{floor[1]}, the target has {target.libc.major}.{target.libc.minor}"
    return ""


def _bare_linux_reason(platform: str, arch: str, target: Target) -> str:
    return (
        _other_os(Os.LINUX, target)
        or _other_arch(arch, target)
        or f"a bare {platform} tag does not say which libc it needs"
    )


def _versioned_reason(os: Os, floor: tuple[int, int], arch: str, target: Target) -> str:
    other = _other_os(os, target)
    if other:
        return other
    if target.arch not in _FAT.get(arch, (_arch(arch),)):
        return f"for {arch}"
    if target.os_version is not None and floor > target.os_version:
        wants, has = _version(os, floor), _version(os, target.os_version)
        return f"needs {_OS_NAMES[os]} {wants}, the target has {has}"
    if os is Os.MACOS and floor[0] > 10 and floor[1]:  # noqa: PLR2004 - from macOS 11 only minor 0 is a tag
        return f"its macOS tag {floor[0]}.{floor[1]} is not one that exists"
    return ""


def _version(os: Os, version: tuple[int, int]) -> str:
    return f"API {version[0]}" if os is Os.ANDROID else f"{version[0]}.{version[1]}"


def _other_os(os: Os, target: Target) -> str:
    return "" if target.os is os else f"for {_OS_NAMES[os]}"


def _other_arch(arch: str, target: Target) -> str:
    return "" if _arch(arch) == target.arch else f"for {arch}"


def _arch(text: str) -> str:
    return _ARCHES.get(text, text)


def _python_reason(wheel: LockedWheel, target: Target) -> str:
    python = target.python
    interpreters = [_interpreter_reason(tag, wheel, target) for tag in wheel.pythons]
    if all(interpreters):
        return interpreters[0]
    if "none" in wheel.abis:
        return ""
    own = python.abi or f"{_prefix(target)}{python.major}{python.minor}{'t' if python.free_threaded else ''}"
    stable = "abi3t" if python.free_threaded else "abi3"
    if own in wheel.abis or stable in wheel.abis:
        return ""
    return _abi_reason(wheel.abis, own, free_threaded=python.free_threaded)


def _abi_reason(abis: tuple[str, ...], own: str, *, free_threaded: bool) -> str:
    listed = ".".join(abis)
    if free_threaded:
        return f"ABI {listed}, the target is free-threaded ({own})"
    if any(abi.endswith("t") for abi in abis):
        return f"for free-threaded Python ({listed})"
    return f"ABI {listed}, the target has {own}"


def _prefix(target: Target) -> str:
    return "cp" if target.python.implementation is Implementation.CPYTHON else "pp"


def _interpreter_reason(tag: str, wheel: LockedWheel, target: Target) -> str:
    match = _PYTHON.fullmatch(tag)
    if match is None:
        return f"for {tag}, which is not known"
    kind, major, minor = match[1], int(match[2]), int(match[3] or 0)
    own = target.python.version
    if kind not in ("py", _prefix(target)):
        return f"for {_INTERPRETERS.get(kind, kind)} ({tag})"
    # A version-independent wheel fits every later Python: `py3`, `py38-none`, `cp38-abi3`.
    reaches_on = kind == "py" or any(abi.startswith("abi3") for abi in wheel.abis)
    fits = major == own[0] and (minor <= own[1] if reaches_on else minor == own[1])
    if kind == "cp" and not match[3]:
        return f"its tag {tag} names no version of CPython"
    return "" if fits else f"for {tag}"
