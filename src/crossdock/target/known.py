"""The targets known by name: for the list, for the nearest to a slip, and for shell completion."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.target.arches import assumed_libc, lowest_glibc
from crossdock.target.model import LibcKind
from crossdock.target.presets import presets
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: The policies that images are built for (pypa/manylinux's README; read 2026-11), as glibc 2.N.
_POLICIES = (17, 28, 31, 34, 39)

_OTHERS = (
    ("darwin/arm64", "macOS 11.0 on arm64"),
    ("darwin/amd64", "macOS 10.13 on x86_64"),
    ("windows/amd64", "Windows on x86_64"),
    ("windows/arm64", "Windows on arm64"),
    ("windows/386", "Windows on x86"),
    ("ios_13_0_arm64_iphoneos", "iOS 13.0 on a device"),
    ("ios_13_0_arm64_iphonesimulator", "iOS 13.0 in a simulator on an arm64 Mac"),
    ("android_24_arm64_v8a", "Android on arm64, API level 24"),
    ("android_24_x86_64", "Android on x86_64, API level 24"),
    ("pyodide_2024_0_wasm32", "Pyodide of Python 3.12"),
    ("pyodide_2025_0_wasm32", "Pyodide of Python 3.13"),
    ("pyemscripten_2026_0_wasm32", "Pyodide of Python 3.14"),
)


def known_names() -> Sequence[tuple[str, str]]:
    """Return (name, meaning) of every target known by name, platforms first."""
    return (*_linux(), *_OTHERS, *_policies(), *_presets())


def _linux() -> Iterator[tuple[str, str]]:
    for arch, words in WORDS.items():
        if words.oci is not None:
            libc = assumed_libc(arch, LibcKind.GLIBC)
            yield f"linux/{words.platform}", f"Linux on {arch}, glibc {libc.major}.{libc.minor} assumed"
    for arch, words in WORDS.items():
        if words.oci is not None:
            yield f"musllinux_1_2_{arch}", f"Linux on {arch}, musl 1.2"


def _policies() -> Iterator[tuple[str, str]]:
    for minor in _POLICIES:
        for arch in ("x86_64", "aarch64"):
            yield f"manylinux_2_{minor}_{arch}", f"Linux on {arch}, glibc 2.{minor}"


def _presets() -> Iterator[tuple[str, str]]:
    for preset in presets():
        libc = f"{preset.libc.kind} {preset.libc.major}.{preset.libc.minor}"
        for arch in preset.arches:
            yield f"{preset.name}-{preset.arch_word(arch)}", f"{preset.meaning} on {arch}, {libc}"


@lru_cache(maxsize=1)
def spellings() -> tuple[str, ...]:
    """Return what a slip is compared with: the names, and what people write for them."""
    arches = [arch for arch in WORDS if WORDS[arch].oci is not None]
    tags = [f"manylinux_2_{lowest_glibc(arch)}_{arch}" for arch in arches]
    triples = [
        f"{words.rust}-{system}"
        for words in (WORDS[arch] for arch in arches)
        for system in ("unknown-linux-gnu", "unknown-linux-musl", "linux-gnu")
    ]
    apart = (
        "aarch64-apple-darwin",
        "x86_64-apple-darwin",
        "x86_64-pc-windows-msvc",
        "aarch64-pc-windows-msvc",
    )
    words = (
        "win_amd64",
        "win_arm64",
        "win32",
        "macosx_11_0_arm64",
        "macosx_10_13_x86_64",
        "linux",
        "macos",
        "windows",
    )
    names = [name for name, _ in known_names()]
    short = [name for preset in presets() for name in (preset.name, *preset.aliases)]
    return (*dict.fromkeys([*names, *short, *tags, *triples, *apart, *words]),)
