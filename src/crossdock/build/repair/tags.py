"""The tag that a wheel deserves: what its binaries need, not what its backend believed.

PEP 600: `manylinux_X_Y` says that a wheel works with glibc X.Y and every later one, so the number is the newest
version that any binary needs. auditwheel rounds it up to a profile that it knows; nothing asks for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.repair.job import Floor
from crossdock.errors import BuildError
from crossdock.inspect.facts import split_version
from crossdock.inspect.policy import glibc_abi, policy_for
from crossdock.target.arches import lowest_glibc
from crossdock.target.model import Arch, Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crossdock.build.repair.survey import Found, Survey
    from crossdock.target.model import Target

#: zig builds against musl 1.2; an older one lacks symbols of it (target/arches.py says why nothing older counts).
_MUSL = (1, 2)
#: PEP 425 and Apple: the first macOS on each CPU that a wheel of Python 3 can be for.
_LOWEST_MAC = {Arch.AARCH64: (11, 0), Arch.X86_64: (10, 9)}
_WINDOWS = {Arch.X86_64: "win_amd64", Arch.AARCH64: "win_arm64", Arch.I686: "win32"}
_BIG_SUR = 11
#: A policy newer than any there is.
_LAST_GLIBC = 99


def platform_of(survey: Survey, target: Target) -> tuple[str, Floor | None]:
    """Return the platform tag of a wheel with native code, and what sets it."""
    match target.os:
        case Os.LINUX:
            if target.libc is not None and target.libc.kind is LibcKind.MUSL:
                return f"musllinux_{_MUSL[0]}_{_MUSL[1]}_{target.arch}", Floor(version=_MUSL)
            floor = glibc_floor(survey, target.arch)
            return f"manylinux_{floor.version[0]}_{floor.version[1]}_{target.arch}", floor
        case Os.MACOS:
            floor = macos_floor(survey.native(), target.arch)
            cpu = "arm64" if target.arch is Arch.AARCH64 else "x86_64"
            return f"macosx_{floor.version[0]}_{floor.version[1]}_{cpu}", floor
        case Os.WINDOWS if target.arch in _WINDOWS:
            return _WINDOWS[target.arch], None
        case _:
            raise BuildError(
                f"no wheel is built for {target.os} on {target.arch}",
                code="E-BUILD-TARGET",
                hint="builds are for CPython on Linux, macOS and Windows",
            )


def glibc_floor(survey: Survey, arch: Arch) -> Floor:
    """Return the newest glibc that any binary needs, at least PEP 600's oldest for the CPU.

    Other libraries that a policy lets a wheel take from the system set it too: where one needs a `GLIBCXX` that
    a policy does not have, only a newer glibc's policy promises it.
    """
    best = Floor(version=(2, lowest_glibc(arch)))
    for one in survey.native():
        for floor in glibc_needs(one, survey, arch):
            if floor.version > best.version or (floor.version == best.version and not best.path):
                best = floor
    return best


def glibc_needs(one: Found, survey: Survey, arch: Arch) -> Iterator[Floor]:
    """Yield the oldest glibc for each thing that a binary needs from outside of the wheel."""
    image = one.image
    if image is None:
        return
    for need in image.versions:
        prefix, number = split_version(need.version)
        if prefix == "GLIBC" and number:
            first: tuple[int, int] | None = (number[0], number[1] if len(number) > 1 else 0)
        elif glibc_abi(need.version) is not None:
            first = glibc_abi(need.version)
        elif survey.shipment.named(need.library) is not None:
            continue  # it is in the wheel, and brings its own versions
        else:
            first = _first_policy(arch, need.library, prefix, number)
        if first is not None:
            yield Floor(
                version=first, path=one.name, need=need.version, library=need.library, symbol=need.symbol
            )
    for library in image.needed:
        if survey.shipment.named(library) is None:
            first = _first_policy(arch, library)
            if first is not None and first > (2, lowest_glibc(arch)):
                yield Floor(version=first, path=one.name, need=library)


def _first_policy(
    arch: Arch, library: str, prefix: str = "", number: tuple[int, ...] = ()
) -> tuple[int, int] | None:
    """Return the oldest glibc whose policy lets a library be taken from the system at that version.

    None where no policy has the library: then it is no question of the floor.
    """
    for minor in range(lowest_glibc(arch), _LAST_GLIBC):
        policy = policy_for(Libc(LibcKind.GLIBC, 2, minor), arch)
        if library not in policy.libraries:
            continue
        limit = policy.newest.get(prefix.partition("_")[0])
        if not number or limit is None or number <= limit:
            return (2, minor)
    return None


def macos_floor(found: Iterable[Found], arch: Arch) -> Floor:
    """Return the newest macOS that any binary asks for (LC_BUILD_VERSION), as a tag can say it.

    From 11 on tags know whole versions only (`packaging.tags.mac_platforms`), so a need of 11.3 is one of 12.
    """
    best = Floor(version=_LOWEST_MAC[arch])
    for floor in macos_needs(found):
        if floor.version > best.version:
            best = floor
    return best


def macos_needs(found: Iterable[Found]) -> Iterator[Floor]:
    """Yield the oldest macOS for each binary that says which, as a tag can say it."""
    for one in found:
        needs = one.image.min_os if one.image is not None else None
        if needs is None:
            continue
        whole = (needs[0] + 1, 0) if needs[0] >= _BIG_SUR and needs[1] else needs
        yield Floor(version=whole, path=one.name, need=f"macOS {needs[0]}.{needs[1]}")
