"""The image below ours, made of a suite's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.errors import ImageError, UsageError
from crossdock.oci import media
from crossdock.oci.model import Descriptor, Manifest, canonical_json
from crossdock.ship.image.debian.suites import (
    known_suites,
    optional_of,
    roots_of,
    scripts_only,
    suite_and_packages,
)
from crossdock.ship.image.model import BaseImage
from crossdock.target.model import LibcKind
from crossdock.target.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossdock.net.debian.chosen import PackageSet, Wanted
    from crossdock.net.debian.sources import Archive
    from crossdock.net.http import Http
    from crossdock.oci.model import Platform
    from crossdock.ship.image.model import Layer
    from crossdock.store import Store
    from crossdock.target.model import Target

_ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
_CREATED = "1980-01-01T00:00:00Z"
_FURTHER = "packages"


def debian_base(
    spec: str,
    target: Target,
    platform: Platform,
    *,
    archives: Sequence[Archive],
    http: Http | None,
    store: Store,
    now: float,
    pinned: PackageSet | None,
    warn: Callable[[str], None],
) -> tuple[BaseImage, PackageSet]:
    """Return the base that `debian:SUITE[+PACKAGE]...` names, and the packages it was made of.

    `archives` are those of apt's settings; of them the suite's, its updates' and its security fixes' are used.
    `pinned` packages are taken as they are, without a look at any list, if they are of the same roots. Without
    `http` everything must be in the store. `now` is in seconds since 1970. Raise `UsageError` (E-IMAGE-BASE),
    `ImageError`, `FetchError`, `ArchiveError` for a broken package.
    """
    suite, further = suite_and_packages(spec) or (spec.removeprefix("debian:"), [])
    wanted = _wanted(suite, further, target)
    used = _archives_of(suite, archives, warn)
    packages = pinned if pinned is not None and pinned.roots == wanted.roots else None
    if packages is not None:
        _check_pinned(packages, wanted)
    if packages is None:
        packages = _resolved(spec, wanted, used, http=http, store=store, now=now, warn=warn)
    layers = _layers(spec, packages, wanted, used, http=http, store=store)
    config = _config(platform, layers, suite)
    manifest = Manifest(
        config=Descriptor.of(canonical_json(config), media.CONFIG),
        layers=tuple(layer.descriptor for layer in layers),
    )
    base = BaseImage(
        name=spec,
        digest=Digest.of(manifest.to_bytes()),
        platform=platform,
        config=config,
        layers=tuple(layers),
    )
    return base, packages


def _wanted(suite: str, further: Sequence[str], target: Target) -> Wanted:
    from crossdock.net.debian.chosen import Wanted

    if suite not in known_suites():
        raise UsageError(
            f"no suite of Debian's that is known here: `{suite}`",
            code="E-IMAGE-BASE",
            hint=f"there are {', '.join(known_suites())}; others come from a registry",
        )
    architecture = WORDS[target.arch].debian if target.arch in WORDS else None
    if target.libc is None or target.libc.kind is not LibcKind.GLIBC or architecture is None:
        raise UsageError(
            f"Debian has no packages for {target}",
            code="E-IMAGE-BASE",
            hint="name an image of a registry by `--base`",
        )
    groups: dict[str, Sequence[str]] = dict(roots_of(suite))
    known = {name for names in groups.values() for name in names}
    groups[_FURTHER] = sorted(set(further) - known)
    return Wanted(
        groups=groups,
        optional={"python": optional_of(suite)},
        without=scripts_only(),
        architecture=architecture,
    )


def _check_pinned(pinned: PackageSet, wanted: Wanted) -> None:
    """Refuse pins that would leave packages out, or bring another architecture's."""
    for one in pinned.packages:
        if one.group not in wanted.groups or one.architecture not in {wanted.architecture, "all"}:
            raise UsageError(
                f"the pinned package `{one.name}` ({one.architecture}, {one.group}) does not belong to the base",
                code="E-DEBIAN-PINNED",
                hint="renew the pins by `--update-base`",
            )


def _archives_of(suite: str, archives: Sequence[Archive], warn: Callable[[str], None]) -> list[Archive]:
    from crossdock.net.debian.sources import archives_for

    used = archives_for(suite, archives)
    if used and not any(archive.suite == f"{suite}-security" for archive in used):
        warn(f"no archive of `{suite}-security` is known: the base lacks security fixes")
    return used


def _resolved(
    spec: str,
    wanted: Wanted,
    archives: Sequence[Archive],
    *,
    http: Http | None,
    store: Store,
    now: float,
    warn: Callable[[str], None],
) -> PackageSet:
    from crossdock.net.debian.resolve import resolve

    suite = spec.removeprefix("debian:").partition("+")[0]
    if http is None:
        raise ImageError(
            f"offline, and the packages of `{spec}` are not pinned",
            code="E-IMAGE-BASE-OFFLINE",
            hint="keep them in a file by `--base-lock`, and run once without `--offline`",
        )
    if not any(archive.suite == suite for archive in archives):
        raise UsageError(
            f"no archive is known that has Debian's `{suite}`",
            code="E-DEBIAN-ARCHIVE",
            hint="name one by `--debian-mirror URL`",
        )
    return resolve(wanted, archives, http=http, store=store, now=now, warn=warn)


def _layers(
    spec: str,
    packages: PackageSet,
    wanted: Wanted,
    archives: Sequence[Archive],
    *,
    http: Http | None,
    store: Store,
) -> list[Layer]:
    from crossdock.ship.image.debian.layers import BaseLayers

    def fetch() -> Mapping[str, Path]:
        from crossdock.net.debian.resolve import fetch_packages

        return fetch_packages(packages.packages, archives, http=http, store=store)

    title = spec.partition("+")[0].replace(":", " ")
    return BaseLayers(packages.packages, list(wanted.groups), fetch).make(store, title)


def _config(platform: Platform, layers: Sequence[Layer], suite: str) -> dict[str, Any]:
    return {
        **platform.to_json(),
        "created": _CREATED,
        "config": {"Env": list(_ENV)},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
        "history": [
            {"created": _CREATED, "created_by": "crossdock", "comment": f"debian {suite}: {layer.title}"}
            for layer in layers
        ],
    }
