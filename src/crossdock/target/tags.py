"""The wheel tags of a target, best first; nothing is ever filled in from the host.

`packaging.tags` takes an empty or missing list of platforms or ABIs for "this machine's": so every call
here gives both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch, Implementation, LibcKind, Os, Target
from crossdock.target.places import ANDROID_ABIS, FIRST_ANDROID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.tags import Tag

#: PEP 600, "Legacy manylinux tags": each alias stands right behind its equal.
_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

#: Names of an architecture in wheel tags, where they differ from ours.
_MAC_ARCH = {Arch.AARCH64: "arm64", Arch.X86_64: "x86_64"}
_WINDOWS_TAG = {Arch.X86_64: "win_amd64", Arch.AARCH64: "win_arm64", Arch.I686: "win32"}
_ANDROID_ABI = {arch: abi for abi, arch in ANDROID_ABIS.items()}

#: The last ABI whose wheels are also tagged pyodide_*: PEP 783's name came in its time.
_LAST_PYODIDE = 2025


def platform_tags(target: Target, *, bare_linux: bool = False) -> tuple[str, ...]:
    """Return the platform tags that `target` takes, best first.

    A bare `linux_<arch>` says only "built somewhere" and proves nothing for another machine; it stands first,
    as packaging has it for the running machine, if `bare_linux` asks for it.
    """
    match target.os:
        case Os.LINUX:
            bare = tuple(f"linux_{arch}" for arch in _linux_arches(target)) if bare_linux else ()
            return (*bare, *_linux(target))
        case Os.MACOS:
            return _mac(target)
        case Os.WINDOWS:
            return (_known(_WINDOWS_TAG, target),)
        case Os.IOS:
            return _ios(target)
        case Os.ANDROID:
            return _android(target)
        case Os.EMSCRIPTEN:
            return _emscripten(target)


def _known(table: Mapping[Arch, str], target: Target) -> str:
    found = table.get(target.arch)
    if found is None:
        raise TargetError(
            f"no wheel can be tagged for {target.os} on {target.arch}",
            code="E-TARGET-ARCH",
            hint=f"{target.os} has {', '.join(table)}",
        )
    return found


def _linux_arches(target: Target) -> tuple[str, ...]:
    # 32-bit on the kernel of a 64-bit ARM: packaging takes the tags of both, the machine's own first.
    if target.arch is Arch.ARMV7L and ("platform_machine", "armv8l") in target.marker_overrides:
        return ("armv8l", "armv7l")
    return (str(target.arch),)


def _linux(target: Target) -> tuple[str, ...]:
    libc = target.libc
    if libc is None:
        return ()
    if libc.kind is LibcKind.MUSL:
        # PEP 656: musl promises that what was built against 1.N runs on every later 1.M.
        return tuple(
            f"musllinux_{libc.major}_{minor}_{arch}"
            for arch in _linux_arches(target)
            for minor in range(libc.minor, -1, -1)
        )
    return tuple(tag for arch in _linux_arches(target) for tag in _manylinux(target, arch))


def _manylinux(target: Target, arch: str) -> Iterator[str]:
    libc = target.libc
    for minor in range(libc.minor if libc else 0, lowest_glibc(target.arch) - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        alias = _ALIASES.get(minor)
        if alias is not None:
            yield f"{alias}_{arch}"


def _mac(target: Target) -> tuple[str, ...]:
    from packaging.tags import mac_platforms

    arch = _known(_MAC_ARCH, target)
    return () if target.os_version is None else tuple(mac_platforms(target.os_version, arch))


def _ios(target: Target) -> tuple[str, ...]:
    from packaging.tags import ios_platforms

    arch = f"{_known(_MAC_ARCH, target)}_{'iphonesimulator' if target.simulator else 'iphoneos'}"
    return () if target.os_version is None else tuple(ios_platforms(target.os_version, arch))


def _android(target: Target) -> tuple[str, ...]:
    level = target.os_version[0] if target.os_version else 0
    abi = _known(_ANDROID_ABI, target)
    return tuple(f"android_{api}_{abi}" for api in range(level, FIRST_ANDROID - 1, -1))


def _emscripten(target: Target) -> tuple[str, ...]:
    """PEP 783's tag, and pyodide-build's before it: wheels of the same ABI have either."""
    if target.os_version is None:
        return ()
    year, revision = target.os_version
    words = ("pyemscripten", "pyodide") if year <= _LAST_PYODIDE else ("pyemscripten",)
    return tuple(f"{word}_{year}_{revision}_wasm32" for word in words)


@lru_cache(maxsize=256)
def wheel_tags(target: Target, *, bare_linux: bool = False) -> tuple[Tag, ...]:
    """Return every tag of a wheel that `target` takes, best first (PEP 425, and section "Use" there)."""
    from packaging import tags

    platforms = list(platform_tags(target, bare_linux=bare_linux))
    if not platforms:
        # packaging would take the running machine's.
        raise TargetError(
            f"no wheel can be tagged for {target.os} on {target.arch} without its version",
            code="E-TARGET-OS",
            hint="name the target as `crossdock targets` does",
        )
    python = target.python
    if python.implementation is Implementation.PYPY:
        interpreter = f"pp{python.major}{python.minor}"
        abi = python.abi or f"pypy{python.major}{python.minor}_pp73"
        return (
            *tags.generic_tags(interpreter, [abi], platforms),
            *tags.compatible_tags(python.version, "pp3", platforms),
        )
    interpreter = f"cp{python.major}{python.minor}"
    abi = f"{interpreter}t" if python.free_threaded else interpreter
    return (
        *tags.cpython_tags(python.version, [abi], platforms),
        *tags.compatible_tags(python.version, interpreter, platforms),
    )


@lru_cache(maxsize=256)
def tag_ranks(target: Target, *, bare_linux: bool = False) -> Mapping[Tag, int]:
    """Return the rank of each tag that `target` takes; 0 is best."""
    return {tag: rank for rank, tag in enumerate(wheel_tags(target, bare_linux=bare_linux))}
