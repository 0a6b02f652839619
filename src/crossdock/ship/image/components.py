"""What an image is made of, as a bill of materials lists it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from crossdock.errors import CrossdockError
from crossdock.purl import debian_purl, image_purl, pypi_purl
from crossdock.ship.image.licences import Licence, licence_of
from crossdock.ship.image.model import LayerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossdock.digest import Digest
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.model import BaseImage, PlatformImage
    from crossdock.ship.image.records import WheelRecord

#: Metadata is input: what is longer is cut.
_LONGEST = 500
#: How a base made here is called.
_DEBIAN = "debian:"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REQUIRED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
#: RFC 3986 without user, query and fragment.
_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
)
_SEPARATORS = re.compile(r"[-_.]+")


class ComponentKind(StrEnum):
    """What a component is."""

    WHEEL = "wheel"
    DEBIAN = "debian"
    APPLICATION = "application"
    BASE = "base"
    #: Named by a wheel's own bill of materials.
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A package in an image.

    `key` names it within one document, for example `wheel-numpy`. `requires` are the keys of those that it
    needs, `parts` what is inside it. `url` has neither login nor query. `evidence` are (path, digest) of bills
    of materials that came with it, `notes` what else a reader should know.
    """

    key: str
    kind: ComponentKind
    name: str
    version: str = ""
    purl: str = ""
    digest: Digest | None = None
    filename: str = ""
    url: str = ""
    licence: Licence = field(default_factory=Licence)
    built_from: str = ""
    requires: tuple[str, ...] = ()
    parts: tuple[Component, ...] = ()
    evidence: tuple[tuple[str, Digest], ...] = ()
    notes: tuple[str, ...] = ()


class WheelOrigin(Protocol):
    """Where a wheel came from, as the lock has it (`pipeline.chosen.ChosenWheel`)."""

    @property
    def digest(self) -> Digest: ...  # noqa: D102
    @property
    def url(self) -> str | None: ...  # noqa: D102
    @property
    def direct_url(self) -> bytes | None: ...  # noqa: D102
    @property
    def built_from(self) -> str | None: ...  # noqa: D102


class Made(Protocol):
    """One platform's image and what it was made of (`pipeline.image.MadePlatform`)."""

    @property
    def image(self) -> PlatformImage: ...  # noqa: D102
    @property
    def wheels(self) -> Sequence[WheelOrigin]: ...  # noqa: D102
    @property
    def records(self) -> Sequence[WheelRecord]: ...  # noqa: D102
    @property
    def application(self) -> Application: ...  # noqa: D102


def components_of(made: Made, *, packages: Sequence[Component] = ()) -> tuple[Component, ...]:
    """Return all components of a platform's image by kind and name: base, its packages, wheels, application.

    `packages` are the base's where it was made here, see `debian_component`; without them they are taken from
    what its layers say, which is less: no hashes, and no architecture, since some are for all.
    """
    packages = packages or _packages_of(made.image.base)
    origins = {wheel.digest: wheel for wheel in made.wheels}
    names = {record.name for record in made.records}
    wheels = [
        wheel_component(record, origins.get(record.digest), present=names)
        for record in sorted(made.records, key=lambda one: one.name)
    ]
    base = base_component(made.image.base, packages)
    application = _application(made)
    return (
        *((base,) if base else ()),
        *sorted(packages, key=lambda one: one.key),
        *wheels,
        *((application,) if application else ()),
    )


def wheel_component(record: WheelRecord, origin: WheelOrigin | None, *, present: set[str]) -> Component:
    """Return a wheel as a component; `present` are the names that edges may lead to."""
    from crossdock.ship.image.embedded import embedded_components

    name, version = clean(record.name), clean(record.version)
    built_from = clean((origin.built_from if origin else None) or "")
    url = public_url((origin.url if origin else None) or "")
    direct = url if origin and origin.direct_url is not None and not built_from else ""
    key = f"wheel-{name}"
    inside = embedded_components(record.sboms, owner=name, prefix=key)
    return Component(
        key=key,
        kind=ComponentKind.WHEEL,
        name=name,
        version=version,
        # A wheel built here is not a file of the release: its name would lead nowhere.
        purl=pypi_purl(
            name,
            version,
            filename="" if built_from or direct else clean(record.filename),
            download_url=direct,
        ),
        digest=record.digest,
        filename=clean(record.filename),
        url="" if built_from else url,
        licence=_clean_licence(record.metadata),
        built_from=built_from,
        requires=tuple(f"wheel-{one}" for one in requirements_of(record.metadata) if one in present - {name}),
        parts=inside.components,
        evidence=inside.evidence,
        notes=inside.notes,
    )


def requirements_of(metadata: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the normalised names that Requires-Dist asks for without an extra, sorted.

    Other markers are not asked: whoever looks at names that are installed anyway errs only where one is there
    for another's sake.
    """
    found = set()
    for text in metadata.get("Requires-Dist", ()):
        name = _REQUIRED.match(text)
        if name and "extra" not in text.partition(";")[2]:
            found.add(_SEPARATORS.sub("-", name[1]).lower())
    return sorted(found)


def debian_component(
    name: str, version: str, architecture: str, *, suite: str, digest: Digest | None = None, source: str = ""
) -> Component:
    """Return a binary package of Debian in a base that was made here; `digest` is that of its `.deb`."""
    return Component(
        key=f"deb-{clean(name)}",
        kind=ComponentKind.DEBIAN,
        name=clean(name),
        version=clean(version),
        purl=debian_purl(clean(name), clean(version), architecture=architecture, distribution=suite),
        digest=digest,
        built_from=clean(source),
    )


def _packages_of(base: BaseImage) -> list[Component]:
    """Return the packages that the layers of a base made here tell of."""
    if not base.name.startswith(_DEBIAN):
        return []
    suite = base.name.removeprefix(_DEBIAN).partition("+")[0]
    found = {
        one.name: debian_component(one.name, one.version, "", suite=suite)
        for layer in base.layers
        for one in layer.slices
        if one.name and one.version
    }
    return list(found.values())


def base_component(base: BaseImage, packages: Sequence[Component] = ()) -> Component | None:
    """Return the image below, None if there is none."""
    if base.digest is None and not base.layers:
        return None
    name, repository, tag = _base_names(base.name)
    digest = base.digest
    return Component(
        key="base",
        kind=ComponentKind.BASE,
        name=name or "base",
        version=tag,
        purl=""
        if digest is None or not repository
        else image_purl(
            repository,
            digest,
            repository=repository,
            tag=tag,
            architecture=base.platform.architecture,
        ),
        digest=digest,
        requires=tuple(sorted(one.key for one in packages)),
    )


def _base_names(name: str) -> tuple[str, str, str]:
    """Return a base's name, its repository with the registry, and its tag; the last two empty if it has none."""
    from crossdock.net.registry.reference import ImageReference

    if not name or name.startswith(_DEBIAN):
        return clean(name), "", ""
    try:
        reference = ImageReference.parse(name)
    except CrossdockError:
        return clean(name), "", ""
    return clean(reference.name), clean(reference.place), clean(reference.tag or "")


def _application(made: Made) -> Component | None:
    application = made.application
    layers = [one for one in made.image.layers if one.kind is LayerKind.APPLICATION]
    if not application.entries or not layers:
        return None
    # No package URL: a project of one's own may be called like somebody's on an index.
    return Component(
        key="application",
        kind=ComponentKind.APPLICATION,
        name=clean(application.name or application.title) or "application",
        version=clean(application.version),
        notes=(f"layer {layers[-1].descriptor.digest}",),
    )


def clean(text: str) -> str:
    """Return a text of somebody's as one line that every reader takes: no control characters, not endless."""
    plain = _CONTROL.sub(" ", text[:_LONGEST]).encode("utf-8", "replace").decode("utf-8")
    return plain.strip()


def public_url(url: str) -> str:
    """Return a URL without login, query and fragment, which carry tokens; empty for what is on this disk."""
    from urllib.parse import quote

    from crossdock.net.url import without_login

    if not url.startswith(("https://", "http://")):
        return ""
    bare = clean(without_login(url).partition("#")[0].partition("?")[0])
    text = quote(bare, safe="/:@!$&'()*+,;=%-._~[]")
    return text if _URL.fullmatch(text) else ""


def _clean_licence(metadata: Mapping[str, Sequence[str]]) -> Licence:
    found = licence_of(metadata)
    return Licence(expression=found.expression, words=tuple(map(clean, found.words)))


def json_text(value: Any) -> str:
    """Return a value of somebody's JSON if it is a text, cleaned; else an empty one."""
    return clean(value) if isinstance(value, str) else ""
