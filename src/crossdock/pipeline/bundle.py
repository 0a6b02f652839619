"""A lock and the user's own code -> zips for a place that runs functions, proven before a byte of them is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from crossdock.errors import ShipError, UsageError
from crossdock.pipeline.audited import Examined, audit_examined
from crossdock.pipeline.raw_wheels import bring_wheels
from crossdock.ship.bundle.layout import package_prefix, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import LockedPackage
    from crossdock.pipeline.hands import Means
    from crossdock.pipeline.locked import Locked
    from crossdock.pipeline.raw_wheels import Wheels
    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.places import Place
    from crossdock.ship.bundle.prune_judge import Removed
    from crossdock.ship.bytecode import Interpreter
    from crossdock.store import Store
    from crossdock.target.model import Python, Target

#: The layout of a place that installs wheels itself.
WHEELS = "wheels"


class Shape(StrEnum):
    """What is made of a lock and an application."""

    FUNCTION = "function"  # everything in one zip
    LAYER = "layer"  # the dependencies alone
    SPLIT = "split"  # a zip with the application, another with the dependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What is wanted: everything that decides the zips beside the lock.

    `place` tells where a target is, `application` gives the user's own code for it below a prefix, None where there
    is none; packages that `leave_out` knows are the application itself.
    """

    place: Callable[[Target], Place]
    application: Callable[[Target, Place], BundledPackage | None]
    leave_out: Callable[[LockedPackage], bool]
    shape: Shape = Shape.FUNCTION
    versioned: bool = False
    #: Rules of what is left out (`crossdock.ship.bundle.prune`).
    prune: tuple[str, ...] = ()
    #: Whether what the runtime brings is left out; `asked` are the requirements of the project itself, where known.
    without_provided: bool = False
    asked: tuple[str, ...] = ()
    #: Gives an interpreter that compiles modules, None: there are none.
    compiler: Callable[[Python], Interpreter] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What goes into one zip: `role` is `function` or `layer`."""

    role: str
    packages: tuple[BundledPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The zips of one target, not written yet. `binaries` counts those that the audit read; `notes` are for the user."""

    target: Target
    place: Place
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    binaries: int
    notes: tuple[str, ...]
    #: What was pruned, and the packages that the runtime brings, by name.
    removed: tuple[Removed, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[BundledPackage, ...]:
        """The packages of all zips."""
        return tuple(package for part in self.parts for package in part.packages)


def make_bundles(locked: Locked, request: BundleRequest, means: Means) -> list[Bundle]:
    """Return the zips of every target. Findings are returned, not raised: the caller decides before anything is written.

    Raise what `bring_wheels` raises, `UsageError` for a target that takes no zips, and `ShipError` for packages that
    write one path.
    """
    # A target that is no such place is told before its packages are looked at.
    places = [request.place(target) for target in locked.targets]
    brought = bring_wheels(locked, means, leave_out=request.leave_out)
    return [_bundle(one, place, request, means) for one, place in zip(brought, places, strict=True)]


def _bundle(brought: Wheels, place: Place, request: BundleRequest, means: Means) -> Bundle:
    target = brought.target
    _check_shape(place, request)
    in_layer = request.shape is not Shape.FUNCTION
    prefix = package_prefix(place, target, layer=in_layer, versioned=request.versioned)
    packages = [wheel.bundled(target, prefix) for wheel in brought.wheels]
    packages, left_out, notes = _without_provided(brought, packages, place, request)
    own = request.application(target, place)
    application = [] if own is None else [own]
    groups = [application, packages] if in_layer else [[*packages, *application]]
    groups = [together(group) for group in groups]
    removed: list[Removed] = []
    if request.prune and place.layout != WHEELS:
        from crossdock.ship.bundle.prune import prune

        # All of them at once: a package's tests stay if one in another zip imports them.
        pruned = prune([package for group in groups for package in group], request.prune)
        groups, removed = _regrouped(groups, pruned.packages), pruned.removed
        notes += pruned.notes
    findings, binaries = audit_packages(
        means.store, target, (package for group in groups for package in group)
    )
    if place.layout == WHEELS:
        groups, more = _vendored(brought, groups, own)
        notes += more
    elif request.compiler is not None:
        groups, more = _compiled(groups, place, target, request.compiler, means, in_layer=in_layer)
        notes += more
    roles = ("function", "layer") if in_layer else ("function",)
    parts = tuple(
        Part(role=role, packages=tuple(group))
        for role, group in zip(roles, groups, strict=True)
        if not (role == "function" and request.shape is Shape.LAYER)
    )
    for part in parts:
        _refuse_empty(part, target)
    return Bundle(
        target=target,
        place=place,
        parts=parts,
        findings=findings,
        binaries=binaries,
        notes=(*brought.notes, *notes),
        removed=tuple(removed),
        left_out=left_out,
    )


def _refuse_empty(part: Part, target: Target) -> None:
    if not any(package.files for package in part.packages):
        raise ShipError(
            f"the {part.role} for {target.name} would be an empty zip",
            code="E-BUNDLE-EMPTY",
            hint="its application is given by `--app DIR`"
            if part.role == "function"
            else "the lock has no packages for this target: leave --layer or --split out",
        )


def _check_shape(place: Place, request: BundleRequest) -> None:
    if request.shape is not Shape.FUNCTION and not place.layer_root:
        raise UsageError(
            f"{place.name} has no layers",
            code="E-BUNDLE-NO-LAYERS",
            hint="leave --layer and --split out: one zip has the application and what it needs",
        )
    if place.layout == WHEELS and request.prune:
        raise UsageError(
            f"nothing can be pruned for {place.name}: it installs whole wheels",
            code="E-BUNDLE-WHEELS",
            hint="leave --prune out",
        )


def _without_provided(
    brought: Wheels, packages: list[BundledPackage], place: Place, request: BundleRequest
) -> tuple[list[BundledPackage], tuple[str, ...], list[str]]:
    """Return what is shipped, the names of what the runtime brings, and what to say of it."""
    if not place.provided:
        return packages, (), []
    from crossdock.ship.bundle.provided import half_sdk_note, provided_closure

    left_out: frozenset[str] = frozenset()
    notes: list[str] = []
    if request.without_provided:
        own = [one.chosen.name for one in brought.wheels if one.is_own]
        closure = provided_closure(
            packages,
            place.provided,
            target=brought.target,
            asked=request.asked,
            own=own,
            runtime=place.name,
        )
        left_out, notes = closure.left_out, list(closure.notes)
    kept = [package for package in packages if package.name not in left_out]
    half = half_sdk_note([package.name for package in kept], place.provided, place.name)
    return kept, tuple(sorted(left_out)), [*notes, *([half] if half else [])]


def _regrouped(
    groups: Sequence[Sequence[BundledPackage]], packages: Sequence[BundledPackage]
) -> list[list[BundledPackage]]:
    """Return `packages`, which are those of all groups in order, in the same groups."""
    left = iter(packages)
    return [[next(left) for _package in group] for group in groups]


def _vendored(
    brought: Wheels, groups: Sequence[Sequence[BundledPackage]], own: BundledPackage | None
) -> tuple[list[list[BundledPackage]], list[str]]:
    """Return the wheels as they are, with the requirements.txt that a place installs them by."""
    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.ship.bundle.vendored import REQUIREMENTS, VENDOR, vendored, with_requirements

    blobs = {wheel.chosen.name: wheel.blob for wheel in brought.wheels}
    wheels = vendored((one, blobs[one.name]) for group in groups for one in group if one.package is not None)
    application = own or BundledPackage(package=None, files=())
    notes = [f"its build environment must have GOOGLE_VENDOR_PIP_DEPENDENCIES={VENDOR}"]
    if any(file.path == REQUIREMENTS for file in application.files):
        notes.append(f"the application's {REQUIREMENTS} is not shipped: the locked wheels take its place")
    return [together([*wheels, with_requirements(application, wheels)])], notes


def _compiled(
    groups: Sequence[Sequence[BundledPackage]],
    place: Place,
    target: Target,
    compiler: Callable[[Python], Interpreter],
    means: Means,
    *,
    in_layer: bool,
) -> tuple[list[list[BundledPackage]], list[str]]:
    """Return the packages with compiled modules, and what does not compile."""
    from crossdock.ship.bundle.bytecode import with_bytecode

    interpreter = compiler(target.python)
    roots = (place.task_root, place.layer_root) if in_layer else (place.task_root,)
    result: list[list[BundledPackage]] = []
    notes: list[str] = []
    for group, root in zip(groups, roots, strict=True):
        compiled, more = with_bytecode(means.store, interpreter, group, root, jobs=os.cpu_count() or 1)
        result.append(compiled)
        notes += more
    return result, notes


def audit_packages(
    store: Store, target: Target, packages: Iterable[BundledPackage]
) -> tuple[tuple[Finding, ...], int]:
    """Audit the binaries that are still shipped, all together; return what does not fit and how many were read.

    Paths are judged as they lie beside the packages that Python imports, whatever the prefix of the zip.
    """
    found = []
    for package in packages:
        shipped = {file.path for file in (*package.files, *package.shared)}
        name, wheel = ("", "") if package.package is None else (package.package.name, package.package.wheel)
        found += [
            Examined(path[len(package.record_base) :], name, wheel, list(package.tags), binary)
            for path, binary in package.binaries
            if path in shipped
        ]
    return audit_examined(store, target, found)
