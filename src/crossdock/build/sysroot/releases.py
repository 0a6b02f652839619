"""Which suite serves a target, and what its libraries come to today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.build.sysroot.table import left_out, suites
from crossdock.errors import BuildError, FetchError
from crossdock.net.debian.chosen import PackageSet, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.build.model import World
    from crossdock.build.sysroot.table import Suite
    from crossdock.net.debian.sources import Archive

_FACT = "sysroot-packages"
_REFUSED = "sysroot-refused"
_FORMAT = 1
#: What libraries came to is believed for this many seconds: builds of one day share a sysroot, and the second run
#: of a command finds its wheels without a look at the mirror.
_FRESH = 86400
_GONE = "-404"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A suite and its packages for some libraries; `archives` are where they are fetched from."""

    suite: Suite
    architecture: str
    packages: PackageSet
    archives: Sequence[Archive]
    #: Resolved just now, not remembered.
    fresh: bool = True


def choose(
    libraries: Sequence[str],
    architecture: str,
    world: World,
    *,
    release: str | None = None,
    renew: bool = False,
) -> Chosen:
    """Return the packages of the oldest suite that has the libraries for an architecture, or of `release`.

    An old suite gives old symbol versions, and so a wheel that runs on more machines. What they came to within a
    day is taken as it was, offline however old it is; `renew` looks anew. Raise `BuildError` (E-SYSROOT-RELEASE)
    where no suite is known for it, `FetchError` where none could be used.
    """
    able = _able(architecture, release)
    key = repr(
        (
            _FORMAT,
            sorted(libraries),
            architecture,
            sorted(left_out()),
            [(one.name, world.archives(one.name)) for one in able],
        )
    )
    kept = _kept(key, world)
    if kept is not None and not renew and kept[0]:
        return _from_fact(kept[1], able, architecture, world)
    try:
        world.http()
    except FetchError:
        if kept is None:
            raise
        return _from_fact(kept[1], able, architecture, world)
    chosen = _first(able, libraries, architecture, world)
    world.store.put_fact(_FACT, key, [int(world.now), chosen.suite.name, chosen.packages.to_json()])
    return chosen


def oldest_release(architecture: str) -> str | None:
    """Return the oldest suite that has an architecture, None where none is known."""
    return next((one.name for one in suites() if architecture in one.architectures), None)


def newest_release(triplet: str) -> tuple[str, tuple[int, int]]:
    """Return the newest suite that has the architecture of a triplet, and its glibc; the triplet is one of the table's."""
    from crossdock.build.sysroot.table import triplet_of

    able = [one for one in suites() if any(triplet_of(name) == triplet for name in one.architectures)]
    return able[-1].name, able[-1].glibc


def _able(architecture: str, release: str | None) -> list[Suite]:
    able = [one for one in suites() if architecture in one.architectures and release in {None, one.name}]
    if not able:
        raise BuildError(
            f"no release of Debian with libraries for {architecture} is known"
            + (f" by the name `{release}`" if release else ""),
            code="E-SYSROOT-RELEASE",
            hint=f"known: {', '.join(one.name for one in suites())}; or give a directory by `--sysroot`",
        )
    return able


def _kept(key: str, world: World) -> tuple[bool, list[object]] | None:
    """Return what was found before, and whether that is fresh."""
    known = world.store.get_fact(_FACT, key)
    if not isinstance(known, list) or len(known) != 3:  # noqa: PLR2004 - as written by `choose`
        return None
    return 0 <= world.now - known[0] < _FRESH, known


def _from_fact(known: list[object], able: Sequence[Suite], architecture: str, world: World) -> Chosen:
    suite = next(one for one in able if one.name == known[1])
    return Chosen(
        suite=suite,
        architecture=architecture,
        packages=PackageSet.from_json(known[2]),
        archives=world.archives(suite.name),
        fresh=False,
    )


def _first(able: Sequence[Suite], libraries: Sequence[str], architecture: str, world: World) -> Chosen:
    for number, suite in enumerate(able):
        try:
            return _resolved(suite, libraries, architecture, world)
        except FetchError as error:
            if number + 1 == len(able) or not _is_of_the_suite(error):
                raise
            following = able[number + 1]
            world.warn(
                f"Debian's `{suite.name}` cannot give {', '.join(libraries)} for {architecture} ({error.message}): "
                f"taking `{following.name}`, whose libraries are built on glibc {_text(following.glibc)}"
            )
    raise AssertionError(architecture)


def _resolved(suite: Suite, libraries: Sequence[str], architecture: str, world: World) -> Chosen:
    archives = world.archives(suite.name)
    if not archives:
        raise FetchError(
            f"no archive is known that has Debian's `{suite.name}`",
            code="E-DEBIAN-ARCHIVE",
            hint="name one by `--debian-mirror URL`, or give a directory with the libraries by `--sysroot`",
        )
    refused = _refused_key(suite, architecture, archives)
    without = _refused(refused, world) | _refused(f"{refused} {sorted(libraries)}", world)
    last: FetchError | None = None
    for dropped in _droppable(archives, suite):
        used = [one for one in archives if one.suite not in dropped | without]
        try:
            packages = _resolve(used, libraries, architecture, world)
        except FetchError as error:
            if error.code != "E-DEBIAN-MIRROR":
                raise
            last = error
            continue
        if dropped:
            # Mirrors drop architectures of these archives that the release still names, or renew them in between.
            world.store.put_fact(_REFUSED, refused, [int(world.now), sorted(dropped)])
            world.warn(
                f"the mirror's lists of {', '.join(sorted(dropped))} for {architecture} are not what their release "
                "says: libraries are taken without these fixes"
            )
        return Chosen(suite=suite, architecture=architecture, packages=packages, archives=used)
    raise last or AssertionError(suite)


def refuse_fixes(chosen: Chosen, libraries: Sequence[str], world: World) -> bool:
    """Note that the archive of security fixes names packages that it does not have; False if none was used."""
    archives = world.archives(chosen.suite.name)
    fixes = {one.suite for one in chosen.archives if one.suite != chosen.suite.name}
    if not fixes:
        return False
    key = f"{_refused_key(chosen.suite, chosen.architecture, archives)} {sorted(libraries)}"
    world.store.put_fact(_REFUSED, key, [int(world.now), sorted(fixes)])
    world.warn(
        f"the mirror lacks packages that its lists of {', '.join(sorted(fixes))} name: "
        f"{', '.join(libraries)} are taken without these fixes"
    )
    return True


def _droppable(archives: Sequence[Archive], suite: Suite) -> list[set[str]]:
    """Return what to do without, one after another, where a list cannot be had: fixes, then updates, then both."""
    updates = {one.suite for one in archives if one.suite.endswith("-updates")}
    both = {one.suite for one in archives if one.suite != suite.name}
    found: list[set[str]] = []
    for one in (set(), both - updates, updates, both):
        if one not in found:
            found.append(one)
    return found


def _refused_key(suite: Suite, architecture: str, archives: Sequence[Archive]) -> str:
    return f"{suite.name} {architecture} {archives!r}"


def _refused(key: str, world: World) -> set[str]:
    """Return the archives that were no good within the last day."""
    last = world.store.get_fact(_REFUSED, key)
    if not isinstance(last, list) or not 0 <= world.now - last[0] < _FRESH:
        return set()
    return set(last[1])


def _resolve(
    archives: Sequence[Archive], libraries: Sequence[str], architecture: str, world: World
) -> PackageSet:
    from crossdock.net.debian.resolve import resolve  # it loads threads and signatures

    wanted = Wanted(
        groups={"libraries": sorted(libraries)},
        optional={},
        without={"*": left_out()},
        architecture=architecture,
    )
    return resolve(wanted, archives, http=world.http(), store=world.store, now=world.now, warn=world.warn)


def _is_of_the_suite(error: FetchError) -> bool:
    """Tell whether another suite may serve: not where the network or the disk is at fault."""
    return error.code.startswith("E-DEBIAN-") or error.code.endswith(_GONE)


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
