"""What an image consists of, as every bill of materials tells it: packages, their licences, who needs whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from crossdock.ship.image.embedded import NOTHING, Embedded, embedded_parts
from crossdock.ship.image.licences import UNKNOWN, Licence, licence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.requirements import Requirement

    from crossdock.digest import Digest
    from crossdock.ship.image.model import PlatformImage
    from crossdock.ship.image.records import WheelRecord
    from crossdock.target.model import Target

#: A name above this length is a list of authors.
_LONGEST_SUPPLIER = 60


class WheelFact(Protocol):
    """Where a wheel came from: `url` without a login, `built_from` the source distribution it was built from."""

    @property
    def digest(self) -> Digest: ...  # noqa: D102
    @property
    def filename(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str | None: ...  # noqa: D102
    @property
    def built_from(self) -> str | None: ...  # noqa: D102


class NamedApplication(Protocol):
    """The user's own code; `name` and `version` are empty where it has none."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102


class MadeImage(Protocol):
    """One platform's image and what it was made of (`pipeline.image.MadePlatform`)."""

    @property
    def image(self) -> PlatformImage: ...  # noqa: D102
    @property
    def wheels(self) -> Sequence[WheelFact]: ...  # noqa: D102
    @property
    def records(self) -> Sequence[WheelRecord]: ...  # noqa: D102
    @property
    def application(self) -> NamedApplication: ...  # noqa: D102


class DebianPackage(Protocol):
    """A package of a base that was assembled here."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def architecture(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package. `ref` is its name within the document, unique; `requires` are the refs of what it needs, sorted."""

    ref: str
    name: str
    version: str
    purl: str = ""
    digest: Digest | None = None
    filename: str = ""
    supplier: str = ""
    licence: Licence = UNKNOWN
    built_from: str = ""
    embedded: Embedded = NOTHING
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """All of one platform's image.

    `subject` is the image, `application` the user's code (None if there is none), `base` the image below (None
    for `scratch`), `system` the base's packages where it was made here. `tops` are the refs of packages that no
    other one needs: from them all are reached.
    """

    subject: Component
    architecture: str
    application: Component | None
    base: Component | None
    system: tuple[Component, ...]
    packages: tuple[Component, ...]
    tops: tuple[str, ...]


def materials(
    made: MadeImage, *, system: Sequence[DebianPackage] = (), distribution: str = "debian"
) -> Materials:
    """Return what an image consists of, in an order that only its content decides.

    The image is called by its application, not by a digest: the document refers to it as an artifact, and
    need not change when only the application does. `distribution` is purl's `distro`, such as `debian-12`.
    """
    image, application = made.image, made.application
    packages = _packages(made.records, made.wheels, image.target)
    base = image.base
    name = application.name or application.title or "app"
    own = Component(ref="application", name=name, version=application.version)
    return Materials(
        subject=Component(ref="image", name=f"{name} for {image.platform}", version=application.version),
        architecture=str(image.platform),
        application=own if application.name or application.title else None,
        base=_base(base.name, base.digest, image.platform.architecture) if base.layers else None,
        system=tuple(sorted((_system(one, distribution) for one in system), key=lambda one: one.ref)),
        packages=packages,
        tops=_tops(packages),
    )


def image_purl(name: str, digest: Digest, architecture: str = "") -> str:
    """Return the purl of an image (purl specification, type `oci`): its last name, its digest, where it is."""
    place, _slash, last = name.rpartition("/")
    short, colon, tag = last.partition(":")
    qualifiers = {"arch": architecture, "repository_url": f"{place}/{short}".lstrip("/")}
    if colon:
        qualifiers["tag"] = tag
    return _purl("oci", short.lower(), str(digest), qualifiers)


def wheel_purl(name: str, version: str, filename: str = "") -> str:
    """Return the purl of a wheel (purl specification, type `pypi`); `name` is normalized."""
    return _purl("pypi", name, version, {"file_name": filename})


def _purl(kind: str, path: str, version: str, qualifiers: Mapping[str, str]) -> str:
    words = "&".join(f"{key}={quote(value, safe='/:')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{quote(path, safe='/')}@{quote(version, safe='')}" + (f"?{words}" if words else "")


def _base(name: str, digest: Digest | None, architecture: str) -> Component:
    return Component(
        ref="base",
        name=name or "base",
        version="" if digest is None else str(digest),
        purl=image_purl(name, digest, architecture) if name and digest is not None else "",
        digest=digest,
    )


def _system(package: DebianPackage, distribution: str) -> Component:
    qualifiers = {"arch": package.architecture, "distro": distribution}
    return Component(
        ref=f"deb/{package.name}/{package.architecture}",
        name=package.name,
        version=package.version,
        purl=_purl("deb", f"debian/{package.name}", package.version, qualifiers),
    )


def _packages(
    records: Iterable[WheelRecord], wheels: Iterable[WheelFact], target: Target
) -> tuple[Component, ...]:
    facts = {wheel.digest: wheel for wheel in wheels}
    ordered = sorted(records, key=lambda record: (record.name, record.version, record.filename))
    edges = _edges(ordered, target)
    return tuple(
        _package(
            record, facts.get(record.digest), edges[record.name], wheel_purl(record.name, record.version)
        )
        for record in ordered
    )


def _package(record: WheelRecord, fact: WheelFact | None, requires: tuple[str, ...], purl: str) -> Component:
    return Component(
        ref=_ref(record.name),
        name=record.name,
        version=record.version,
        purl=purl,
        digest=record.digest,
        filename=record.filename,
        supplier=_supplier(record.metadata),
        licence=licence_of(record.metadata),
        built_from=(fact.built_from if fact is not None else None) or "",
        embedded=embedded_parts(record.sboms, purl),
        requires=requires,
    )


def _ref(name: str) -> str:
    # A package may be called `image` or `base`.
    return f"py/{name}"


def _supplier(metadata: Mapping[str, tuple[str, ...]]) -> str:
    """Return who made a package, without addresses; empty if it is not said, or by too many."""
    from email.utils import getaddresses

    for field in ("Author", "Author-Email", "Maintainer", "Maintainer-Email"):
        values = [" ".join(text.split()) for text in metadata.get(field, ())]
        if field.endswith("Email"):
            values = [name for name, _address in getaddresses(values) if name]
        told = ", ".join(value for value in values if value)
        if told and "@" not in told and len(told) <= _LONGEST_SUPPLIER and told.isprintable():
            return told
    return ""


def _edges(records: Iterable[WheelRecord], target: Target) -> dict[str, tuple[str, ...]]:
    """Return, by name, the refs of those packages of the image that each one requires there.

    An extra counts where another package of the image asks for it; what the application asks for is not
    known. Where a marker is open for the target, the edge is drawn: the package is there.
    """
    wanted = {record.name: _requirements(record) for record in records}
    extras: dict[str, set[str]] = {name: set() for name in wanted}
    edges: dict[str, set[str]] = {name: set() for name in wanted}
    changed = True
    while changed:
        changed = False
        for name, requirements in wanted.items():
            for other, requirement in requirements:
                if other not in wanted or not _holds(requirement, target, extras[name]):
                    continue
                edges[name].add(_ref(other))
                if not requirement.extras <= extras[other]:
                    extras[other] |= requirement.extras
                    changed = True
    return {name: tuple(sorted(found - {_ref(name)})) for name, found in edges.items()}


def _requirements(record: WheelRecord) -> list[tuple[str, Requirement]]:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found = []
    for text in record.metadata.get("Requires-Dist", ()):
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError):
            continue
        requirement.extras = {str(canonicalize_name(extra)) for extra in requirement.extras}
        found.append((str(canonicalize_name(requirement.name)), requirement))
    return found


def _holds(requirement: Requirement, target: Target, extras: Iterable[str]) -> bool:
    from crossdock.errors import TargetError
    from crossdock.target.markers import evaluate

    marker = requirement.marker
    if marker is None:
        return True
    try:
        return any(
            evaluate(marker, target, extra=extra).truth is not False for extra in ("", *sorted(extras))
        )
    except TargetError:
        return False


def _tops(packages: Sequence[Component]) -> tuple[str, ...]:
    """Return refs from which every package is reached: those nobody needs, and one of each ring."""
    needed = {ref for package in packages for ref in package.requires}
    tops = [package.ref for package in packages if package.ref not in needed]
    by_ref = {package.ref: package for package in packages}
    reached: set[str] = set()

    def reach(start: str) -> None:
        waiting = [start]
        while waiting:
            ref = waiting.pop()
            if ref not in reached:
                reached.add(ref)
                waiting += by_ref[ref].requires

    for ref in tops:
        reach(ref)
    for package in packages:
        if package.ref not in reached:
            tops.append(package.ref)
            reach(package.ref)
    return tuple(sorted(tops))


def quoted_path(path: str) -> str:
    """Return a path within the image as a relative reference (RFC 3986)."""
    return quote(path, safe="/")


def as_jsonable(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value` without what is empty."""
    return {name: item for name, item in value.items() if item not in ("", None, [], {}, ())}
