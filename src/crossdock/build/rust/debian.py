"""Rust of Debian's packages: which there is for a host and a target, of one version, and how it is laid out.

Everything that the compiler needs comes along, the C library too, so that it runs where an older one is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.build.rust.table import debian_names, left_out, releases
from crossdock.errors import BuildError, FetchError
from crossdock.net.debian.chosen import PackageSet, PinnedPackage, Wanted
from crossdock.net.debian.versions import split_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crossdock.build.model import World
    from crossdock.build.rust.table import DebianRelease
    from crossdock.net.debian.sources import Archive

_FACT = "rust-packages"
#: Raised when the same archives would come to other packages.
_FORMAT = 1
#: What the archives have is believed for this many seconds: a compiler that changes in mid-day changes every key.
_FRESH = 86400
_NUMBER = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
#: A rebuild of the same source for one architecture alone (Debian policy, 5.6.12.2).
_REBUILD = re.compile(r"\+b\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianRust:
    """Packages of one version of Rust: all for the host, and the target's standard library (none if it is the host's).

    `archives` are where they are fetched from.
    """

    release: DebianRelease
    version: tuple[int, int, int]
    text: str
    host: tuple[PinnedPackage, ...]
    library: PinnedPackage | None
    archives: tuple[Archive, ...]

    @property
    def packages(self) -> tuple[PinnedPackage, ...]:
        """All of them."""
        return self.host if self.library is None else (*self.host, self.library)


def choose_debian(
    host: str, target: str | None, world: World, *, at_least: tuple[int, ...] = ()
) -> DebianRust:
    """Return Debian's Rust for a host and a target (Rust's names), of the first suite that has it and is new enough.

    `target` None: for the host alone. Raise `BuildError` (E-BUILD-RUST) with what each suite lacks.
    """
    missing: list[str] = []
    own = debian_names(host)
    wanted = own if target is None else debian_names(target)
    if own is None or wanted is None:
        raise BuildError(f"Debian has no Rust for {target or host}", code="E-BUILD-RUST")
    for release in releases():
        try:
            found = _of_release(release, own[0], wanted[0], world)
        except FetchError as error:
            missing.append(f"Debian {release.suite}: {error.message}")
            continue
        if isinstance(found, str):
            missing.append(f"Debian {release.suite}: {found}")
        elif found.version < (*at_least, 0, 0, 0)[:3]:
            missing.append(f"Debian {release.suite}: Rust {found.text}")
        else:
            return found
    raise BuildError(
        f"no Rust {'.'.join(map(str, at_least)) + ' or newer ' if at_least else ''}with the standard library of"
        f" {target or host} was found",
        code="E-BUILD-RUST",
        places=missing,
        hint=f"have it by rustup: `rustup target add {target or host}`; or name a mirror of Debian by `--debian-mirror`",
    )


def _of_release(release: DebianRelease, host: str, target: str, world: World) -> DebianRust | str:
    archives = tuple(world.archives(release.suite))
    if not archives:
        return "no archive of it is known"
    key = repr((_FORMAT, release, host, target, archives))
    known = world.store.get_fact(_FACT, key)
    if (
        isinstance(known, list)
        and len(known) == 3  # noqa: PLR2004 - as written below
        and (0 <= world.now - known[0] < _FRESH or not _online(world))
    ):
        compiler, library = PackageSet.from_json(known[1]), PackageSet.from_json(known[2])
        return _made(release, compiler, library, archives)
    compiler, library = _found(release, host, target, archives, world)
    world.store.put_fact(_FACT, key, [int(world.now), compiler.to_json(), library.to_json()])
    return _made(release, compiler, library, archives)


def _found(
    release: DebianRelease, host: str, target: str, archives: tuple[Archive, ...], world: World
) -> tuple[PackageSet, PackageSet]:
    """Return the compiler's packages and the target's library, with security fixes if both are of one version then.

    Mirrors of the security archive lack some architectures, and it has new compilers for some before the others.
    """
    plain = tuple(one for one in archives if not one.suite.endswith("-security"))
    for tried in dict.fromkeys((archives, plain)):
        try:
            compiler = _resolve([release.compiler, release.cargo], host, tried, world)
            library = compiler if host == target else _resolve([release.library], target, tried, world)
        except FetchError as error:
            if tried == plain or not error.code.startswith("E-DEBIAN-"):
                raise
            continue
        if tried == plain or isinstance(_made(release, compiler, library, tried), DebianRust):
            return compiler, library
    raise AssertionError(release.suite)


def _online(world: World) -> bool:
    try:
        world.http()
    except FetchError:
        return False
    return True


def _named(packages: PackageSet, name: str) -> PinnedPackage | None:
    return next((one for one in packages.packages if one.name == name), None)


def _resolve(
    roots: Sequence[str], architecture: str, archives: Sequence[Archive], world: World
) -> PackageSet:
    from crossdock.net.debian.resolve import resolve  # it loads threads and signatures

    wanted = Wanted(groups={"rust": roots}, optional={}, without={"*": left_out()}, architecture=architecture)
    return resolve(wanted, archives, http=world.http(), store=world.store, now=world.now, warn=world.warn)


def _made(
    release: DebianRelease, compiler: PackageSet, libraries: PackageSet, archives: tuple[Archive, ...]
) -> DebianRust | str:
    own, library = _named(compiler, release.library), _named(libraries, release.library)
    if own is None or library is None:
        return f"`{release.library}` is not among the packages"
    if source_version(own) != source_version(library):
        return f"the compiler is {own.version}, the library for {library.architecture} {library.version}"
    upstream = split_version(own.version)[1]
    number = _NUMBER.match(upstream)
    if number is None:
        return f"`{own.version}` is no version of Rust"
    return DebianRust(
        release=release,
        version=(int(number[1]), int(number[2]), int(number[3] or 0)),
        text=number[0],
        host=compiler.packages,
        library=None if own.architecture == library.architecture else library,
        archives=archives,
    )


def source_version(package: PinnedPackage) -> str:
    """Return the version of the source that a package was built of."""
    return _REBUILD.sub("", package.version)


def fetch(packages: Sequence[PinnedPackage], found: DebianRust, world: World) -> Iterator[tuple[str, Path]]:
    """Yield each package's name and file, fetched if the store has it not."""
    from crossdock.net.debian.resolve import fetch_packages

    try:
        http = world.http()
    except FetchError:
        http = None
    files = fetch_packages(packages, found.archives, http=http, store=world.store)
    for package in packages:
        yield package.name, files[package.name]
