"""Which packages of a lock a runtime brings itself, so that a function can go without them (pure).

AWS's Python runtimes hold boto3, botocore and what the two need, in versions that are older than the newest and
differ by region. Whoever leaves the locked ones out runs with those: nothing here happens unasked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from packaging.markers import Marker

    from crossdock.ship.bundle.model import BundledPackage
    from crossdock.target.model import Target

#: What `--without-provided` is about. One of the two from the runtime and one from the function do not fit each
#: other (aws-samples/sample-voice-of-customer-datalake#194), so they are left out together or not at all.
SDK = ("boto3", "botocore")

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidedClosure:
    """What to leave out, by normalized name, and what the user must be told about it and about what stays."""

    left_out: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def provided_closure(
    packages: Sequence[BundledPackage],
    provided: Collection[str],
    *,
    target: Target,
    asked: Collection[str] = (),
    own: Collection[str] = (),
    runtime: str = "the runtime",
) -> ProvidedClosure:
    """Return which of `provided` (normalized names that `runtime` has) can be left out of a bundle for `target`.

    Left out are boto3 and botocore, and of the rest of `provided` what is there for the sake of those left out
    alone. A package stays

    - if one that stays needs it: whether the runtime's version would do is not known before the function runs;
    - if `asked` names it, unless it is boto3 or botocore itself: it is there for its own sake. So does one that
      nothing in the lock needs;
    - if `asked` pins it to one version, boto3 and botocore too: the runtime's would be another one;
    - if it is one of boto3 and botocore, and the other stays.

    `packages` are all that the lock gives the target. `asked` are the requirements of the project itself, as far as
    they are known (a lock does not tell them from what they bring along), and so are those of the packages that `own`
    names: other source trees of the user's, which do not keep boto3 either. Markers in a package's Requires-Dist are
    answered by the target; where it leaves one open, the requirement counts. An extra counts where another
    package or `asked` asks for it.
    """
    wheels = [one.package for one in packages if one.package is not None]
    versions = {one.name: one.version for one in wheels}
    found = versions.keys() & set(provided)
    if not found:
        why = f"the lock has none of what {runtime} brings" if provided else f"{runtime} brings no packages"
        return ProvidedClosure(notes=(f"nothing is left out: {why}",))
    direct, dependents = _edges(
        {one.name: one.requires for one in packages if one.package}, asked, own, target
    )
    pinned = {
        one.name for one in map(_parse, asked) if one is not None and one.pinned and one.holds(target, ())
    }
    stays = _stays(found, direct, pinned, dependents, versions.keys())
    left_out = frozenset(found - stays.keys())
    notes = [
        *_left_out_note(left_out, versions, runtime),
        *_kept_notes(stays, pinned, left_out, versions, runtime),
    ]
    return ProvidedClosure(left_out=left_out, notes=tuple(notes))


def half_sdk_note(names: Collection[str], provided: Collection[str], runtime: str) -> str:
    """Return what to say of a bundle with one of boto3 and botocore beside a runtime that has both; or nothing."""
    shipped = [name for name in SDK if name in names]
    if len(shipped) != 1 or not set(SDK) <= set(provided):
        return ""
    (other,) = set(SDK) - set(shipped)
    return (
        f"{shipped[0]} is shipped without {other}: code that imports {other} gets that of {runtime}, which is made for "
        f"another version of {shipped[0]}; add {other} to the requirements if it is used"
    )


@dataclass(frozen=True, slots=True)
class _Needed:
    name: str
    extras: frozenset[str]
    marker: Marker | None
    #: Whether one version alone will do.
    pinned: bool = False

    def holds(self, target: Target, extras: Iterable[str]) -> bool:
        """Tell whether the requirement holds on the target with any of the extras, or with none."""
        from crossdock.errors import TargetError
        from crossdock.target.markers import evaluate

        marker = self.marker
        if marker is None:
            return True
        try:
            return any(
                evaluate(marker, target, extra=extra, context="metadata").truth is not False
                for extra in ("", *sorted(extras))
            )
        except TargetError:
            # A comparison that is not defined: what cannot be answered counts.
            return True


def _edges(
    requires: Mapping[str, Collection[str]], asked: Collection[str], own: Collection[str], target: Target
) -> tuple[set[str], dict[str, set[str]]]:
    """Return the names that the user's own code asks for, and who else needs each package on the target."""
    parsed = {name: [_parse(line) for line in sorted(lines)] for name, lines in requires.items()}
    extras: dict[str, set[str]] = {name: set() for name in requires}
    direct = set()
    for one in map(_parse, asked):
        if one is not None and one.name in extras and one.holds(target, ()):
            direct.add(one.name)
            extras[one.name] |= one.extras
    dependents: dict[str, set[str]] = {name: set() for name in requires}
    waiting = sorted(requires)
    while waiting:
        name = waiting.pop()
        for one in parsed[name]:
            if one is None or one.name not in extras or not one.holds(target, extras[name]):
                continue
            if name in own:
                direct.add(one.name)
            elif one.name != name:
                dependents[one.name].add(name)
            if not one.extras <= extras[one.name]:
                extras[one.name] |= one.extras
                waiting.append(one.name)
    return direct, dependents


def _parse(line: str) -> _Needed | None:
    """Return a requirement; of one that no longer is valid its name, without conditions."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(line)
    except InvalidRequirement:
        name = _NAME.match(line)
        return None if name is None else _Needed(_normal(name[1]), frozenset(), None)
    exact = [
        one for one in found.specifier if one.operator in ("==", "===") and not one.version.endswith("*")
    ]
    pinned = bool(found.url or exact)
    return _Needed(_normal(found.name), frozenset(map(_normal, found.extras)), found.marker, pinned)


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _stays(
    found: Collection[str],
    direct: Collection[str],
    pinned: Collection[str],
    dependents: Mapping[str, set[str]],
    names: Collection[str],
) -> dict[str, str]:
    """Return what of `found` stays, with the name of the package for whose sake, or nothing if for its own."""
    stays: dict[str, str] = {}
    while True:
        before = len(stays)
        out = set(found) - stays.keys()
        for name in sorted(out):
            needing = dependents[name] - out
            if name in SDK:
                # The other one, if it is shipped: each is made for its own version of the other.
                needing |= {one for one in SDK if one in names and one not in out}
            if name in pinned:
                stays[name] = ""
            elif needing:
                stays[name] = min(needing)
            elif name not in SDK and (name in direct or not dependents[name]):
                stays[name] = ""
        if len(stays) == before:
            return stays


def _left_out_note(left_out: Collection[str], versions: Mapping[str, str], runtime: str) -> Iterable[str]:
    if left_out:
        yield (
            f"left out: {_listed(left_out, versions)}; the function runs with the versions of {runtime} instead, "
            "which are usually older and differ from region to region"
        )


def _kept_notes(
    stays: Mapping[str, str],
    pinned: Collection[str],
    left_out: frozenset[str],
    versions: Mapping[str, str],
    runtime: str,
) -> Iterable[str]:
    for name in sorted(stays):
        why = stays[name]
        if not why and name in pinned and name in SDK:
            reason = "you pin its version, and the runtime's is another; without the pin it is left out"
        elif not why:
            reason = "it is required for its own sake"
        elif (why, name) == ("botocore", "boto3"):
            reason = "botocore stays, and the two fit only together"
        else:
            reason = f"{_named(why, versions)} needs it"
        # The runtime looks in the function first, its own boto3 included.
        used = f"; {runtime}'s own boto3 uses it too" if left_out & set(SDK) else ""
        yield f"stays: {_named(name, versions)}, since {reason}{used}"


def _listed(names: Iterable[str], versions: Mapping[str, str]) -> str:
    return ", ".join(_named(name, versions) for name in sorted(names))


def _named(name: str, versions: Mapping[str, str]) -> str:
    return f"{name} {versions.get(name, '')}".strip()
