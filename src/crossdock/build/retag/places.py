"""Platform tags, taken apart into the systems that they promise, and put together again (PEP 425, 600, 656)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch, Libc, LibcKind, Os, Python, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Version = tuple[int, int]

#: PEP 600, "Legacy manylinux tags".
_LEGACY = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
_LINUX = re.compile(
    r"(?:(?P<kind>many|musl)linux_(?P<major>\d{1,3})_(?P<minor>\d{1,3})|manylinux(?P<legacy>1|2010|2014)|linux)"
    r"_(?P<arch>[a-z0-9_]+)"
)
_MAC = re.compile(r"macosx_(?P<major>\d{1,3})_(?P<minor>\d{1,3})_(?P<cpu>\w+)")
#: Of these CPUs' binaries a tag for macOS promises to have each (packaging.tags, `_mac_binary_formats`); PowerPC's
#: and those of 32 bits are left out: no Python of today runs there.
_MAC_CPUS = {
    "arm64": (Arch.AARCH64,),
    "x86_64": (Arch.X86_64,),
    "universal2": (Arch.X86_64, Arch.AARCH64),
    "intel": (Arch.X86_64,),
    "fat64": (Arch.X86_64,),
    "universal": (Arch.X86_64,),
}
_WINDOWS = {"win_amd64": Arch.X86_64, "win_arm64": Arch.AARCH64, "win32": Arch.I686}
_WINDOWS_TAG = {arch: tag for tag, arch in _WINDOWS.items()}
#: The first macOS on Apple's own CPU; an older number in a tag says no more there.
BIG_SUR = (11, 0)
#: PEP 656: no installer looks for a wheel of an older one.
_LOWEST_MUSL = (1, 0)


class Place(NamedTuple):
    """A system on a CPU: what a platform tag promises to run on, from a version on."""

    os: Os
    arch: Arch
    libc: LibcKind | None = None

    def __str__(self) -> str:
        if self.os is Os.LINUX:
            return f"Linux on {self.arch}" + (f" with {self.libc}" if self.libc else "")
        name = {Os.MACOS: "macOS", Os.WINDOWS: "Windows"}.get(self.os, self.os.value)
        return f"{name} on {'arm64' if self.arch is Arch.AARCH64 else self.arch}"

    def target(self, version: Version | None, python: Python) -> Target:
        """Return the target with this system at a version of its C library or of itself."""
        libc = None if self.libc is None or version is None else Libc(self.libc, *version)
        own = version if self.os is Os.MACOS else None
        return Target(os=self.os, arch=self.arch, python=python, libc=libc, os_version=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform tag: the places that it promises, and from which version on (None: there is no such question).

    `bare` is `linux_<cpu>`, which promises nothing about the C library. No places: `any`.
    """

    tag: str
    places: tuple[Place, ...]
    version: Version | None = None
    bare: bool = False


def parse_platform(tag: str) -> Platform | None:
    """Take a platform tag apart; None for one of a system that is not known here, or of an unknown CPU."""
    if tag == "any":
        return Platform(tag=tag, places=())
    if tag in _WINDOWS:
        return Platform(tag=tag, places=(Place(Os.WINDOWS, _WINDOWS[tag]),))
    mac = _MAC.fullmatch(tag)
    if mac is not None:
        cpus = _MAC_CPUS.get(mac["cpu"], ())
        places = tuple(Place(Os.MACOS, arch) for arch in cpus)
        return (
            Platform(tag=tag, places=places, version=(int(mac["major"]), int(mac["minor"]))) if cpus else None
        )
    linux = _LINUX.fullmatch(tag)
    if linux is None or linux["arch"] not in list(Arch):
        return None
    arch = Arch(linux["arch"])
    if linux["kind"] is None and linux["legacy"] is None:
        return Platform(tag=tag, places=(Place(Os.LINUX, arch),), bare=True)
    kind = LibcKind.MUSL if linux["kind"] == "musl" else LibcKind.GLIBC
    version = _LEGACY[linux["legacy"]] if linux["legacy"] else (int(linux["major"]), int(linux["minor"]))
    return Platform(tag=tag, places=(Place(Os.LINUX, arch, kind),), version=version)


def is_looked_for(platform: Platform) -> bool:
    """Tell whether any installer looks for wheels of a tag."""
    if platform.version is None:
        return True
    if platform.places[0].os is Os.MACOS:
        # packaging.tags.mac_platforms: from 11 on whole versions only; before, 10.x only.
        major, minor = platform.version
        return minor == 0 if platform.version >= BIG_SUR else major == BIG_SUR[0] - 1
    place = platform.places[0]
    if place.libc is LibcKind.MUSL:
        return platform.version >= _LOWEST_MUSL
    return platform.version >= (2, lowest_glibc(place.arch))


def promises(platforms: Iterable[Platform]) -> dict[Place, Version | None]:
    """Return what tags promise together: for each place the oldest version that one of them says."""
    found: dict[Place, Version | None] = {}
    for platform in platforms:
        for place in platform.places:
            version = platform.version
            if version is not None and place == (Os.MACOS, Arch.AARCH64, None):
                version = max(version, BIG_SUR)
            known = found.get(place, version)
            found[place] = version if known is None or version is None else min(known, version)
    return found


def tags_of(promised: Mapping[Place, Version | None]) -> tuple[str, ...]:
    """Return the fewest platform tags that promise exactly this, sorted."""
    left = dict(promised)
    tags = []
    intel, own = Place(Os.MACOS, Arch.X86_64), Place(Os.MACOS, Arch.AARCH64)
    first, second = left.get(intel), left.get(own)
    if first is not None and second is not None and max(first, BIG_SUR) == second:
        del left[intel], left[own]
        tags.append(f"macosx_{first[0]}_{first[1]}_universal2")
    for place, version in left.items():
        number = "" if version is None else f"_{version[0]}_{version[1]}"
        if place.os is Os.WINDOWS:
            tags.append(_WINDOWS_TAG[place.arch])
        elif place.os is Os.MACOS:
            tags.append(f"macosx{number}_{'arm64' if place.arch is Arch.AARCH64 else place.arch}")
        else:
            word = {None: "", LibcKind.GLIBC: "many", LibcKind.MUSL: "musl"}[place.libc]
            tags.append(f"{word}linux{number}_{place.arch}")
    return tuple(sorted(tags))
