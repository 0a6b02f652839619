"""PEP 508 markers in a target's environment, with three answers: true, false, and "the target does not say".

`packaging` fills a variable that is missing from this machine's; here every variable is always given, and
what the target leaves open is never guessed (Kleene's logic; the patch version slice by slice).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from crossdock.errors import TargetError
from crossdock.target.kleene import parse, truth_of
from crossdock.target.model import MARKER_VARIABLES as VARIABLES
from crossdock.target.model import Arch, Implementation, Os, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from crossdock.target.kleene import Parsed, Truth
    from crossdock.target.model import Python

_OS = {
    Os.LINUX: ("posix", "linux", "Linux"),
    Os.MACOS: ("posix", "darwin", "Darwin"),
    Os.WINDOWS: ("nt", "win32", "Windows"),
    Os.IOS: ("posix", "ios", None),
    Os.ANDROID: ("posix", "android", "Android"),
    Os.EMSCRIPTEN: ("posix", "emscripten", "Emscripten"),
}
_WINDOWS_MACHINE = {Arch.X86_64: "AMD64", Arch.AARCH64: "ARM64", Arch.I686: "x86"}
_PYTHON_NAME = {Implementation.CPYTHON: "CPython", Implementation.PYPY: "PyPy"}

#: CPython on Android before PEP 738 (3.13) called itself Linux.
_ANDROID_SINCE = (3, 13)

#: A patch version above every real one: what `>= 3.12.4` turns to stays so.
_LAST_PATCH = 99999
#: `in` and `not in` look for parts of the text, so `"2.1" in python_full_version` turns at patches that it
#: does not name; no CPython has had so many.
_ALL_PATCHES = range(100)

_VERSIONS = frozenset({"python_full_version", "implementation_version"})

#: What an open variable can be, where that is a few values. PEP 730: one build runs as either system, and
#: on a device `platform.machine()` may be the name of the model.
_IOS_CHOICES = {"platform_system": ("iOS", "iPadOS")}
_IOS_DEVICE_CHOICES = {**_IOS_CHOICES, "platform_machine": ("arm64", "iPhone17,1", "iPad16,3")}

__all__ = ["VARIABLES", "Answer", "choices", "environment", "evaluate", "satisfies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a marker or specifier says for a target; `truth` is None where the target leaves it open.

    `variable` is then the variable that decides, and `explanation` says where the answer turns and what to set.
    """

    truth: bool | None
    variable: str | None = None
    explanation: str = ""


TRUE, FALSE = Answer(truth=True), Answer(truth=False)


@lru_cache(maxsize=256)
def _environment(target: Target) -> tuple[tuple[str, str | None], ...]:
    os_name, sys_platform, system = _OS[target.os]
    python = target.python
    if target.os is Os.ANDROID and python.version < _ANDROID_SINCE:
        sys_platform, system = "linux", "Linux"
    values: dict[str, str | None] = {
        "implementation_name": str(python.implementation),
        "implementation_version": None,
        "os_name": os_name,
        "platform_machine": _machine(target),
        "platform_python_implementation": _PYTHON_NAME[python.implementation],
        "platform_release": None,
        "platform_system": system,
        "platform_version": None,
        "python_full_version": python.full,
        "python_version": python.short,
        "sys_platform": sys_platform,
    }
    for name, value in target.marker_overrides:
        if name not in values:
            raise TargetError(
                f"no marker variable `{name}`",
                code="E-TARGET-MARKER",
                hint=f"known: {', '.join(VARIABLES)}",
            )
        values[name] = value
    _check_python(values, python)
    if values["implementation_version"] is None and python.implementation is Implementation.CPYTHON:
        # On CPython it equals the Python version; PyPy's own is not part of a target.
        values["implementation_version"] = values["python_full_version"]
    return tuple(values.items())


def environment(target: Target) -> dict[str, str | None]:
    """Return all eleven variables of PEP 508 for `target`; None for each that it leaves open."""
    return dict(_environment(target))


def _check_python(values: Mapping[str, str | None], python: Python) -> None:
    """Refuse overrides that are another Python than the one whose wheels are taken."""
    full = values["python_full_version"] or f"{python.short}."
    agrees = full == python.full if python.full else full.startswith(f"{python.short}.")
    if agrees and values["python_version"] == python.short:
        return
    said = full if not agrees else values["python_version"]
    raise TargetError(
        f"the markers say Python {said}, the target {python.full or python.short}",
        code="E-TARGET-MARKER",
        hint="say the version once, as the target's Python",
    )


def choices(target: Target) -> dict[str, tuple[str, ...]]:
    """Return the values that an open variable of `target` can have, for those that have only a few."""
    if target.os is not Os.IOS:
        return {}
    found = _IOS_CHOICES if target.simulator else _IOS_DEVICE_CHOICES
    declared = {name for name, _ in target.marker_overrides}
    return {name: values for name, values in found.items() if name not in declared}


def _machine(target: Target) -> str | None:
    match target.os:
        case Os.WINDOWS:
            return _WINDOWS_MACHINE.get(target.arch, str(target.arch))
        case Os.IOS if not target.simulator:
            return None
        case Os.MACOS | Os.IOS:
            return "arm64" if target.arch is Arch.AARCH64 else str(target.arch)
        case Os.LINUX | Os.ANDROID | Os.EMSCRIPTEN:
            return str(target.arch)


def evaluate(
    marker: Marker,
    target: Target,
    *,
    extras: Collection[str] = frozenset(),
    dependency_groups: Collection[str] = frozenset(),
    extra: str | None = None,
    context: str = "requirement",
) -> Answer:
    """Return the marker's answer for `target`.

    With `extras` or `dependency_groups`, or `context="lock_file"`, the marker may ask for them as locks do
    (PEP 751); with `extra`, or `context="metadata"`, as a wheel's METADATA does (PEP 508). Raises
    `TargetError` for a variable that neither has, or a comparison that is not defined.
    """
    known: dict[str, Any] = {}
    if extra is not None or context == "metadata":
        known["extra"] = extra or ""
    if extras or dependency_groups or context == "lock_file":
        known["extras"] = frozenset(extras)
        known["dependency_groups"] = frozenset(dependency_groups)
    return _evaluate(str(marker), target, tuple(known.items()))


@lru_cache(maxsize=65536)
def _evaluate(text: str, target: Target, known: tuple[tuple[str, Any], ...]) -> Answer:
    parsed = parse(text)
    values = {**dict(_environment(target)), **dict(known)}
    unknown = parsed.variables - values.keys()
    if unknown:
        raise TargetError(
            f"the marker `{text}` asks for `{min(unknown)}`, which has no meaning here",
            code="E-TARGET-MARKER",
        )
    few = {name: found for name, found in choices(target).items() if name in parsed.variables}
    return _by_choices(parsed, values, few, target) if few else _by_patch(parsed, values, target)


def _by_choices(
    parsed: Parsed, values: dict[str, Any], few: Mapping[str, tuple[str, ...]], target: Target
) -> Answer:
    """Evaluate the whole marker for each value that an open variable can have."""
    from itertools import product

    worlds = [dict(zip(few, world, strict=True)) for world in product(*few.values())]
    answers = [_by_patch(parsed, {**values, **world}, target) for world in worlds]
    for answer in answers:
        if answer.truth is None:
            return answer
    if len({answer.truth for answer in answers}) == 1:
        return answers[0]
    name = next(name for name in few if _turns(name, worlds, answers))
    return Answer(
        truth=None,
        variable=name,
        explanation=f"`{parsed.text}` depends on {name}, here one of {', '.join(few[name])};"
        f" say it under [markers] in a target file",
    )


def _turns(name: str, worlds: Sequence[Mapping[str, str]], answers: Sequence[Answer]) -> bool:
    """Whether two worlds that differ in `name` alone have different answers."""
    found: dict[tuple[str, ...], set[bool | None]] = {}
    for world, answer in zip(worlds, answers, strict=True):
        rest = tuple(value for key, value in world.items() if key != name)
        found.setdefault(rest, set()).add(answer.truth)
    return any(len(truths) > 1 for truths in found.values())


def _by_patch(parsed: Parsed, values: dict[str, Any], target: Target) -> Answer:
    if values["python_full_version"] is None and parsed.variables & _VERSIONS:
        return _by_slices(parsed, values, target)
    return _answer(truth_of(parsed.tree, values), parsed.text)


def _answer(truth: Truth, text: str) -> Answer:
    known, variable = truth
    if known is not None:
        return TRUE if known else FALSE
    return Answer(
        truth=None,
        variable=variable,
        explanation=f"`{text}` depends on {variable}, which the target leaves open;"
        f" say it under [markers] in a target file",
    )


def _by_slices(parsed: Parsed, values: dict[str, Any], target: Target) -> Answer:
    """Evaluate the whole marker once for each slice of patch versions that it can tell apart.

    The whole, not each atom: `python_full_version < "3.12.4" or python_full_version >= "3.12.4"` is true.
    """
    # The two are one on CPython; PyPy's own version is not part of a target.
    cpython = target.python.implementation is Implementation.CPYTHON
    follows = ("implementation_version",) if cpython and values["implementation_version"] is None else ()

    def truth(full: str) -> Truth:
        return truth_of(parsed.tree, {**values, "python_full_version": full, **dict.fromkeys(follows, full)})

    atoms = [atom for atom in parsed.atoms if atom.variable in _VERSIONS]
    patches = _patches((atom.value for atom in atoms), target)
    if any("in" in atom.operator for atom in atoms):
        patches = sorted({*patches, *_ALL_PATCHES})
    return _over(patches, truth, parsed.text, target)


def _over(patches: Iterable[int], truth: Callable[[str], Truth], text: str, target: Target) -> Answer:
    found = [(patch, truth(f"{target.python.short}.{patch}")) for patch in patches]
    for _, (known, variable) in found:
        if known is None:
            return _answer((None, variable), text)
    truths = {known for _, (known, _) in found}
    if len(truths) == 1:
        return TRUE if True in truths else FALSE
    return _turning([(patch, bool(known)) for patch, (known, _) in found], text, target)


def _patches(texts: Iterable[str], target: Target) -> list[int]:
    """Return a patch version of every slice: each that is written and its neighbours, the first and the last.

    `3.12` alone is written for 3.12.0: `> "3.12"` turns behind it.
    """
    import re

    patches = {0, 1, _LAST_PATCH}
    pattern = re.compile(rf"(?<![\d.]){target.python.major}\.{target.python.minor}\.(\d{{1,4}})(?!\d)")
    for text in texts:
        for found in pattern.findall(text):
            patches.update({max(0, int(found) - 1), int(found), int(found) + 1})
    return sorted(patches)


def _turning(found: list[tuple[int, bool]], text: str, target: Target) -> Answer:
    """Say for which patch versions it is true. Neighbours of each turn are in `found`, so runs are exact."""
    short = target.python.short
    runs: list[str] = []
    start: int | None = None
    for (patch, known), (_, following) in zip(found, [*found[1:], (0, False)], strict=True):
        if known and start is None:
            start = patch
        if start is not None and not following:
            runs.append(_run(short, start, patch))
            start = None
    turn = next(patch for patch, known in found if known is not found[0][1])
    return Answer(
        truth=None,
        variable="python_full_version",
        explanation=f"`{text}` is true for {', '.join(runs)};"
        f" give the patch version, for example --python {short}.{turn}",
    )


def _run(short: str, start: int, end: int) -> str:
    if end == _LAST_PATCH:
        return f"{short}.{start} and newer"
    return f"{short}.{start}" if start == end else f"{short}.{start} to {short}.{end}"


def satisfies(specifier: SpecifierSet, target: Target) -> Answer:
    """Return whether the target's Python satisfies a `requires-python`; None if its open patch decides."""
    return _satisfies(str(specifier), target)


@lru_cache(maxsize=16384)
def _satisfies(text: str, target: Target) -> Answer:
    from packaging.specifiers import SpecifierSet

    specifier = SpecifierSet(text)
    full = environment(target)["python_full_version"]
    if full is not None:
        return TRUE if specifier.contains(full, prereleases=True) else FALSE

    def truth(full: str) -> Truth:
        return specifier.contains(full, prereleases=True), None

    return _over(_patches([text], target), truth, f"python {text}", target)
