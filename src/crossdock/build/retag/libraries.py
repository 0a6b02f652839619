"""Libraries taken into a wheel from a sysroot, with their licences; Linux only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.build.model import Sysroot
from crossdock.build.repair.bill import add_bill, add_licences
from crossdock.build.repair.graft import graft
from crossdock.build.repair.survey import Survey
from crossdock.build.retag.judge import MISSING, job_of
from crossdock.build.retag.rewriting import rewriting
from crossdock.build.sysroot.given import glibc_of
from crossdock.build.sysroot.table import triplet_of
from crossdock.errors import BuildError, RetagError
from crossdock.inspect.policy import system_package_of
from crossdock.target.model import LibcKind, Os
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.build.repair.job import Grafted
    from crossdock.build.repair.survey import Contents
    from crossdock.build.retag.judge import Judged
    from crossdock.build.retag.places import Place, Version
    from crossdock.inspect.finding import Finding


def directory_of_libraries(directory: Path, place: Place) -> Sysroot:
    """Return a directory laid out as the place's root; of what is in it only libraries are looked at.

    Raise `BuildError` (E-SYSROOT-DIRECTORY) if it is none.
    """
    if not directory.is_dir():
        raise BuildError(
            "the directory of system libraries is not there",
            code="E-SYSROOT-DIRECTORY",
            places=[str(directory)],
            hint="give the root of a tree laid out as on the target",
        )
    words = WORDS.get(place.arch)
    triplet = triplet_of(words.debian) if words is not None and words.debian else f"{place.arch}-linux-gnu"
    return Sysroot(
        directory=directory.absolute(),
        triplet=triplet,
        detail="a directory given",
        digest="",
        floor=glibc_of(directory, triplet),
    )


def debian_libraries(packages: Sequence[str], place: Place, world: World, release: str | None) -> Sysroot:
    """Return Debian's packages for a place; raise what `sysroot.found.debian_sysroot` raises, or E-RETAG-LIBRARY."""
    from crossdock.build.sysroot.found import debian_sysroot

    words = WORDS.get(place.arch)
    if place.libc is not LibcKind.GLIBC or words is None or not words.debian:
        raise RetagError(
            f"Debian has no libraries for {place}",
            code="E-RETAG-LIBRARY",
            hint="give a directory with them by `--sysroot DIR`",
        )
    return debian_sysroot(sorted(set(packages)), words.debian, world, release=release)


def take_in(
    contents: Contents, judged: Judged, version: Version | None, sysroot: Sysroot
) -> tuple[Grafted, ...]:
    """Graft what the wheel's binaries for a place need and no system of `version` promises; return what that was.

    Raise `RetagError` (E-RETAG-LIBRARY) for libraries that the sysroot does not have either, or not in the version that
    the wheel was linked to.
    """
    place = judged.place
    job = job_of(contents, place, version, judged.python, sysroot)
    survey = Survey(contents, job)
    try:
        with rewriting(job.what):
            grafted = graft(survey, contents, job)
    except BuildError as error:
        if error.code != "E-BUILD-LIBRARY":
            raise
        raise RetagError(
            f"`{job.what}` needs libraries that are not promised on {place}, and are not in {sysroot.detail}",
            code="E-RETAG-LIBRARY",
            places=error.places,
            hint="name the packages that have them by `--library PACKAGE`, or a directory by `--sysroot`",
        ) from error
    _prove_versions(Survey(contents, job), grafted, sysroot)
    add_licences(contents, grafted, job)
    add_bill(contents, grafted, job)
    return grafted


def _prove_versions(survey: Survey, grafted: Iterable[Grafted], sysroot: Sysroot) -> None:
    """Refuse a library that has not the symbol versions that the wheel was linked with (ld.so(8), DT_VERNEED)."""
    defines = {one.name: one.image.defines for one in survey.native() if one.image is not None}
    own = {one.path.rpartition("/")[2]: (one.soname, defines.get(one.path, ())) for one in grafted}
    wrong = []
    for one in survey.native():
        for need in one.image.versions if one.image is not None else ():
            soname, has = own.get(need.library, ("", ()))
            if has and need.version not in has:
                symbol = f" ({need.symbol})" if need.symbol else ""
                wrong.append(f"{one.name} needs {need.version}{symbol} of {soname}")
    if wrong:
        raise RetagError(
            f"the libraries of {sysroot.detail} are older than those that the wheel was linked with",
            code="E-RETAG-LIBRARY",
            places=wrong,
            hint="take them from where the wheel was built: `--sysroot DIRECTORY`, or `--release SUITE` of Debian",
        )


def missing(what: str, judged: Judged) -> RetagError:
    """Return the refusal for libraries that are nowhere (E-RETAG-LIBRARY)."""
    lacking = [one for one in judged.errors if one.code == MISSING]
    return RetagError(
        f"`{what}` needs libraries that are neither in it nor promised on {judged.place}",
        code="E-RETAG-LIBRARY",
        places=[_with_package(one, judged.place) for one in lacking],
        hint=_way_out(lacking, judged.place),
    )


def _with_package(one: Finding, place: Place) -> str:
    package = system_package_of("debian", one.library) if place.os is Os.LINUX else None
    return f"{one} (Debian's {package})" if package else str(one)


def _way_out(lacking: Iterable[Finding], place: Place) -> str:
    if place.os is not Os.LINUX:
        tool = "delocate" if place.os is Os.MACOS else "delvewheel"
        return (
            f"libraries are taken in for Linux only: {tool} does it for {place}, on the machine that has them"
        )
    packages = sorted({name for one in lacking if (name := system_package_of("debian", one.library))})
    library = " ".join(f"--library {name}" for name in packages) or "--library PACKAGE"
    return f"`{library}` takes Debian's into the wheel, `--sysroot DIR` those of a directory (`/`: this machine's)"
