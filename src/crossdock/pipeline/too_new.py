"""Looks into locked wheels that are too new for a target, so that a refusal says what in them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from crossdock.errors import CrossdockError, LockError
from crossdock.inspect.audit import audit
from crossdock.inspect.binary import Binary
from crossdock.inspect.facts import split_version
from crossdock.inspect.finding import AuditFile, Severity
from crossdock.lock.demands import advise
from crossdock.lock.newest import versions_with_wheel
from crossdock.lock.too_new import Looked, SymbolNeed, explain_too_new, too_new
from crossdock.pipeline.demands import demands_on
from crossdock.pipeline.hands import Hands, is_source
from crossdock.ship.assemble import path_rules
from crossdock.ship.unpacked import unpack_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from crossdock.lock.demands import Advice
    from crossdock.lock.model import Lock, LockedFile
    from crossdock.lock.select import Choice, Selection
    from crossdock.lock.too_new import TooNew
    from crossdock.pipeline.hands import Means
    from crossdock.target.model import Target

T = TypeVar("T", bound=CrossdockError)

#: What is fetched to explain a refusal, in bytes: a stack of CUDA wheels would be gigabytes for a line of text.
_BUDGET = 256 << 20


def explained(error: LockError, lock: Lock, selection: Selection, means: Means) -> LockError:
    """Return a refusal of a selection (E-LOCK-NOFILE, E-LOCK-NATIVE) that says what in the wheels is too new.

    The same error where no wheel came that near. Nothing that goes wrong here takes the refusal's place.
    """
    found = {
        _place(one.choice): one for choice in _lacking(selection) if (one := too_new(choice)) is not None
    }
    named = {place: found[place] for place in error.places if place in found}
    if not named:
        return error
    looked = _look(lock, list(named.values()), means)
    advice = _advice(selection.choices, list(named.values()), means)
    places: list[str] = []
    for place in error.places:
        places.append(place)
        one = named.get(place)
        if one is not None:
            lines = explain_too_new(one, looked.get(_key(one)), advice.get(one.choice.name), after=place)
            places += [f"  {line}" for line in lines]
    return LockError(error.message, code=error.code, places=places, hint=error.hint)


def with_advice(error: T, lock: Lock, choice: Choice, means: Means) -> T:
    """Return the error of a source that cannot be built, and behind it which wheel there is, why it was not taken, and which would be.

    The same error where the lock has no wheel that only glibc keeps off the target.
    """
    one = too_new(choice)
    if one is None or error.code == "E-BUILD-STOPPED":
        return error
    looked = _look(lock, [one], means)
    advice = _advice([], [one], means)
    lines = explain_too_new(one, looked.get(_key(one)), advice.get(choice.name))
    error.places = (*error.places, *lines)
    return error


def _lacking(selection: Selection) -> Iterable[Choice]:
    return [choice for choice in selection.choices if is_source(choice)]


def _place(choice: Choice) -> str:
    """Return the line that the refusals have for a package."""
    return f"{choice.package.place} {choice.package}: {choice.reason}"


def _key(one: TooNew) -> str:
    return str(one.wheel.digest)


def _advice(choices: Sequence[Choice], wheels: Sequence[TooNew], means: Means) -> dict[str, Advice]:
    """Return by name which version to take instead of each that is too new, as far as an index may be asked."""
    if means.files_of is None:
        return {}
    names = {one.choice.name for one in wheels}
    # What is too new itself has to change too: its demands are those of a version that goes.
    demands = demands_on(names, [one for one in choices if one.name not in names], means)
    found = {}
    for one in wheels:
        name = one.choice.name
        try:
            versions = versions_with_wheel(means.files_of(name), one.choice.target)
        except CrossdockError as error:
            means.warn(f"cannot ask the index about {name}: {error.message}")
            continue
        found[name] = advise(versions, [demand for demand in demands if demand.name == name])
    return found


def _look(lock: Lock, wheels: Sequence[TooNew], means: Means) -> dict[str, Looked]:
    """Return what the wheels' binaries say, of those that the store has or that are worth fetching."""
    wanted: dict[str, LockedFile] = {}
    left = _BUDGET
    for one in wheels:
        if means.store.blob(one.wheel.digest) is None:
            size = one.wheel.size or 0
            if means.offline or size > left:
                continue
            left -= size
        wanted[_key(one)] = one.wheel
    ones = {_key(one): one for one in wheels}
    found: dict[str, Looked] = {}
    try:
        for key, blob in Hands(lock, means).files(wanted):
            found[key] = _looked(ones[key], blob, means)
    except CrossdockError as error:
        means.warn(f"cannot look into the wheels that are too new: {error.message}")
    return found


def _looked(one: TooNew, blob: Path, means: Means) -> Looked:
    target, wheel = one.choice.target, one.wheel
    name = one.choice.name
    unpacked = unpack_wheel(
        means.store,
        wheel.digest,
        blob,
        wheel.filename,
        rules=path_rules(target),
        allow_bad_record=name in means.allow_bad_record,
    )
    # Without its tags: they are what is doubted.
    files = [
        AuditFile(path=path, package=name, binary=Binary.from_json(facts))
        for path, facts in unpacked.binaries
    ]
    errors = [finding for finding in audit(files, target) if finding.severity is Severity.ERROR]
    by_glibc = any(one.code == "E-FIT-VERSION" and one.message.startswith("needs GLIBC_") for one in errors)
    return Looked(
        need=_newest_need(files, target),
        fits=not errors,
        problem="" if by_glibc or not errors else str(errors[0]),
    )


def _newest_need(files: Sequence[AuditFile], target: Target) -> SymbolNeed | None:
    """Return the newest version of glibc that files for the target's CPU ask for."""
    needs = [
        (number, file.path, need)
        for file in files
        if (image := file.binary.image_for(frozenset({target.arch.value}))) is not None
        for need in image.versions
        for prefix, number in [split_version(need.version)]
        if prefix == "GLIBC"
    ]
    if not needs:
        return None
    newest = max(number for number, *_ in needs)
    worst = [(path, need) for number, path, need in needs if number == newest]
    # A file that names the symbol says more than one that does not, and a package's own tests say least.
    path, need = min(
        worst, key=lambda item: ("test" in item[0], not item[1].symbol, item[0], item[1].library)
    )
    return SymbolNeed(
        version=need.version,
        library=need.library,
        symbol=need.symbol,
        path=path,
        files=len({path for path, _ in worst}),
    )
