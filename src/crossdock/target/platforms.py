"""Names of a place without its Python: OCI platforms, wheel platform tags, triples, uv's and our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import TargetError
from crossdock.target.model import Arch, Libc, LibcKind, Os
from crossdock.target.words import architectures, assumed_libc, find_arch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: arm64 Macs began with 11.0; 10.13 is the oldest that CPython's own builds run on since 3.8. The oldest is
#: the safe one: what fits it fits every newer one.
_MACOS = {Arch.AARCH64: (11, 0), Arch.X86_64: (10, 13)}
#: CPython's own floors: PEP 730 (iOS 13), PEP 738 and its builds since 3.14 (API level 24).
_IOS = (13, 0)
_ANDROID = 24

_LEGACY = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
_ANDROID_ABIS = {
    "arm64_v8a": Arch.AARCH64,
    "x86_64": Arch.X86_64,
    "armeabi_v7a": Arch.ARMV7L,
    "x86": Arch.I686,
}

#: No C library has had a number beyond this; a longer one is a slip.
_NUMBER = r"\d{1,4}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A target without its Python; `assumed` are the words for what the name left open."""

    os: Os
    arch: Arch
    libc: Libc | None = None
    os_version: tuple[int, int] | None = None
    simulator: bool = False
    assumed: tuple[str, ...] = ()


def parse_place(text: str) -> Place | None:
    """Read a place in any ecosystem's words; None if it is none. Raises `TargetError` for one that cannot be."""
    word = text.strip()
    for read in _READERS:
        place = read(word)
        if place is not None:
            return place
    return None


def _arch(word: str, text: str) -> Arch:
    found = find_arch(word)
    if found is None:
        names = ", ".join(Arch)
        raise TargetError(
            f"no CPU is called `{word}`: `{text}`", code="E-TARGET-UNKNOWN", hint=f"known: {names}"
        )
    return found


def _linux(arch: Arch, libc: Libc | None = None, kind: LibcKind = LibcKind.GLIBC) -> Place:
    if libc is not None:
        _check_libc(arch, libc)
        return Place(os=Os.LINUX, arch=arch, libc=libc)
    found = assumed_libc(arch, kind)
    return Place(
        os=Os.LINUX, arch=arch, libc=found, assumed=(f"{found.kind} {found.major}.{found.minor} or newer",)
    )


def _check_libc(arch: Arch, libc: Libc) -> None:
    lowest = architectures()[arch].lowest_glibc
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


def _mac(arch: Arch, version: tuple[int, int] | None) -> Place:
    if arch not in _MACOS:
        raise TargetError(f"there is no macOS on {arch}", code="E-TARGET-ARCH", hint="arm64 and x86_64 exist")
    if version is not None:
        return Place(os=Os.MACOS, arch=arch, os_version=max(version, _first_mac(arch)))
    floor = _MACOS[arch]
    return Place(os=Os.MACOS, arch=arch, os_version=floor, assumed=(f"macOS {floor[0]}.{floor[1]} or newer",))


def _first_mac(arch: Arch) -> tuple[int, int]:
    return (11, 0) if arch is Arch.AARCH64 else (10, 4)


def _windows(arch: Arch) -> Place:
    if arch not in (Arch.X86_64, Arch.AARCH64, Arch.I686):
        raise TargetError(
            f"there is no Windows on {arch}", code="E-TARGET-ARCH", hint="amd64, arm64 and 386 exist"
        )
    return Place(os=Os.WINDOWS, arch=arch)


def _ios(arch: Arch, version: tuple[int, int] | None, *, simulator: bool) -> Place:
    if arch not in _MACOS:
        raise TargetError(
            f"there is no iOS on {arch}", code="E-TARGET-ARCH", hint="arm64 exists; x86_64 as simulator"
        )
    assumed = () if version else (f"iOS {_IOS[0]}.{_IOS[1]} or newer",)
    return Place(
        os=Os.IOS,
        arch=arch,
        os_version=version or _IOS,
        # No device has that CPU.
        simulator=simulator or arch is Arch.X86_64,
        assumed=assumed,
    )


def _android(arch: Arch, level: int | None) -> Place:
    if arch not in _ANDROID_ABIS.values():
        raise TargetError(
            f"there is no Android on {arch}", code="E-TARGET-ARCH", hint=f"known: {', '.join(_ANDROID_ABIS)}"
        )
    assumed = () if level is not None else (f"API level {_ANDROID} or newer",)
    return Place(os=Os.ANDROID, arch=arch, os_version=(level or _ANDROID, 0), assumed=assumed)


def _wasm(arch: Arch, version: tuple[int, int] | None) -> Place:
    """Without a version the Python decides: Pyodide has one ABI for each."""
    if arch is not Arch.WASM32:
        raise TargetError(f"there is no Pyodide on {arch}", code="E-TARGET-ARCH", hint="it is wasm32")
    return Place(os=Os.EMSCRIPTEN, arch=arch, os_version=version)


def _oci(text: str) -> Place | None:
    found = re.fullmatch(
        r"(?P<os>linux|darwin|macos|windows)/(?P<arch>[\w-]+(?:/v\d+)?)", text, re.IGNORECASE
    )
    if found is None:
        return None
    arch = _arch(found["arch"], text)
    match found["os"].lower():
        case "linux":
            return _linux(arch)
        case "windows":
            return _windows(arch)
        case _:
            return _mac(arch, None)


def _own(text: str) -> Place | None:
    """Read linux-aarch64-glibc2.34, macos-aarch64-11.0, windows-x86_64, ios-aarch64-13.0-simulator."""
    found = re.fullmatch(
        r"(?P<os>linux|macos|windows|ios|android|emscripten)-(?P<arch>\w+)"
        rf"(?:-(?P<libc>glibc|musl)?(?:(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER}))?)?(?P<simulator>-simulator)?",
        text,
    )
    if found is None:
        return None
    arch = _arch(found["arch"], text)
    version = (int(found["major"]), int(found["minor"])) if found["major"] else None
    if (found["libc"] is not None or version is not None) and bool(found["libc"]) != (found["os"] == "linux"):
        return None
    if found["simulator"] and found["os"] != "ios":
        return None
    kind = LibcKind(found["libc"] or LibcKind.GLIBC)
    return _on(Os(found["os"]), arch, version, kind=kind, simulator=bool(found["simulator"]))


def _on(
    system: Os, arch: Arch, version: tuple[int, int] | None, *, kind: LibcKind, simulator: bool = False
) -> Place:
    match system:
        case Os.LINUX:
            return _linux(arch, Libc(kind, *version) if version else None, kind)
        case Os.MACOS:
            return _mac(arch, version)
        case Os.WINDOWS:
            return _windows(arch)
        case Os.IOS:
            return _ios(arch, version, simulator=simulator)
        case Os.ANDROID:
            return _android(arch, version[0] if version else None)
        case Os.EMSCRIPTEN:
            return _wasm(arch, version)


def _linux_tag(text: str) -> Place | None:
    found = re.fullmatch(
        rf"(?:(?P<libc>many|musl)linux_(?P<major>{_NUMBER})_(?P<minor>{_NUMBER})|(?P<legacy>manylinux(?:1|2010|2014))"
        r"|(?P<bare>manylinux|musllinux|linux))[_-](?P<arch>\w+)",
        text,
    )
    if found is None:
        return None
    arch = _arch(found["arch"], text)
    if found["legacy"]:
        return _linux(arch, Libc(LibcKind.GLIBC, 2, _LEGACY[found["legacy"]]))
    if found["libc"]:
        kind = LibcKind.GLIBC if found["libc"] == "many" else LibcKind.MUSL
        return _linux(arch, Libc(kind, int(found["major"]), int(found["minor"])))
    return _linux(arch, kind=LibcKind.MUSL if found["bare"] == "musllinux" else LibcKind.GLIBC)


def _windows_tag(text: str) -> Place | None:
    words = {"win_amd64": Arch.X86_64, "win_arm64": Arch.AARCH64, "win32": Arch.I686}
    return _windows(words[text]) if text in words else None


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
    return _mac(_arch(found["arch"], text), version)


def _mobile_tag(text: str) -> Place | None:
    """Read the tags of PEP 730, 738, 783, with a version as wheels have it or without as cibuildwheel's names."""
    ios = re.fullmatch(
        rf"ios_(?:(?P<major>{_NUMBER})_(?P<minor>{_NUMBER})_)?(?P<arch>arm64|x86_64)_(?P<sdk>iphoneos|iphonesimulator)",
        text,
    )
    if ios is not None:
        version = (int(ios["major"]), int(ios["minor"])) if ios["major"] else None
        return _ios(_arch(ios["arch"], text), version, simulator=ios["sdk"] == "iphonesimulator")
    android = re.fullmatch(rf"android_(?:(?P<api>{_NUMBER})_)?(?P<abi>{'|'.join(_ANDROID_ABIS)})", text)
    if android is not None:
        return _android(_ANDROID_ABIS[android["abi"]], int(android["api"]) if android["api"] else None)
    wasm = re.fullmatch(
        rf"(?:pyodide|pyemscripten)_(?:(?P<year>{_NUMBER})_(?P<revision>{_NUMBER})_)?wasm32", text
    )
    if wasm is not None:
        return _wasm(Arch.WASM32, (int(wasm["year"]), int(wasm["revision"])) if wasm["year"] else None)
    return None


def _triple(text: str) -> Place | None:
    """GNU, Rust, zig and uv: CPU-[vendor-]system[-ABI][.version]."""
    found = re.fullmatch(
        r"(?P<arch>[\w]+?)-(?:(?P<vendor>unknown|pc|apple|none|alpine|redhat|amazon|ibm|suse)-)?"
        r"(?P<system>linux|darwin|macos|windows|ios|manylinux\w*|musllinux\w*|pyodide\d{4})"
        rf"(?:-(?P<abi>gnu|musl|msvc|gnullvm|android|simulator|sim)(?P<eabi>eabihf|eabi)?)?(?:\.(?P<version>{_NUMBER}\.{_NUMBER}))?",
        text,
    )
    if found is None:
        return None
    system, abi = found["system"], found["abi"]
    if system.startswith(("manylinux", "musllinux")):
        return _linux_tag(f"{system}_{found['arch']}")
    if system.startswith("pyodide"):
        return _wasm(_arch(found["arch"], text), (int(system[len("pyodide") :]), 0))
    # Rust's `arm-unknown-linux-gnueabihf` is ARMv6; without a vendor it is Debian's and zig's ARMv7.
    armv6 = found["arch"] == "arm" and found["vendor"] == "unknown"
    arch = Arch.ARMV6L if armv6 else _arch(found["arch"], text)
    version = _pair(found["version"])
    if found["eabi"] == "eabi" and abi != "android":
        raise TargetError(
            f"`{text}` is soft-float: no wheel can be tagged for it",
            code="E-TARGET-ARCH",
            hint="use gnueabihf",
        )
    place = Os.ANDROID if abi == "android" else _SYSTEMS[system]
    kind = LibcKind.MUSL if abi == "musl" else LibcKind.GLIBC
    return _on(place, arch, version, kind=kind, simulator=abi in ("simulator", "sim"))


#: What triples call a system. Emscripten is not among them: no triple says its version.
_SYSTEMS = {"linux": Os.LINUX, "darwin": Os.MACOS, "macos": Os.MACOS, "windows": Os.WINDOWS, "ios": Os.IOS}


def _pair(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _word(text: str) -> Place | None:
    """Uv's short names: a system alone is its most common CPU."""
    match text.lower():
        case "linux":
            place = _linux(Arch.X86_64)
            return Place(os=place.os, arch=place.arch, libc=place.libc, assumed=("x86_64", *place.assumed))
        case "macos" | "darwin":
            place = _mac(Arch.AARCH64, None)
            return Place(
                os=place.os, arch=place.arch, os_version=place.os_version, assumed=("arm64", *place.assumed)
            )
        case "windows":
            return Place(os=Os.WINDOWS, arch=Arch.X86_64, assumed=("x86_64",))
        case _:
            return None


_READERS: tuple[Callable[[str], Place | None], ...] = (
    _oci,
    _linux_tag,
    _windows_tag,
    _mac_tag,
    _mobile_tag,
    _own,
    _triple,
    _word,
)


def platform_names() -> Sequence[tuple[str, str]]:
    """Return (name, meaning) of the OCI platforms and their like, for the list of targets."""
    names: list[tuple[str, str]] = []
    for arch, words in architectures().items():
        if words.oci is None:
            continue
        oci = f"linux/{words.oci}" + (f"/{words.oci_variant}" if words.oci_variant else "")
        libc = assumed_libc(arch, LibcKind.GLIBC)
        names.append((oci, f"Linux on {arch}, glibc {libc.major}.{libc.minor} assumed"))
        names.append((f"musllinux_1_2_{arch}", f"Linux on {arch}, musl 1.2"))
    names += [
        ("darwin/arm64", "macOS 11.0 on arm64"),
        ("darwin/amd64", "macOS 10.13 on x86_64"),
        ("windows/amd64", "Windows on x86_64"),
        ("windows/arm64", "Windows on arm64"),
        ("windows/386", "Windows on x86"),
        ("ios_13_0_arm64_iphoneos", "iOS 13"),
        ("android_24_arm64_v8a", "Android, API level 24"),
        ("pyodide_2025_0_wasm32", "Pyodide of Python 3.13"),
        ("pyemscripten_2026_0_wasm32", "Pyodide of Python 3.14"),
    ]
    return names
