"""A lock and a project -> one image for several platforms, proven before anything of it leaves this machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.oci.model import canonical_json
from crossdock.pipeline.chosen import chosen_wheels
from crossdock.pipeline.fitting import (
    check_place_of_python,
    check_prefix,
    check_start,
    check_user,
    refuse_hiding,
    refuse_links_below,
)
from crossdock.pipeline.layers import find_layers, make_layers, plan_layers
from crossdock.ship.image.config import image_config, platform_of
from crossdock.ship.image.entries import refuse_below_links
from crossdock.ship.image.kept_layers import find_layer
from crossdock.ship.image.manifest import image_index, platform_image, single_image, standard_annotations
from crossdock.ship.image.model import LayerKind
from crossdock.ship.image.own_layers import entries_layer, entries_name
from crossdock.ship.image.records import base_blob, records_attachment, records_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from crossdock.build.metadata import ProjectMetadata
    from crossdock.contents.base import BaseFacts
    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import LockedPackage
    from crossdock.oci.blob import Blob
    from crossdock.oci.model import Platform
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.hands import Means
    from crossdock.pipeline.layers import PlannedLayer
    from crossdock.pipeline.locked import Locked
    from crossdock.ship.bytecode import Interpreter
    from crossdock.ship.entries import Entry
    from crossdock.ship.image.application import Application
    from crossdock.ship.image.kept_layers import LayerName, RecordedLayer
    from crossdock.ship.image.layouts import ImageLayout
    from crossdock.ship.image.model import Attachment, BaseImage, Image, Layer, PlatformImage
    from crossdock.ship.image.options import ImageOptions
    from crossdock.ship.image.records import WheelRecord
    from crossdock.target.model import Python, Target

#: 1980-01-01 UTC: what every file in our layers is dated with.
_EARLIEST = 315_532_800

#: Raised when the audit's rules for images change within a version.
_AUDIT_FORM = 3


class PreviousLayers(Protocol):
    """What the previous image has, by the keys of its layers."""

    def recorded(self, keys: Collection[str]) -> Mapping[str, RecordedLayer]:
        """Return those of the layers of wheels that it has with their records."""
        ...

    def layer(self, key: str) -> Layer | None:
        """Return any layer of ours, None if it has no such layer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What image is wanted: everything that decides its bytes beside the lock.

    `layout` says where things lie; `application` gives the user's own code for a target, lying so; packages that `leave_out` knows are the application
    itself. `created` is in seconds since 1970 where the user gives a time. `attach` makes what is attached to a
    platform's image. `warnings` of findings are the caller's to show.
    """

    options: ImageOptions
    layout: ImageLayout
    application: Callable[[Target], Application]
    metadata: ProjectMetadata
    leave_out: Callable[[LockedPackage], bool]
    added: tuple[Entry, ...] = ()
    revision: str = ""
    created: int | None = None
    #: A single manifest for the only platform, without an index over it and with nothing attached to it.
    single: bool = False
    attach: Callable[[MadePlatform], Sequence[Attachment]] = field(default=lambda _made: ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMeans:
    """What the pipeline works with beside `Means`: bases, the previous image, Pythons that compile modules."""

    means: Means
    open_base: Callable[[Target, Platform], BaseImage]
    base_facts: Callable[[BaseImage], BaseFacts]
    previous: PreviousLayers
    compiler: Callable[[Python], Interpreter]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePlatform:
    """One platform's image and what it was made of; `notes` are for the user."""

    image: PlatformImage
    wheels: tuple[ChosenWheel, ...]
    records: tuple[WheelRecord, ...]
    application: Application
    findings: tuple[Finding, ...]
    facts: BaseFacts
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeImage:
    """The image over all platforms, and each platform's own."""

    image: Image
    platforms: tuple[MadePlatform, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPlatform:
    """What one platform's image will be made of, known before a wheel is fetched."""

    target: Target
    platform: Platform
    base: BaseImage
    wheels: tuple[ChosenWheel, ...]
    layers: tuple[PlannedLayer, ...]
    notes: tuple[str, ...]


def plan_image(locked: Locked, request: ImageRequest, means: ImageMeans) -> list[PlannedPlatform]:
    """Return what each platform's image consists of; of wheels only those are fetched whose size no lock tells.

    Raises `LockError` for a package without a fitting file, and what opening a base raises.
    """
    planned = []
    # A target that images do not run on is told before its packages are looked at.
    platforms = [platform_of(target) for target in locked.targets]
    chosen = chosen_wheels(locked, means.means, leave_out=request.leave_out)
    for target, platform, (wheels, notes) in zip(locked.targets, platforms, chosen, strict=True):
        base = means.open_base(target, platform)
        layers = plan_layers(
            wheels,
            target=target,
            layout=request.layout,
            layers_below=len(base.layers),
            most=request.options.max_layers,
            allow_bad_record=means.means.allow_bad_record,
        )
        planned.append(
            PlannedPlatform(
                target=target,
                platform=platform,
                base=base,
                wheels=tuple(wheels),
                layers=tuple(layers),
                notes=notes,
            )
        )
    return planned


def make_image(
    locked: Locked, planned: Sequence[PlannedPlatform], request: ImageRequest, means: ImageMeans
) -> MadeImage:
    """Return the image that was planned, every layer in the store or in the previous image.

    Findings of the audit are returned, not raised: the caller decides before anything is sent. Raises what a
    base, a wheel or the application is refused for.
    """
    everything = [layer for one in planned for layer in one.layers]
    found = find_layers(everything, means.means, previous=means.previous.recorded)
    layers = make_layers(locked, everything, found, means.means, layout=request.layout)
    made = [_platform(locked, one, layers, request, means) for one in planned]
    annotations = _annotations(request, planned[0].base)
    if request.single:
        image = single_image(made[0].image)
    else:
        image = image_index([one.image for one in made], annotations)
    return MadeImage(image=image, platforms=tuple(made))


def _annotations(request: ImageRequest, base: BaseImage) -> dict[str, str]:
    standard = standard_annotations(
        request.metadata, base, revision=request.revision, created=request.created
    )
    return {**standard, **request.options.annotations}


def _platform(
    locked: Locked,
    planned: PlannedPlatform,
    layers: dict[str, RecordedLayer],
    request: ImageRequest,
    means: ImageMeans,
) -> MadePlatform:
    recorded = [layers[one.name.key] for one in planned.layers]
    records = tuple(record for one in recorded for record in one.records)
    facts = means.base_facts(planned.base)
    own, application, notes = _own_layers(locked, planned, facts, request, means, records=records)
    everything = [*(one.layer for one in recorded), *own]
    config = image_config(
        planned.base,
        everything,
        request.options,
        layout=request.layout,
        platform=planned.platform,
        created=_EARLIEST if request.created is None else request.created,
        entrypoint=application.entrypoint,
        workdir=application.workdir,
    )
    image = platform_image(
        planned.target, planned.base, everything, config, _annotations(request, planned.base)
    )
    made = MadePlatform(
        image=image,
        wheels=planned.wheels,
        records=records,
        application=application,
        findings=_audited(means.means, planned, recorded, facts),
        facts=facts,
        notes=(*planned.notes, *notes),
    )
    if request.single:
        return made
    blobs = [records_blob(one.packed, one.layer.key) for one in recorded]
    kept = records_attachment(image.descriptor, [*blobs, _base_blob(planned.base, facts)])
    return replace(made, image=replace(image, attachments=(kept, *request.attach(made))))


def _base_blob(base: BaseImage, facts: BaseFacts) -> Blob:
    from crossdock.contents.base import facts_key, facts_to_json

    key = facts_key([(layer.descriptor.digest, layer.diff_id) for layer in base.layers], base.config)
    return base_blob(facts_to_json(facts), key)


def _own_layers(
    locked: Locked,
    planned: PlannedPlatform,
    facts: BaseFacts,
    request: ImageRequest,
    means: ImageMeans,
    *,
    records: Sequence[WheelRecord],
) -> tuple[list[Layer], Application, tuple[str, ...]]:
    """Return the layers above the wheels: environment, compiled modules, application; refuse what would hide another."""
    from crossdock.contents.base import python_for

    target, layout = planned.target, request.layout
    check_prefix(facts, layout.root)
    check_user(facts, request.options.user)
    interpreter = python_for(facts, target)
    check_place_of_python(facts, interpreter, layout.root)
    alone = request.application(target)
    application = alone.with_added(request.added)
    environment = layout.own_entries(target, interpreter.path, sources=application.needs_path)
    refuse_hiding(records, environment, alone, request.added)
    refuse_links_below(facts, layout.root, records, environment)
    start = request.options.entrypoint or application.entrypoint
    notes = check_start(start, target, layout, records, [*environment, *application.entries])
    own = [_entries(means, LayerKind.ENVIRONMENT, "environment", environment)] if environment else []
    if request.options.bytecode:
        from crossdock.pipeline.compiled import compiled_layers  # asked for by few

        layer, application, more = compiled_layers(locked, planned, application, layout, means)
        own += layer
        notes += more
    if application.entries:
        refuse_below_links((entry.path for entry in application.entries), facts.is_link)
        title = application.title or "added files"
        package = (application.name or title, application.version)
        own.append(_entries(means, LayerKind.APPLICATION, title, application.entries, package=package))
    return own, application, notes


def _entries(
    means: ImageMeans,
    kind: LayerKind,
    title: str,
    entries: Sequence[Entry],
    *,
    package: tuple[str, str] | None = None,
) -> Layer:
    # Never the previous image's: all contents are at hand, and whoever may push there could have put others in.
    name = entries_name(kind, title, entries, package=package)
    return entries_layer(means.means.store, name, entries, package=package)


def known_layer(means: ImageMeans, name: LayerName) -> Layer | None:
    """Return a layer whose contents would have to be fetched: from the store, or from the previous image."""
    return find_layer(means.means.store, name) or means.previous.layer(name.key)


def _audited(
    means: Means, planned: PlannedPlatform, recorded: Sequence[RecordedLayer], facts: BaseFacts
) -> tuple[Finding, ...]:
    """Audit all binaries against the target and the base's own libraries; the same things once.

    What is remembered is a function of the records and facts themselves, not of the wheels and the base that they
    speak of: a previous image may have lied of those, and a later run must not believe it for that.
    """
    from crossdock.contents.base import facts_to_json
    from crossdock.ship.cargo import findings_from_json

    records = [record for one in recorded for record in one.records]
    if not any(record.binaries for record in records):
        return ()
    told = [str(Digest.of(one.packed)) for one in recorded]
    words = canonical_json([told, facts_to_json(facts)])
    key = f"{_AUDIT_FORM} {__version__} {planned.target.key} {facts.name} {Digest.of(words).hex}"
    known = means.store.get_fact("image-audit", key)
    if isinstance(known, list):
        return findings_from_json(known)
    findings = _audit(planned.target, records, facts)
    means.store.put_fact("image-audit", key, [finding.to_json() for finding in findings])
    return findings


def _audit(target: Target, records: Sequence[WheelRecord], facts: BaseFacts) -> tuple[Finding, ...]:
    from crossdock.inspect.audit import audit
    from crossdock.inspect.binary import Binary
    from crossdock.inspect.finding import AuditFile

    files = [
        AuditFile(
            path=path,
            package=record.name,
            wheel=record.filename,
            tags=record.tags,
            binary=Binary.from_json(binary),
        )
        for record in records
        for path, binary in record.binaries
    ]
    return audit(files, target, base=facts.libraries)
