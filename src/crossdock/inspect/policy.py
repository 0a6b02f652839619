"""What a place provides without its being shipped: the manylinux and musllinux policies, Windows, macOS."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.target.model import Arch, Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a Linux target of one libc and CPU allows to come from outside.

    `libraries` are sonames; `newest` gives the newest symbol version by prefix, `GLIBC` being the target's
    floor or what the policy of exactly this floor adds to it.
    """

    libraries: frozenset[str]
    newest: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLibraries:
    """The libraries of a base (an image, a Debian release): what it is called, and their sonames.

    `exact` says that the list is all there is: then a policy's promise does not count. `read` says that the
    libraries themselves were read: then the symbol versions that each defines (`versions`, by soname) decide, and
    not the target's floor. `distribution` is the base's system in os-release's word (`debian`, `alpine`), for hints.
    """

    name: str
    sonames: frozenset[str]
    exact: bool = False
    read: bool = False
    versions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    distribution: str = ""


@cache
def _policies() -> dict[str, Any]:
    return _toml("policies.toml")


@cache
def _known() -> dict[str, Any]:
    return _toml("known_libraries.toml")


def _toml(name: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads((_HERE / name).read_text(encoding="utf-8"))


@cache
def windows_libraries() -> frozenset[str]:
    """Return the lower-case names of the DLLs in Windows's system directory."""
    lines = (_HERE / "windows_dlls.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@lru_cache(maxsize=64)
def policy_for(libc: Libc, arch: Arch) -> Policy:
    """Return what a target allows: the policy of its floor, or of the nearest older floor (PEP 600, 656)."""
    kind = "manylinux" if libc.kind is LibcKind.GLIBC else "musllinux"
    tables = _policies()[kind]
    floor = [libc.major, libc.minor]
    fitting = [item for item in tables if item["libc"] <= floor and _knows(item, arch, kind)]
    oldest = next((item for item in tables if _knows(item, arch, kind)), tables[0])
    best = fitting[-1] if fitting else oldest
    newest = {prefix: _numbers(text) for prefix, text in best.get("newest", {}).get(arch.value, {}).items()}
    if libc.kind is LibcKind.GLIBC:
        exact = newest.get("GLIBC", ()) if best["libc"] == floor else ()
        newest["GLIBC"] = max((libc.major, libc.minor), exact)
    return Policy(libraries=frozenset(best["libraries"]), newest=newest)


def _knows(item: dict[str, Any], arch: Arch, kind: str) -> bool:
    return kind == "musllinux" or arch.value in item.get("newest", {})


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def glibc_abi(name: str) -> tuple[int, int] | None:
    """Return the first glibc that has a marker such as `GLIBC_ABI_DT_RELR`; None for any other name."""
    version = _known()["glibc_abi"].get(name)
    return (version[0], version[1]) if version else None


def is_driver(os: Os, library: str) -> bool:
    """Whether a library comes with a device's driver and is never shipped."""
    name = library.lower() if os is Os.WINDOWS else library
    return any(fnmatchcase(name, pattern) for pattern in _known()["drivers"].get(os.value, ()))


def is_optional_module(path: str) -> bool:
    """Whether a package is known to do without the extension module at that path."""
    patterns = _known()["optional_modules"]
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}") for pattern in patterns)


def provider_of(os: Os, library: str) -> str | None:
    """Return the distribution that is known to ship a library for others to use, if there is one."""
    name = library.rpartition("/")[2]
    if os is Os.WINDOWS:
        name = name.lower()
    for pattern, distribution in _known()["providers"].items():
        if fnmatchcase(name, pattern):
            return str(distribution)
    return None


def system_package_of(distribution: str, library: str) -> str | None:
    """Return the package of a Linux distribution (os-release's `ID`) that has a library, None where unknown."""
    packages: dict[str, str] = _known()["system_packages"].get(
        "debian" if distribution == "ubuntu" else distribution, {}
    )
    return packages.get(library)
