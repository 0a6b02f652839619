"""From a package of the index to the system libraries that it is built with."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.build.model import Sysroot, SystemPackage
from crossdock.build.sysroot.scripts import upstream
from crossdock.build.sysroot.table import needs_of, triplet_of
from crossdock.errors import FetchError, StoreError
from crossdock.target.model import LibcKind, Os
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.build.model import PackageSettings, World
    from crossdock.build.sysroot.releases import Chosen
    from crossdock.build.sysroot.table import Needs
    from crossdock.target.model import Target

_KIND = "sysroot"


def find_sysroot(name: str, target: Target, settings: PackageSettings, world: World) -> Sysroot | None:
    """Return the system libraries for a package, None where neither table nor settings name any.

    A directory that the settings or the command give comes before Debian's packages. Debian has them for Linux
    with glibc alone: for other targets None, with a warning if the package does not build without them. None with a
    warning, too, where a package does without them and they cannot be had, or ask for more than the target has. Raise
    `BuildError` (E-SYSROOT-*), `FetchError` (E-DEBIAN-* and those of downloads), `ArchiveError` for a broken package.
    """
    words = WORDS.get(target.arch)
    architecture = words.debian if words is not None else None
    given = Path(settings.sysroot) if settings.sysroot else world.sysroot
    if given is not None:
        from crossdock.build.sysroot.given import given_sysroot  # rare

        return given_sysroot(given, target, _triplet(target, architecture))
    needs = needs_of(name)
    libraries = sorted({*(needs.libraries if needs is not None else ()), *settings.libraries})
    if not libraries:
        return None
    if (
        target.os is not Os.LINUX
        or target.libc is None
        or target.libc.kind is not LibcKind.GLIBC
        or not architecture
    ):
        if needs is None or not needs.optional:
            world.warn(
                f"`{name}` needs {', '.join(libraries)}, which Debian does not have for {target.name or 'the target'}: give a directory "
                "with the target's libraries by `--sysroot` if it does not build"
            )
        return None
    if needs is None:
        return debian_sysroot(libraries, architecture, world, release=settings.release)
    if needs.optional:
        return _if_it_serves(
            name,
            needs,
            settings,
            glibc=(target.libc.major, target.libc.minor),
            architecture=architecture,
            world=world,
        )
    release = settings.release or needs.release(architecture)
    found = debian_sysroot(libraries, architecture, world, release=release)
    return replace(found, environment=_environment(needs.environment, found))


def _if_it_serves(
    name: str,
    needs: Needs,
    settings: PackageSettings,
    *,
    glibc: tuple[int, int],
    architecture: str,
    world: World,
) -> Sysroot | None:
    """Return libraries that a package does without, unless they would ask for more than the target has."""
    from crossdock.build.sysroot.releases import oldest_release

    own = sorted(set(settings.libraries))
    both = sorted({*needs.libraries, *own})
    try:
        found = debian_sysroot(
            both,
            architecture,
            world,
            release=settings.release or needs.release(architecture) or oldest_release(architecture),
        )
    except FetchError as error:
        if not error.code.startswith("E-DEBIAN-"):
            raise
        why = error.message
    else:
        if found.asks is None or found.asks <= glibc:
            return replace(found, environment=_environment(needs.environment, found))
        why = f"they ask for glibc {found.asks[0]}.{found.asks[1]}, the target has {glibc[0]}.{glibc[1]}"
    world.warn(f"`{name}` is built without Debian's {', '.join(needs.libraries)}: {why}")
    return debian_sysroot(own, architecture, world, release=settings.release) if own else None


def _environment(wanted: Mapping[str, str], sysroot: Sysroot) -> dict[str, str]:
    """Return the variables of the table with the sysroot's triplet and versions in them."""
    versions = {one.name: upstream(one.version) for one in sysroot.packages}
    return {
        name: re.sub(r"\{version:([^}]+)\}", lambda found: versions[found[1]], value).replace(
            "{triplet}", sysroot.triplet
        )
        for name, value in wanted.items()
    }


def debian_sysroot(
    libraries: Sequence[str], architecture: str, world: World, *, release: str | None = None
) -> Sysroot:
    """Return Debian's packages, and all that they need, unpacked in the store; see `find_sysroot`."""
    from crossdock.build.sysroot.releases import choose, refuse_fixes

    chosen = choose(libraries, architecture, world, release=release)
    while True:
        try:
            return _laid_out(libraries, chosen, world)
        except FetchError as error:
            if error.code != "E-DEBIAN-GONE":
                raise
            # What was remembered may be of this morning, and the archive have a newer package by now.
            if chosen.fresh and not refuse_fixes(chosen, libraries, world):
                raise
            chosen = choose(libraries, architecture, world, release=release, renew=True)


def _laid_out(libraries: Sequence[str], chosen: Chosen, world: World) -> Sysroot:
    from crossdock.build.sysroot.unpacked import FORMAT, prove, read_manifest, unpack

    pinned = chosen.packages.packages
    digest = hashlib.sha256(
        repr((FORMAT, [(one.name, one.version, one.architecture, one.sha256) for one in pinned])).encode()
    ).hexdigest()

    def make(directory: Path) -> None:
        from crossdock.net.debian.resolve import fetch_packages

        files = fetch_packages(pinned, chosen.archives, http=_http(world), store=world.store)
        unpack(pinned, files, chosen.architecture, directory)

    directory = world.store.tree(_KIND, digest, make, prove=prove)
    manifest = read_manifest(directory)
    if not manifest:
        world.store.drop_tree(_KIND, digest)
        directory = world.store.tree(_KIND, digest, make, prove=prove)
        manifest = read_manifest(directory)
    if not manifest:
        raise StoreError(
            f"`{directory}` changes while it is written",
            code="E-STORE-UNSTABLE",
            hint="is another program writing into the store? `crossdock cache verify` checks it",
        )
    return _sysroot(directory, libraries, chosen, digest, manifest)


def _sysroot(
    directory: Path, libraries: Sequence[str], chosen: Chosen, digest: str, manifest: dict[str, Any]
) -> Sysroot:
    packages = {
        one.name: SystemPackage(
            name=one.name,
            version=one.version,
            architecture=one.architecture,
            source=manifest["sources"].get(one.name, one.name),
        )
        for one in chosen.packages.packages
    }
    roots = ", ".join(str(packages[name].name + " " + packages[name].version) for name in libraries)
    return Sysroot(
        directory=directory,
        triplet=triplet_of(chosen.architecture),
        detail=f"Debian {chosen.suite.name} {chosen.architecture}: {roots}",
        digest=digest,
        floor=chosen.suite.glibc,
        packages=tuple(sorted(packages.values())),
        owners={path: packages[name] for path, name in manifest["owners"].items()},
        static=manifest["static"],
        lowered=tuple(manifest["lowered"]),
        asks=(manifest["asks"][0], manifest["asks"][1]),
    )


def _http(world: World) -> Any:
    """Return the client, None offline: what the store has is enough then, or the fetch says what is missing."""
    try:
        return world.http()
    except FetchError:
        return None


def _triplet(target: Target, architecture: str | None) -> str:
    return triplet_of(architecture) if architecture else f"{target.arch}-linux-gnu"
