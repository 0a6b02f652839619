"""Extension modules' file names: which of them an interpreter's importer picks up, by PEP 3149, 384 and 803."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crossdock.target.model import Arch, Implementation, LibcKind, Os

if TYPE_CHECKING:
    from crossdock.target.model import Target

_TAGGED = re.compile(
    r"(?P<module>[^/]+?)\.(?P<abi>cpython-[0-9]+[a-z]*(?:-[\w-]+)?|abi3t?|pypy[0-9]+-pp[0-9]+(?:-[\w-]+)?"
    r"|cp[0-9]+[a-z]*-win[\w]+|graalpy[\w-]+)\.(?P<kind>so|pyd)"
)
_CPYTHON = re.compile(r"(?:cpython-|cp)3(?P<minor>[0-9]+)(?P<flags>[a-z]*)-?(?P<platform>[\w-]*)")

#: The multiarch words of CPython's SOABI on Linux (configure.ac, PLATFORM_TRIPLET), libc left out.
_TRIPLETS = {
    Arch.X86_64: "x86_64-linux-{}",
    Arch.AARCH64: "aarch64-linux-{}",
    Arch.ARMV7L: "arm-linux-{}eabihf",
    Arch.ARMV6L: "arm-linux-{}eabihf",
    Arch.I686: "i386-linux-{}",
    Arch.PPC64LE: "powerpc64le-linux-{}",
    Arch.S390X: "s390x-linux-{}",
    Arch.RISCV64: "riscv64-linux-{}",
    Arch.LOONGARCH64: "loongarch64-linux-{}",
}
_WINDOWS = {Arch.X86_64: "win_amd64", Arch.AARCH64: "win_arm64", Arch.I686: "win32"}
#: PEP 803: the first Python whose importer knows `.abi3t.so`.
_FIRST_ABI3T = (3, 15)
#: python/cpython#87278: before, a Python on musl called itself `-linux-gnu`.
_FIRST_MUSL_NAME = (3, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleName:
    """A file name cut up: `_x.cpython-312-aarch64-linux-gnu.so` is module `_x`, abi `cpython-312-...`.

    `abi` is empty for a plain `_x.so` or `_x.pyd`, which every interpreter tries and may or may not fit.
    """

    module: str
    abi: str
    suffix: str

    @property
    def cpython(self) -> tuple[int, str, str] | None:
        """Minor version, ABI flags and platform words of a CPython name, else None."""
        match = _CPYTHON.fullmatch(self.abi)
        return (int(match["minor"]), match["flags"], match["platform"]) if match else None


@lru_cache(maxsize=4096)
def parse_module_name(name: str) -> ModuleName | None:
    """Cut up a file name (without directories); None if no importer would take it for an extension module."""
    match = _TAGGED.fullmatch(name)
    if match:
        return ModuleName(module=match["module"], abi=match["abi"], suffix=f".{match['abi']}.{match['kind']}")
    stem, dot, kind = name.rpartition(".")
    if kind in {"so", "pyd"} and stem.isidentifier():
        return ModuleName(module=stem, abi="", suffix=f"{dot}{kind}")
    return None


@lru_cache(maxsize=64)
def extension_suffixes(target: Target) -> tuple[str, ...]:
    """Return the suffixes that the target's importer takes, best first (`_imp.extension_suffixes()` there)."""
    python = target.python
    kind = "pyd" if target.os is Os.WINDOWS else "so"
    if python.implementation is Implementation.PYPY:
        abi = (python.abi or f"pypy{python.major}{python.minor}_pp73").replace("_", "-", 1)
        return tuple(f".{abi}-{words}.{kind}" for words in _platform_words(target))
    flags = "t" if python.free_threaded else ""
    digits = f"{python.major}{python.minor}{flags}"
    prefix = f"cp{digits}" if target.os is Os.WINDOWS else f"cpython-{digits}"
    tagged = tuple(f".{prefix}-{words}.{kind}" for words in _platform_words(target))
    return (*tagged, *_stable(target), f".{kind}")


def _stable(target: Target) -> tuple[str, ...]:
    """Return the stable ABI's suffixes; Windows has none (its `.pyd` is plain), free-threaded builds only abi3t."""
    if target.os is Os.WINDOWS:
        return ()
    python = target.python
    names = [] if python.free_threaded else [".abi3.so"]
    if python.version >= _FIRST_ABI3T:
        names.append(".abi3t.so")
    return tuple(names)


def _platform_words(target: Target) -> tuple[str, ...]:
    """Return the platform part of the suffix; two where it changed without a version's telling."""
    match target.os:
        case Os.LINUX:
            return _linux_words(target)
        case Os.MACOS:
            return ("darwin",)
        case Os.WINDOWS:
            return (_WINDOWS.get(target.arch, "win32"),)
        case Os.IOS:
            return ("iphonesimulator" if target.simulator else "iphoneos",)
        case Os.ANDROID:
            return (f"{target.arch.value}-linux-android",)
        case Os.EMSCRIPTEN:
            return ("wasm32-emscripten",)


def _linux_words(target: Target) -> tuple[str, ...]:
    triplet = _TRIPLETS.get(target.arch, f"{target.arch.value}-linux-{{}}")
    if target.libc is None or target.libc.kind is LibcKind.GLIBC:
        return (triplet.format("gnu"),)
    old = target.python.version < _FIRST_MUSL_NAME or target.python.implementation is Implementation.PYPY
    return (triplet.format("gnu"), triplet.format("musl")) if old else (triplet.format("musl"),)


def accepts(target: Target, name: ModuleName) -> bool:
    """Whether the target's importer takes a file of this name; a plain name it always takes."""
    return name.suffix in extension_suffixes(target)
