"""The proof that a wheel is no newer than the target, and the words for one that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.sysroot.table import suites
from crossdock.errors import BuildError
from crossdock.target.model import LibcKind
from crossdock.target.tags import platform_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossdock.build.repair.job import Floor, Grafted, RepairJob


def prove_floor(platform: str, floor: Floor | None, grafted: Sequence[Grafted], job: RepairJob) -> None:
    """Refuse a wheel that needs a newer system than the target has (E-BUILD-FLOOR)."""
    if platform in platform_tags(job.target):
        return
    target = job.target
    has = target.libc or (f"{target.os} " + ".".join(map(str, target.os_version or ())))
    raise BuildError(
        f"`{job.what}` was built, and needs a newer system than the target: it is for `{platform}`,"
        f" the target has {has}",
        code="E-BUILD-FLOOR",
        places=list(_reasons(floor, grafted, job)),
        hint=_way_out(platform, floor, grafted, job),
    )


def _reasons(floor: Floor | None, grafted: Sequence[Grafted], job: RepairJob) -> Iterator[str]:
    if floor is None or not floor.path:
        return
    yield str(floor)
    one = _graft_of(floor, grafted)
    if one is not None and job.sysroot is not None:
        whose = f"{one.package.name} {one.package.version}" if one.package else one.source
        built = f", built on glibc {_text(job.sysroot.floor)}" if job.sysroot.floor else ""
        yield f"that is {one.soname} of {whose} ({job.sysroot.detail}{built})"


def _way_out(platform: str, floor: Floor | None, grafted: Sequence[Grafted], job: RepairJob) -> str:
    newer = f"build for a newer target: `--for {platform}`"
    libc = job.target.libc
    if floor is None or libc is None or libc.kind is LibcKind.MUSL:
        return newer
    if _graft_of(floor, grafted) is None or job.sysroot is None:
        return f"{newer}; the compiler was asked for an older glibc, so the need is the source's own"
    older = [suite.name for suite in suites() if suite.glibc < (job.sysroot.floor or (0, 0))]
    ways = [f'`release = "{older[-1]}"`'] if older else []
    ways.append("`sysroot = DIRECTORY` with libraries built on an older one")
    return f"{newer}; or in `[tool.crossdock.build.{job.name}]` {' or '.join(ways)}"


def _graft_of(floor: Floor, grafted: Sequence[Grafted]) -> Grafted | None:
    return next((one for one in grafted if one.path == floor.path), None)


def _text(version: tuple[int, int] | None) -> str:
    return ".".join(map(str, version or ()))
