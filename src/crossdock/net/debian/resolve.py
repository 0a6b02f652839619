"""From archives to the packages of an image: lists fetched and verified, remembered by their releases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, FetchError
from crossdock.net.debian.closure import closure
from crossdock.net.debian.packages import PackageList, Universe, unpack_list
from crossdock.net.debian.release import fetch_release
from crossdock.safepath import PathRules, parse_member_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crossdock.net.debian.packages import Package
    from crossdock.net.debian.release import IndexFile, Release
    from crossdock.net.debian.sources import Archive
    from crossdock.net.fetch import Reporter
    from crossdock.net.http import Http
    from crossdock.store import Store

_FACT = "debian-packages"
#: Raised when the same lists would come to other packages.
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PinnedPackage:
    """A package that was chosen: enough to have the same bytes again, from any mirror."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    filename: str
    #: The archive that had it.
    suite: str
    #: The group of roots that it was added for.
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """All packages of a base for one architecture, by name; `roots` are those that were asked for."""

    roots: tuple[str, ...]
    packages: tuple[PinnedPackage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "roots": list(self.roots),
            "packages": [
                {field: getattr(one, field) for field in PinnedPackage.__dataclass_fields__}
                for one in self.packages
            ],
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` gave; raise `FetchError` (E-DEBIAN-PINNED) for anything else."""
        try:
            packages = tuple(PinnedPackage(**one) for one in value["packages"])
            for one in packages:
                Digest("sha256", one.sha256)
                parse_member_path(one.filename, PathRules.POSIX)
                if not str(one.size).isdigit():
                    raise ValueError(one.name)  # noqa: TRY301  # one text for all
            return cls(roots=tuple(map(str, value["roots"])), packages=packages)
        except (LookupError, TypeError, ValueError, AttributeError, CrossdockError) as error:
            raise FetchError(
                "the pinned packages of the base cannot be read",
                code="E-DEBIAN-PINNED",
                hint="renew them by `--update-base`",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for: roots by group, each group seeing what those before it came to.

    `optional` roots, by group as well, are taken where the archives have them. `without`: see `closure`.
    """

    groups: Mapping[str, Sequence[str]]
    optional: Mapping[str, Sequence[str]]
    without: Mapping[str, frozenset[str]]
    architecture: str

    @property
    def roots(self) -> tuple[str, ...]:
        """All that must be there, by name."""
        return tuple(sorted({name for names in self.groups.values() for name in names}))

    def key(self) -> list[object]:
        """Return what the answer depends on, in an order of its own."""
        return [
            [(group, *names) for group, names in self.groups.items()],
            sorted((group, *names) for group, names in self.optional.items()),
            sorted((name, *sorted(names)) for name, names in self.without.items()),
            self.architecture,
        ]


def resolve(
    wanted: Wanted,
    archives: Sequence[Archive],
    *,
    http: Http,
    store: Store,
    now: float,
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
    universe = Universe(_lists(releases, archives, wanted.architecture, http, store))
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
    return {
        download.name: path
        for download, path in fetch_all(downloads, store=store, http=client, reporter=reporter)
    }


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
    releases: Sequence[Release], archives: Sequence[Archive], architecture: str, http: Http, store: Store
) -> Iterator[PackageList]:
    for release, archive in zip(releases, archives, strict=True):
        for component in archive.components:
            file = release.packages_file(component, architecture)
            path = http.download(
                archive.url(_place(file, release, archive.suite)),
                digest=file.digest,
                size=file.size,
                store=store,
            )
            yield PackageList(
                unpack_list(path.read_bytes(), file.path), suite=archive.suite, architecture=architecture
            )


def _place(file: IndexFile, release: Release, suite: str) -> str:
    """By its hash a file stays what the release says while a mirror is being renewed."""
    if release.by_hash:
        folder = file.path.rpartition("/")[0]
        return f"dists/{suite}/{folder}/by-hash/SHA256/{file.digest.hex}"
    return f"dists/{suite}/{file.path}"
