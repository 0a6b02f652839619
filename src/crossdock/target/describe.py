"""One target in the words of every ecosystem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.target.markers import choices, environment
from crossdock.target.model import Arch, Implementation, LibcKind, Os, Target
from crossdock.target.names import canonical_name
from crossdock.target.presets import presets
from crossdock.target.tags import platform_tags, wheel_tags
from crossdock.target.words import WORDS, ArchWords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossdock.target.presets import Preset

_GO_OS = {Os.LINUX: "linux", Os.MACOS: "darwin", Os.WINDOWS: "windows"}
_BAZEL_OS = {
    Os.LINUX: "linux",
    Os.MACOS: "osx",
    Os.WINDOWS: "windows",
    Os.IOS: "ios",
    Os.ANDROID: "android",
    Os.EMSCRIPTEN: "emscripten",
}
#: zig 0.16's oldest glibc for an architecture is in words.toml where it is newer than the policies' lowest.
_MUSL_SUFFIX = {Arch.ARMV7L: "musleabihf", Arch.ARMV6L: "musleabihf"}
_GNU_SUFFIX = {Arch.ARMV7L: "gnueabihf", Arch.ARMV6L: "gnueabihf"}


def describe(target: Target) -> dict[str, Any]:
    """Return what `target` is called by OCI, wheels, markers, uv, zig, Rust, Bazel, Lambda and Debian.

    None where an ecosystem has no word for it. JSON-ready.
    """
    words = WORDS[target.arch]
    return {
        "name": target.name or canonical_name(target),
        "canonical": canonical_name(target),
        "python": _python(target),
        "assumed": list(target.assumed),
        "oci_platform": oci_platform(target),
        "wheel_platform_tags": list(platform_tags(target)),
        "wheel_tags": [str(tag) for tag in wheel_tags(target)],
        "markers": _markers(target),
        "uv_python_platform": uv_platform(target),
        "zig_target": zig_target(target),
        "rust_target": rust_target(target),
        "bazel": _bazel(target, words),
        "lambda": _lambda(target),
        "debian_architecture": words.debian if _is_glibc(target) else None,
        "presets": [preset.name for preset in presets() if _is_place(target, preset)],
        "notes": _notes(target, words),
        "base_libraries": None if target.base_libraries is None else sorted(target.base_libraries),
    }


def _is_glibc(target: Target) -> bool:
    return target.libc is not None and target.libc.kind is LibcKind.GLIBC


def _python(target: Target) -> str:
    python = target.python
    name = "PyPy" if python.implementation is Implementation.PYPY else "CPython"
    return f"{name} {python.full or python.short}{', free-threaded' if python.free_threaded else ''}"


def _markers(target: Target) -> dict[str, str]:
    few = choices(target)
    values: dict[str, str] = {}
    for name, value in environment(target).items():
        if value is not None:
            values[name] = value
        elif name in few:
            # Two say what it is about; the rest are examples of models.
            values[name] = " or ".join(few[name][:2])
        else:
            values[name] = "(open)"
    return values


def _notes(target: Target, words: ArchWords) -> list[str]:
    """Return where another tool's word says less than the target does."""
    notes: list[str] = []
    libc = target.libc
    if libc is not None and _is_glibc(target) and libc.minor < words.zig_lowest_glibc:
        notes.append(f"zig has no glibc older than 2.{words.zig_lowest_glibc} for {target.arch}")
    if target.arch is Arch.ARMV6L:
        notes.append("zig builds for ARMv7 unless -mcpu names an ARMv6")
    if target.os is Os.LINUX and uv_platform(target) is None:
        notes.append("uv's --python-platform has no name for this place")
    return notes


def _is_place(target: Target, preset: Preset) -> bool:
    python = target.python
    usual = python.implementation is Implementation.CPYTHON and not python.free_threaded
    same_python = preset.python is None or (usual and preset.python == python.short)
    return (
        same_python and target.os is Os.LINUX and preset.libc == target.libc and target.arch in preset.arches
    )


def oci_platform(target: Target) -> str | None:
    """Return `os/arch[/variant]` as the OCI image index has it, for example `linux/arm/v7`."""
    words, system = WORDS[target.arch], _GO_OS.get(target.os)
    return None if system is None or words.oci is None else f"{system}/{words.platform}"


#: uv's names of places without a floor of a libc.
_UV = {
    (Os.MACOS, Arch.AARCH64): "aarch64-apple-darwin",
    (Os.MACOS, Arch.X86_64): "x86_64-apple-darwin",
    (Os.WINDOWS, Arch.X86_64): "x86_64-pc-windows-msvc",
    (Os.WINDOWS, Arch.AARCH64): "aarch64-pc-windows-msvc",
    (Os.WINDOWS, Arch.I686): "i686-pc-windows-msvc",
    (Os.IOS, Arch.X86_64): "x86_64-apple-ios-simulator",
    (Os.ANDROID, Arch.AARCH64): "aarch64-linux-android",
    (Os.ANDROID, Arch.X86_64): "x86_64-linux-android",
}


def uv_platform(target: Target) -> str | None:
    """Return uv's --python-platform, or None where uv has no name for the target."""
    if target.os is Os.LINUX:
        return _uv_linux(target)
    if target.os is Os.EMSCRIPTEN:
        year = (target.os_version or (0, 0))[0]
        return f"wasm32-pyodide{year}" if year in _UV_PYODIDE else None
    if target.os is Os.IOS and target.arch is Arch.AARCH64:
        return f"arm64-apple-ios{'-simulator' if target.simulator else ''}"
    return _UV.get((target.os, target.arch))


_UV_PYODIDE = (2024, 2025)

#: uv 0.13's closed list of glibc floors for x86_64 and aarch64.
_UV_GLIBC = {17, 28, *range(31, 41)}


def _uv_linux(target: Target) -> str | None:
    if target.libc is None or target.arch not in (Arch.X86_64, Arch.AARCH64):
        return "riscv64-unknown-linux" if target.arch is Arch.RISCV64 and _is_glibc(target) else None
    if target.libc.kind is LibcKind.MUSL:
        return f"{target.arch}-unknown-linux-musl" if target.libc.minor == 2 else None  # noqa: PLR2004  # musl 1.2
    return f"{target.arch}-manylinux_2_{target.libc.minor}" if target.libc.minor in _UV_GLIBC else None


def zig_target(target: Target) -> str | None:
    """Return zig's `-target` with the libc floor, or None where zig cannot build for it."""
    words = WORDS[target.arch]
    version = target.os_version
    match target.os:
        case Os.LINUX:
            return _zig_linux(target, words)
        case Os.MACOS:
            return f"{words.zig}-macos.{version[0]}.{version[1]}" if version else f"{words.zig}-macos"
        case Os.WINDOWS:
            return f"{words.zig}-windows-gnu"
        case Os.IOS | Os.ANDROID | Os.EMSCRIPTEN:
            return None


def _zig_linux(target: Target, words: ArchWords) -> str | None:
    libc = target.libc
    if libc is None:
        return None
    if libc.kind is LibcKind.MUSL:
        return f"{words.zig}-linux-{_MUSL_SUFFIX.get(target.arch, 'musl')}"
    floor = max(libc.minor, words.zig_lowest_glibc)
    return f"{words.zig}-linux-{_GNU_SUFFIX.get(target.arch, 'gnu')}.2.{floor}"


def rust_target(target: Target) -> str | None:
    """Return Rust's target triple, or None where there is none."""
    rust = WORDS[target.arch].rust
    match target.os:
        case Os.LINUX:
            return _rust_linux(target, rust)
        case Os.MACOS:
            return f"{rust}-apple-darwin"
        case Os.WINDOWS:
            return f"{rust}-pc-windows-msvc"
        case Os.IOS:
            # Only an arm64 simulator has to be told from a device.
            return f"{rust}-apple-ios{'-sim' if target.simulator and target.arch is Arch.AARCH64 else ''}"
        case Os.ANDROID:
            return f"{rust}-linux-android{'eabi' if target.arch is Arch.ARMV7L else ''}"
        case Os.EMSCRIPTEN:
            return "wasm32-unknown-emscripten"


def _rust_linux(target: Target, rust: str) -> str:
    musl = target.libc is not None and target.libc.kind is LibcKind.MUSL
    table: Mapping[Arch, str] = _MUSL_SUFFIX if musl else _GNU_SUFFIX
    return f"{rust}-unknown-linux-{table.get(target.arch, 'musl' if musl else 'gnu')}"


def _bazel(target: Target, words: ArchWords) -> dict[str, Any]:
    constraints = [f"@platforms//os:{_BAZEL_OS[target.os]}", f"@platforms//cpu:{words.bazel}"]
    flags: dict[str, Any] = {"constraints": constraints, "python_version": target.python.short}
    if target.libc is not None:
        flags["py_linux_libc"] = str(target.libc.kind)
    return flags


def _lambda(target: Target) -> dict[str, Any] | None:
    for preset in presets():
        if preset.arch_words == "lambda" and preset.name.startswith("lambda-") and _is_place(target, preset):
            return {"runtime": f"python{preset.python}", "architecture": preset.arch_word(target.arch)}
    return None
