"""Lock -> selections -> wheels in hand, fetched or built and audited, for many targets side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.errors import LockError
from crossdock.lock.plan import purity_from_wheels
from crossdock.pipeline.hands import Hands, Means, WheelFile, WheelKey, is_source, sdist_is_pure, wheel_key
from crossdock.ship.cargo import Gathered, WheelInHand, findings_from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import Lock
    from crossdock.lock.select import Choice, Selection
    from crossdock.store import Store
    from crossdock.target.model import Target

#: zlib and SHA-256 release the interpreter, so unpacking gains from as many threads as there are cores.
_UNPACKERS = 4

#: Raised when the audit's rules change within a version.
_AUDIT_FORM = 1


def gather(lock: Lock, selections: Sequence[Selection], means: Means) -> list[Gathered]:
    """Bring every chosen file into the store, build what is pure source, verify and audit; one entry a selection.

    Raises `LockError` for a package without a fitting file, `FetchError`, `ArchiveError` or `BuildError` for
    the first file that fails. Findings are returned, not raised: the caller decides.
    """
    for selection in selections:
        refuse_lacking(lock, selection, means)
    wanted = {wheel_key(choice): choice for selection in selections for choice in selection.choices}

    def unpacked(file: WheelFile, key: WheelKey) -> WheelInHand:
        return _unpacked(means, file, key)

    with ThreadPoolExecutor(_UNPACKERS) as pool:
        prepared = Hands(lock, means).prepare(wanted, pool, unpacked)
    return [
        _audited(means.store, selection, tuple(prepared[wheel_key(choice)] for choice in selection.choices))
        for selection in selections
    ]


def _unpacked(means: Means, file: WheelFile, key: WheelKey) -> WheelInHand:
    from crossdock.ship.unpacked import unpack_wheel

    unpacked = unpack_wheel(
        means.store,
        file.digest,
        file.blob,
        file.filename,
        rules=key.rules,
        allow_bad_record=file.name in means.allow_bad_record,
    )
    return WheelInHand(
        name=file.name,
        filename=file.filename,
        digest=file.digest,
        unpacked=unpacked,
        direct_url=file.direct_url,
        built_from=file.built_from,
    )


def refuse_lacking(lock: Lock, selection: Selection, means: Means) -> None:
    """Refuse a selection that something cannot be had for, and say of wheels that are too new what in them is.

    Raises `LockError` as `Selection.require` does (E-LOCK-NOFILE, E-LOCK-VCS), and what `refuse_native` raises.
    """
    try:
        selection.require()
        refuse_native(lock, selection, means)
    except LockError as error:
        if error.code not in ("E-LOCK-NOFILE", "E-LOCK-NATIVE"):
            raise
        from crossdock.pipeline.too_new import explained  # only a refusal needs it

        raise explained(error, lock, selection, means) from None


def refuse_native(lock: Lock, selection: Selection, means: Means) -> None:
    """Refuse, before any wheel is fetched, what would have to be compiled and cannot be for this target.

    Raises `LockError` (E-LOCK-NATIVE) where nothing is compiled at all, `BuildError` (E-BUILD-TARGET) for a target
    that nothing can be compiled for.
    """
    if means.building is not None:
        if any(
            purity_from_wheels(choice.package) is False for choice in selection.choices if is_source(choice)
        ):
            from crossdock.build.target_python.names import platform_tag

            platform_tag(selection.target)
        return
    native = [choice for choice in selection.choices if _is_native(lock, choice, means)]
    if native:
        more = f" and {len(native) - 1} more have" if len(native) > 1 else " has"
        raise LockError(
            f"`{native[0].package}`{more} no wheel for {selection.target.name} and must be cross-built",
            code="E-LOCK-NATIVE",
            places=[f"{choice.package.place} {choice.package}: {choice.reason}" for choice in native],
            hint="cross-building is switched off: allow it, or take versions with a wheel"
            " (`crossdock plan` names them, `crossdock lock --prefer-wheels` takes them)",
        )


def _is_native(lock: Lock, choice: Choice, means: Means) -> bool:
    """Tell by the wheels of the same version, or else by its content, that a source distribution compiles."""
    if choice.file is None or not is_source(choice):
        return False
    pure = purity_from_wheels(choice.package)
    return (sdist_is_pure(lock, choice.package, means) if pure is None else pure) is False


def _audited(store: Store, selection: Selection, wheels: tuple[WheelInHand, ...]) -> Gathered:
    """Audit all binaries of a target together; the same wheels for the same target are audited once."""
    target = selection.target
    if not any(wheel.unpacked.binaries for wheel in wheels):
        return Gathered(target=target, wheels=wheels, findings=(), notes=selection.notes)
    digests = ",".join(sorted(str(wheel.digest) for wheel in wheels))
    key = f"{_AUDIT_FORM} {__version__} {target.key} {Digest.of(digests.encode()).hex}"
    known = store.get_fact("audit", key)
    if isinstance(known, list):
        findings = findings_from_json(known)
    else:
        findings = _audit(target, wheels)
        store.put_fact("audit", key, [finding.to_json() for finding in findings])
    return Gathered(target=target, wheels=wheels, findings=findings, notes=selection.notes)


def _audit(target: Target, wheels: Sequence[WheelInHand]) -> tuple[Finding, ...]:
    from crossdock.inspect.audit import audit
    from crossdock.inspect.binary import Binary
    from crossdock.inspect.finding import AuditFile

    files = [
        AuditFile(
            path=path,
            package=wheel.name,
            wheel=wheel.filename,
            tags=wheel.unpacked.tags,
            binary=Binary.from_json(facts),
        )
        for wheel in wheels
        for path, facts in wheel.unpacked.binaries
    ]
    return audit(files, target)
