"""What keeps a wheel from an older system than it is for, file by file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.build.repair.job import Floor
from crossdock.build.repair.tags import glibc_floor, glibc_needs, macos_floor, macos_needs
from crossdock.inspect.facts import Format, split_version
from crossdock.inspect.policy import policy_for
from crossdock.target.model import Libc, LibcKind, Os

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crossdock.build.repair.survey import Contents, Survey
    from crossdock.build.retag.places import Place, Version

#: What a wheel for musl is taken to be for where nothing says more: no older Alpine is supported.
_MUSL = (1, 2)
#: Functions that musl has since 1.2, its WHATSNEW from 1.2.0 to 1.2.5: those with times of 64 bits on CPUs of 32
#: (1.2.0), and new ones (1.2.2, 1.2.3, 1.2.5). Its symbols have no versions that would tell.
_SINCE_MUSL_1_2 = re.compile(
    r"__\w*time64(?:_r)?|_Fork|gettid|reallocarray|tc[gs]etwinsize|qsort_r|pthread_getname_np"
    r"|preadv2|pwritev2|statx"
)


def floor_of(survey: Survey, place: Place) -> Floor | None:
    """Return the oldest system that a wheel's binaries for a place run on; None where it has no versions."""
    if place.os is Os.MACOS:
        return macos_floor(survey.native(), place.arch)
    if place.os is not Os.LINUX:
        return None
    return Floor(version=_MUSL) if place.libc is LibcKind.MUSL else glibc_floor(survey, place.arch)


def beyond(survey: Survey, contents: Contents, place: Place, version: Version | None) -> tuple[Floor, ...]:
    """Return what a wheel's binaries need that a system of `version` does not have: of each file the newest."""
    if version is None:
        return ()
    if place.os is Os.MACOS:
        needs: Iterable[Floor] = macos_needs(survey.native())
    elif place.libc is LibcKind.MUSL:
        needs = _musl_needs(survey, contents)
    else:
        needs = _glibc_needs(survey, place, version)
    worst: dict[str, Floor] = {}
    for need in needs:
        if need.version > version and (need.path not in worst or worst[need.path].version < need.version):
            worst[need.path] = need
    return tuple(worst[path] for path in sorted(worst))


def _glibc_needs(survey: Survey, place: Place, version: Version) -> Iterator[Floor]:
    """Leave out what the policy of exactly this glibc has besides: on aarch64 CentOS 7's 2.17 has a symbol of 2.18."""
    extra = policy_for(Libc(LibcKind.GLIBC, *version), place.arch).newest["GLIBC"]
    for one in survey.native():
        for need in glibc_needs(one, survey, place.arch):
            prefix, number = split_version(need.need)
            if prefix != "GLIBC" or number > extra:
                yield need


def _musl_needs(survey: Survey, contents: Contents) -> Iterator[Floor]:
    for one in survey.native():
        if one.file.binary.format is not Format.ELF:
            continue
        asked = contents.symbols(one.name).asked
        new = sorted(name for name in asked if _SINCE_MUSL_1_2.fullmatch(name))
        if new:
            yield Floor(version=_MUSL, path=one.name, need="musl 1.2", symbol=new[0])
