"""From archives to the packages of an image: lists fetched and verified, remembered by their releases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

from crossdock.digest import Digest
from crossdock.errors import FetchError
from crossdock.net.debian.chosen import PackageSet, PinnedPackage
from crossdock.net.debian.closure import closure
from crossdock.net.debian.packages import PackageList, Universe, unpack_list
from crossdock.net.debian.release import fetch_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from crossdock.net.debian.chosen import Wanted
    from crossdock.net.debian.packages import Package
    from crossdock.net.debian.release import IndexFile, Release
    from crossdock.net.debian.sources import Archive
    from crossdock.net.fetch import Reporter
    from crossdock.net.http import Http
    from crossdock.store import Store

__all__ = ["PackageSet", "fetch_packages", "find_packages", "resolve"]

_FACT = "debian-packages"
#: The end of the code of a fetch that met no such file.
_GONE = "-404"
#: Raised when the same lists would come to other packages.
_FORMAT = 1


def resolve(
    wanted: Wanted,
    archives: Sequence[Archive],
    *,
    http: Http,
    store: Store,
    now: float,
    warn: Callable[[str], None],
) -> PackageSet:
    """Return the packages that the roots come to today.

    Each archive's release is fetched anew and verified; lists that the store has are not fetched, and what they
    came to before is not worked out again.
    """
    releases = _releases(archives, http, now)
    key = _key(wanted, releases, archives)
    known = store.get_fact(_FACT, key)
    if known is not None:
        try:
            return PackageSet.from_json(known)
        except FetchError:
            pass  # Of another form: worked out again.
    universe = Universe(_lists(releases, archives, wanted.architecture, http=http, store=store, warn=warn))
    groups = {
        group: [
            *roots,
            *(name for name in wanted.optional.get(group, ()) if universe.newest(name) is not None),
        ]
        for group, roots in wanted.groups.items()
    }
    chosen = closure(groups, universe, architecture=wanted.architecture, without=wanted.without)
    pinned = [_pinned(one, group) for group, packages in chosen.items() for one in packages]
    found = PackageSet(roots=wanted.roots, packages=tuple(sorted(pinned)))
    store.put_fact(_FACT, key, found.to_json())
    return found


def find_packages(
    names: Sequence[str],
    archives: Sequence[Archive],
    architecture: str,
    *,
    http: Http,
    store: Store,
    now: float,
    warn: Callable[[str], None],
) -> list[PinnedPackage]:
    """Return the newest packages of these names and nothing that they need, leaving out those that are not there.

    Releases are fetched and verified as for `resolve`.
    """
    releases = _releases(archives, http, now)
    universe = Universe(_lists(releases, archives, architecture, http=http, store=store, warn=warn))
    return [_pinned(one, "") for name in names if (one := universe.newest(name)) is not None]


def _pinned(package: Package, group: str) -> PinnedPackage:
    return PinnedPackage(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        sha256=package.sha256,
        size=package.size,
        filename=package.filename,
        suite=package.suite,
        group=group,
    )


def fetch_packages(
    packages: Sequence[PinnedPackage],
    archives: Sequence[Archive],
    *,
    http: Http | None,
    store: Store,
    reporter: Reporter | None = None,
) -> dict[str, Path]:
    """Return the `.deb` files by package, from the store or fetched; without `http` all must be in the store."""
    from crossdock.net.fetch import Download, fetch_all

    downloads = []
    for package in packages:
        mirror = next((one for one in archives if one.suite == package.suite), None)
        mirror = mirror or next(iter(archives), None)
        downloads.append(
            Download(
                url=mirror.url(package.filename) if mirror is not None else package.filename,
                digest=Digest("sha256", package.sha256),
                size=package.size,
                name=package.name,
            )
        )
    client = http if archives else None
    try:
        found = fetch_all(downloads, store=store, http=client, reporter=reporter)
        return {download.name: path for download, path in found}
    except FetchError as error:
        if not error.code.endswith(_GONE):
            raise
        raise FetchError(
            f"the archive has a package no longer: {error.message}",
            code="E-DEBIAN-GONE",
            places=error.places,
            hint="renew the base by `--update-base`, or name a mirror that keeps old packages by `--debian-mirror`",
        ) from error


def _releases(archives: Sequence[Archive], http: Http, now: float) -> list[Release]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda archive: fetch_release(archive, http, now=now), archives))


def _key(wanted: Wanted, releases: Sequence[Release], archives: Sequence[Archive]) -> str:
    parts: list[object] = [_FORMAT, wanted.key()]
    parts += [
        (str(release.digest), archive.suite, archive.components)
        for release, archive in zip(releases, archives, strict=True)
    ]
    return sha256(repr(parts).encode()).hexdigest()


def _lists(
    releases: Sequence[Release],
    archives: Sequence[Archive],
    architecture: str,
    *,
    http: Http,
    store: Store,
    warn: Callable[[str], None],
) -> Iterator[PackageList]:
    for number, (release, archive) in enumerate(zip(releases, archives, strict=True)):
        if number and architecture not in release.architectures:
            # An old suite's last years have fixes for some architectures only.
            warn(f"`{archive.suite}` has nothing for {architecture}: the base lacks its fixes")
            continue
        for component in archive.components:
            file = release.packages_file(component, architecture)
            content = unpack_list(_fetch_list(file, release, archive, http, store).read_bytes(), file.path)
            yield PackageList(content, suite=archive.suite, architecture=architecture)


def _fetch_list(file: IndexFile, release: Release, archive: Archive, http: Http, store: Store) -> Path:
    """By its hash a file stays what the release says while a mirror is being renewed; not all mirrors have it so."""
    folder, _slash, _name = file.path.rpartition("/")
    places = [f"{folder}/by-hash/SHA256/{file.digest.hex}"] if release.by_hash else []
    for place in (*places, file.path):
        try:
            return http.download(
                archive.url(f"dists/{archive.suite}/{place}"), digest=file.digest, size=file.size, store=store
            )
        except FetchError as error:
            if place == file.path:
                raise FetchError(
                    f"the mirror does not give the list of packages that `{archive.suite}` names: {error.message}",
                    code="E-DEBIAN-MIRROR",
                    hint="it is being renewed, or a proxy keeps an old copy: try later, or another mirror",
                ) from error
            if not error.code.endswith(_GONE):
                raise
    raise AssertionError(file.path)
