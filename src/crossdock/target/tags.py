"""The wheel tags of a target, best first; nothing is ever filled in from the host.

`packaging.tags` takes an empty or missing list of platforms or ABIs for "this machine's": so every call
here gives both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.model import Arch, Implementation, LibcKind, Os, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.tags import Tag

#: PEP 600, "Legacy manylinux tags": each alias stands right behind its equal.
_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

#: manylinux1 and manylinux2010 exist for these only (PEP 513, PEP 571); 2_5 is their lowest.
_OLD_MANYLINUX = (Arch.X86_64, Arch.I686)

#: The API level that android_platforms() goes down to (PEP 738).
_FIRST_ANDROID_API = 16

#: Names of an architecture in wheel tags, where they differ from ours.
_MAC_ARCH = {Arch.AARCH64: "arm64", Arch.X86_64: "x86_64"}
_WINDOWS_TAG = {Arch.X86_64: "win_amd64", Arch.AARCH64: "win_arm64", Arch.I686: "win32"}
_ANDROID_ABI = {
    Arch.AARCH64: "arm64_v8a",
    Arch.X86_64: "x86_64",
    Arch.ARMV7L: "armeabi_v7a",
    Arch.I686: "x86",
}

#: PEP 783's platforms begin here; before, the wheels were tagged pyodide_*.
_FIRST_PYEMSCRIPTEN = 2026


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
            return (emscripten_tag(target),)


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
    lowest = 5 if target.arch in _OLD_MANYLINUX else 17
    for minor in range(libc.minor if libc else 0, lowest - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        alias = _ALIASES.get(minor)
        if alias is not None:
            yield f"{alias}_{arch}"


def _mac(target: Target) -> tuple[str, ...]:
    from packaging.tags import mac_platforms

    return tuple(mac_platforms(target.os_version or (11, 0), _known(_MAC_ARCH, target)))


def _ios(target: Target) -> tuple[str, ...]:
    from packaging.tags import ios_platforms

    sdk = "iphonesimulator" if target.simulator else "iphoneos"
    return tuple(ios_platforms(target.os_version or (13, 0), f"{_known(_MAC_ARCH, target)}_{sdk}"))


def _android(target: Target) -> tuple[str, ...]:
    level = (target.os_version or (21, 0))[0]
    abi = _known(_ANDROID_ABI, target)
    return tuple(f"android_{api}_{abi}" for api in range(level, _FIRST_ANDROID_API - 1, -1))


def emscripten_tag(target: Target) -> str:
    """Return the one platform tag of a Pyodide target (PEP 783, and pyodide-build's before it)."""
    year, revision = target.os_version or (_FIRST_PYEMSCRIPTEN, 0)
    word = "pyemscripten" if year >= _FIRST_PYEMSCRIPTEN else "pyodide"
    return f"{word}_{year}_{revision}_wasm32"


@lru_cache(maxsize=256)
def wheel_tags(target: Target, *, bare_linux: bool = False) -> tuple[Tag, ...]:
    """Return every tag of a wheel that `target` takes, best first (PEP 425, and section "Use" there)."""
    from packaging import tags

    platforms = list(platform_tags(target, bare_linux=bare_linux))
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
