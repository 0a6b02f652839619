"""Names of a place without its Python: OCI platforms, wheel platform tags, triples, uv's and our own.

Patterns are compiled when a name first looks like theirs: a command's start has no time for all of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target import places
from crossdock.target.arches import find_arch
from crossdock.target.model import Arch, Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossdock.target.places import Place

#: PEP 600's legacy aliases, by the minor version of glibc 2.
_LEGACY = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}

#: No C library and no system has had a number beyond this; a longer one is a slip.
_NUMBER = r"\d{1,4}"


def parse_place(text: str) -> Place | None:
    """Read a place in any ecosystem's words; None if it is none. Raises `TargetError` for one that cannot be."""
    word = text.strip().lower()
    if not word.isascii():
        return None
    for mark, read in _READERS:
        place = read(word) if mark in word else None
        if place is not None:
            return place
    return None


_OCI_SYSTEMS = {"linux": Os.LINUX, "darwin": Os.MACOS, "macos": Os.MACOS, "windows": Os.WINDOWS}


def _oci(text: str) -> Place | None:
    """Read os/arch[/variant]; OCI has no word for a C library or a version."""
    system, _, arch = text.partition("/")
    if system not in _OCI_SYSTEMS:
        return None
    found = places.place(_OCI_SYSTEMS[system], find_arch(arch), None, kind=LibcKind.GLIBC)
    # Nothing but this name tells a 32-bit system on a 64-bit ARM: its kernel says so.
    return replace(found, machine="armv8l") if arch == "arm/v8" else found


def _own(text: str) -> Place | None:
    """Read linux-aarch64-glibc2.34, macos-aarch64-11.0, windows-x86_64, ios-aarch64-13.0-simulator."""
    found = re.fullmatch(
        r"(?P<os>linux|macos|windows|ios|android|emscripten)-(?P<arch>\w+)"
        rf"(?:-(?P<libc>glibc|musl)?(?:(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER}))?)?(?P<simulator>-simulator)?",
        text,
    )
    if found is None:
        return None
    version = (int(found["major"]), int(found["minor"])) if found["major"] else None
    if (found["libc"] is not None or version is not None) and bool(found["libc"]) != (found["os"] == "linux"):
        return None
    if (found["simulator"] and found["os"] != "ios") or (version and found["os"] == "windows"):
        return None
    kind = LibcKind(found["libc"] or LibcKind.GLIBC)
    place = places.place(
        Os(found["os"]), find_arch(found["arch"]), version, kind=kind, simulator=bool(found["simulator"])
    )
    return _with_machine(place, found["arch"])


def _linux_tag(text: str) -> Place | None:
    found = re.fullmatch(
        rf"(?:(?P<libc>many|musl)linux_(?P<major>{_NUMBER})_(?P<minor>{_NUMBER})|(?P<legacy>manylinux(?:1|2010|2014))"
        r"|(?P<bare>manylinux|musllinux|linux))[_-](?P<arch>(?!\d+_)\w+)",
        text,
    )
    return None if found is None else _with_machine(_of_linux_tag(found), found["arch"])


def _of_linux_tag(found: re.Match[str]) -> Place:
    arch = find_arch(found["arch"])
    if found["legacy"]:
        return places.linux(arch, Libc(LibcKind.GLIBC, 2, _LEGACY[found["legacy"]]))
    if found["libc"]:
        kind = LibcKind.GLIBC if found["libc"] == "many" else LibcKind.MUSL
        return places.linux(arch, Libc(kind, int(found["major"]), int(found["minor"])))
    return places.linux(arch, kind=LibcKind.MUSL if found["bare"] == "musllinux" else LibcKind.GLIBC)


def _with_machine(place: Place, arch: str) -> Place:
    """Keep what the kernel calls itself on a 32-bit system of a 64-bit ARM: it is in markers and in tags."""
    return replace(place, machine=arch) if arch == "armv8l" else place


def _windows_tag(text: str) -> Place | None:
    # With a dash: sysconfig.get_platform().
    words = {"win_amd64": Arch.X86_64, "win_arm64": Arch.AARCH64, "win32": Arch.I686}
    arch = words.get(text.replace("-", "_"))
    return None if arch is None else places.windows(arch)


def _mac_tag(text: str) -> Place | None:
    found = re.fullmatch(
        rf"macosx(?:[_-](?P<major>{_NUMBER})[_.](?P<minor>{_NUMBER}))?[_-](?P<arch>\w+)", text
    )
    if found is None:
        return None
    if found["arch"].startswith(("universal", "intel", "fat")):
        raise TargetError(
            f"`{text}` is several CPUs, a target is one",
            code="E-TARGET-UNKNOWN",
            hint="say macosx_11_0_arm64 or macosx_11_0_x86_64; universal wheels fit both",
        )
    version = (int(found["major"]), int(found["minor"])) if found["major"] else None
    return places.macos(find_arch(found["arch"]), version)


def _ios_tag(text: str) -> Place | None:
    """Read PEP 730's tags, with a version as wheels have it or without as in cibuildwheel's names."""
    found = re.fullmatch(
        rf"ios_(?:(?P<major>{_NUMBER})_(?P<minor>{_NUMBER})_)?(?P<arch>arm64|x86_64)_(?P<sdk>iphoneos|iphonesimulator)",
        text,
    )
    if found is None:
        return None
    version = (int(found["major"]), int(found["minor"])) if found["major"] else None
    return places.ios(find_arch(found["arch"]), version, simulator=found["sdk"] == "iphonesimulator")


def _android_tag(text: str) -> Place | None:
    """Read PEP 738's tags, with an API level or without."""
    found = re.fullmatch(rf"android_(?:(?P<api>{_NUMBER})_)?(?P<abi>{'|'.join(places.ANDROID_ABIS)})", text)
    if found is None:
        return None
    return places.android(places.ANDROID_ABIS[found["abi"]], int(found["api"]) if found["api"] else None)


def _wasm_tag(text: str) -> Place | None:
    """Read PEP 783's tags and those before it, with a year or without; and the triple, which has none."""
    found = re.fullmatch(
        rf"wasm32-(?:unknown-)?emscripten|(?:pyodide|pyemscripten)_(?:(?P<year>{_NUMBER})_(?P<revision>{_NUMBER})_)?wasm32",
        text,
    )
    if found is None:
        return None
    return places.emscripten(
        Arch.WASM32, (int(found["year"]), int(found["revision"])) if found["year"] else None
    )


#: What triples call a system.
_SYSTEMS = {
    "linux": Os.LINUX,
    "darwin": Os.MACOS,
    "macos": Os.MACOS,
    "macosx": Os.MACOS,
    "windows": Os.WINDOWS,
    "ios": Os.IOS,
}

#: GNU, Rust, zig, clang and uv: CPU-[vendor-]system[version][-ABI][.version].
_TRIPLE = (
    r"(?P<arch>[\w]+?)-(?:(?P<vendor>unknown|pc|apple|none|alpine|redhat|amazon|ibm|suse)-)?"
    r"(?P<system>linux|darwin|macosx?|windows|ios|manylinux\w*|musllinux\w*|pyodide\d{4})"
    rf"(?P<number>{_NUMBER}\.{_NUMBER})?"
    rf"(?:-(?P<abi>gnu|musl|msvc|gnullvm|android|simulator|sim)(?P<eabi>eabihf|eabi)?(?P<level>\d\d)?)?"
    rf"(?:\.(?P<version>{_NUMBER}\.{_NUMBER}))?"
)


def _triple(text: str) -> Place | None:
    found = re.fullmatch(_TRIPLE, text)
    if found is None:
        return None
    system = found["system"]
    if system.startswith(("manylinux", "musllinux")):
        return _linux_tag(f"{system}_{found['arch']}")
    if system.startswith("pyodide"):
        return places.emscripten(find_arch(found["arch"]), (int(system[len("pyodide") :]), 0))
    return _of_triple(found, text)


def _of_triple(found: re.Match[str], text: str) -> Place | None:
    system, abi = _SYSTEMS[found["system"]], found["abi"]
    # Rust's `arm-unknown-linux-gnueabihf` is ARMv6; without a vendor it is Debian's and zig's ARMv7.
    armv6 = found["arch"] == "arm" and found["vendor"] == "unknown"
    arch = Arch.ARMV6L if armv6 else find_arch(found["arch"])
    if abi == "android":
        return places.android(arch, int(found["level"]) if found["level"] else None)
    version = _pair(found["version"] or found["number"])
    if found["level"] or (version and system is Os.WINDOWS) or (found["number"] and system is Os.LINUX):
        return None
    if found["eabi"] == "eabi":
        raise TargetError(
            f"`{text}` is soft-float: no wheel can be tagged for it",
            code="E-TARGET-ARCH",
            hint="use gnueabihf",
        )
    kind = LibcKind.MUSL if abi == "musl" else LibcKind.GLIBC
    return places.place(system, arch, version, kind=kind, simulator=abi in ("simulator", "sim"))


def _pair(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _word(text: str) -> Place | None:
    """Read uv's short names: a system alone is its most common CPU."""
    match text:
        case "linux":
            return places.linux(Arch.X86_64).assuming("x86_64")
        case "macos" | "darwin":
            return places.macos(Arch.AARCH64, None).assuming("arm64")
        case "windows":
            return places.windows(Arch.X86_64).assuming("x86_64")
        case _:
            return None


#: In order, and only where the name holds the mark.
_READERS: tuple[tuple[str, Callable[[str], Place | None]], ...] = (
    ("/", _oci),
    ("linux", _linux_tag),
    ("win", _windows_tag),
    ("macosx", _mac_tag),
    ("ios_", _ios_tag),
    ("android_", _android_tag),
    ("wasm32", _wasm_tag),
    ("-", _own),
    ("-", _triple),
    ("", _word),
)
