"""Which suite serves a target, and what libraries come to there today."""

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
        (_FORMAT, sorted(libraries), architecture, [(one.name, world.archives(one.name)) for one in able])
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
    plain = [one for one in archives if not _has_fixes(one)]
    refused = _refused_key(suite, architecture, archives)
    if _is_refused(refused, world) or _is_refused(f"{refused} {sorted(libraries)}", world):
        archives = plain
    try:
        packages = _resolve(archives, libraries, architecture, world)
    except FetchError as error:
        if error.code != "E-DEBIAN-MIRROR" or len(plain) == len(archives):
            raise
        # Mirrors of the security archive drop architectures that its release still names.
        archives = plain
        packages = _resolve(archives, libraries, architecture, world)
        world.store.put_fact(_REFUSED, refused, int(world.now))
        world.warn(
            f"the mirror's list of security fixes of `{suite.name}` for {architecture} is not what its release "
            "says: libraries of this release are taken without them"
        )
    return Chosen(suite=suite, architecture=architecture, packages=packages, archives=archives)


def refuse_fixes(chosen: Chosen, libraries: Sequence[str], world: World) -> bool:
    """Note that the archive of security fixes names packages that it does not have; False if none was used."""
    archives = world.archives(chosen.suite.name)
    key = f"{_refused_key(chosen.suite, chosen.architecture, archives)} {sorted(libraries)}"
    if not any(map(_has_fixes, archives)) or _is_refused(key, world):
        return False
    world.store.put_fact(_REFUSED, key, int(world.now))
    world.warn(
        f"the mirror lacks packages that its list of security fixes of `{chosen.suite.name}` names: "
        f"{', '.join(libraries)} are taken without them"
    )
    return True


def _has_fixes(archive: Archive) -> bool:
    return archive.suite.endswith("-security")


def _refused_key(suite: Suite, architecture: str, archives: Sequence[Archive]) -> str:
    return f"{suite.name} {architecture} {archives!r}"


def _is_refused(key: str, world: World) -> bool:
    last = world.store.get_fact(_REFUSED, key)
    return isinstance(last, int) and 0 <= world.now - last < _FRESH


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
