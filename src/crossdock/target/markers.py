"""PEP 508 markers in a target's environment, with three answers: true, false, and "the target does not say".

`packaging` fills a variable that is missing from this machine's; here every variable is always given, and
what the target leaves open is never guessed (Kleene's logic; the patch version slice by slice).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from crossdock.errors import TargetError
from crossdock.target.model import Arch, Implementation, Os, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

#: Every variable of PEP 508 that describes the environment.
VARIABLES = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)

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
_LAST_PATCH = 9999


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
        # On CPython it equals the Python version; PyPy's own is not part of a target.
        "implementation_version": python.full if python.implementation is Implementation.CPYTHON else None,
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
    return tuple(values.items())


def environment(target: Target) -> dict[str, str | None]:
    """Return all eleven variables of PEP 508 for `target`; None for each that it leaves open."""
    return dict(_environment(target))


def _machine(target: Target) -> str:
    match target.os:
        case Os.WINDOWS:
            return _WINDOWS_MACHINE.get(target.arch, str(target.arch))
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
    from packaging.markers import Marker

    tree = _tree(Marker(text))
    variables = set(_variables(tree))
    values: dict[str, Any] = {**dict(_environment(target)), **dict(known)}
    unknown = variables - values.keys()
    if unknown:
        raise TargetError(
            f"the marker `{text}` asks for `{min(unknown)}`, which has no meaning here",
            code="E-TARGET-MARKER",
        )
    if "python_full_version" in variables or "implementation_version" in variables:
        return _by_slices(text, tree, values, target)
    truth, variable = _kleene(tree, values)
    return _answer(truth, variable, text, target)


def _answer(truth: bool | None, variable: str | None, text: str, target: Target) -> Answer:
    if truth is not None:
        return TRUE if truth else FALSE
    return Answer(
        truth=None,
        variable=variable,
        explanation=f"`{text}` depends on {variable}, which {target.name or 'the target'} leaves open;"
        f" set it in a target file: [markers] {variable} = ...",
    )


# packaging has no public syntax tree; this function is the only one that knows the private one, and a test
# pins its shape (pypa/packaging#448 asks for a public one).
def _tree(marker: Marker) -> list[Any]:
    """Return nested lists of `(left, operator, right)` atoms and the words `and`, `or`; a side is (is_variable, text)."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(item) for item in node]
        if isinstance(node, tuple):
            left, operator, right = node
            return (_side(left), operator.serialize(), _side(right))
        return node

    return [plain(item) for item in marker._markers]  # noqa: SLF001


def _side(node: Any) -> tuple[bool, str]:
    return (type(node).__name__ == "Variable", str(node.value))


def _variables(tree: Sequence[Any]) -> Iterator[str]:
    for node in tree:
        if isinstance(node, list):
            yield from _variables(node)
        elif isinstance(node, tuple):
            yield from (text for is_variable, text in (node[0], node[2]) if is_variable)


def _kleene(tree: Sequence[Any], values: Mapping[str, Any]) -> tuple[bool | None, str | None]:
    """Evaluate with unknown values: false and unknown is false, true or unknown is true."""
    groups: list[list[tuple[bool | None, str | None]]] = [[]]
    for node in tree:
        if node == "or":
            groups.append([])
        elif isinstance(node, list):
            groups[-1].append(_kleene(node, values))
        elif isinstance(node, tuple):
            groups[-1].append(_atom(node, values))
    conjunctions = [_all(group) for group in groups]
    if any(truth for truth, _ in conjunctions):
        return True, None
    for truth, variable in conjunctions:
        if truth is None:
            return None, variable
    return False, None


def _all(group: Sequence[tuple[bool | None, str | None]]) -> tuple[bool | None, str | None]:
    if any(truth is False for truth, _ in group):
        return False, None
    for truth, variable in group:
        if truth is None:
            return None, variable
    return True, None


def _atom(node: tuple[Any, str, Any], values: Mapping[str, Any]) -> tuple[bool | None, str | None]:
    (left_is, left), operator, (right_is, right) = node
    name = left if left_is else right
    value = values[name]
    if value is None:
        return None, name
    if isinstance(value, frozenset):
        return _compare(left, operator, right, left_is, right_is, name, value), None
    return _compare(left, operator, right, left_is, right_is, name, str(value)), None


@lru_cache(maxsize=65536)
def _compare(
    left: str,
    operator: str,
    right: str,
    left_is: bool,
    right_is: bool,
    name: str,
    value: str | frozenset[str],
) -> bool:
    """Compare by packaging's own rules, one atom at a time, every variable given."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison

    text = f"{_word(left, left_is)} {operator} {_word(right, right_is)}"
    context: Any = "lock_file" if isinstance(value, frozenset) else "metadata"
    full: dict[str, Any] = {**dict.fromkeys(VARIABLES, ""), "python_full_version": "0", name: value}
    try:
        return Marker(text).evaluate(full, context=context)
    except (UndefinedComparison, InvalidMarker) as error:
        raise TargetError(
            f"the marker `{text}` compares what has no order: {error}", code="E-TARGET-MARKER"
        ) from error


def _word(text: str, is_variable: bool) -> str:
    if is_variable:
        return text
    return f"'{text}'" if "'" not in text else f'"{text}"'


def _by_slices(text: str, tree: Sequence[Any], values: dict[str, Any], target: Target) -> Answer:
    """Evaluate the whole marker once for each slice of patch versions that it can tell apart."""
    if values["python_full_version"] is not None:
        if (
            values["implementation_version"] is None
            and target.python.implementation is Implementation.CPYTHON
        ):
            values = {**values, "implementation_version": values["python_full_version"]}
        truth, variable = _kleene(tree, values)
        return _answer(truth, variable, text, target)
    found: list[tuple[int, bool | None, str | None]] = []
    for patch in _patches(_texts(tree), target):
        full = f"{target.python.short}.{patch}"
        slice_values = {**values, "python_full_version": full}
        if (
            target.python.implementation is Implementation.CPYTHON
            and values["implementation_version"] is None
        ):
            slice_values["implementation_version"] = full
        found.append((patch, *_kleene(tree, slice_values)))
    truths = {truth for _, truth, _ in found}
    if truths == {True} or truths == {False}:
        return TRUE if True in truths else FALSE
    for _, truth, variable in found:
        if truth is None:
            return _answer(None, variable, text, target)
    return _turning(text, found, target)


def _texts(tree: Sequence[Any]) -> Iterator[str]:
    for node in tree:
        if isinstance(node, list):
            yield from _texts(node)
        elif isinstance(node, tuple):
            yield from (text for is_variable, text in (node[0], node[2]) if not is_variable)


def _patches(texts: Iterator[str] | Sequence[str], target: Target) -> list[int]:
    """Return a patch version of every slice: 0, each that is written in the marker and its neighbours, the last."""
    import re

    patches = {0, _LAST_PATCH}
    pattern = re.compile(rf"(?<![\d.]){target.python.major}\.{target.python.minor}\.(\d+)")
    for text in texts:
        for found in pattern.findall(text):
            if len(found) <= len(str(_LAST_PATCH)):
                patches.update({max(0, int(found) - 1), int(found), int(found) + 1})
    return sorted(patches)


def _turning(text: str, found: Sequence[tuple[int, bool | None, str | None]], target: Target) -> Answer:
    first = found[0][1]
    turn = next(patch for patch, truth, _ in found if truth is not first)
    short = target.python.short
    side = f"true from {short}.{turn} on" if not first else f"true up to {short}.{turn - 1}"
    return Answer(
        truth=None,
        variable="python_full_version",
        explanation=f"`{text}` is {side}; give the patch version, for example --python {short}.{turn}",
    )


def satisfies(specifier: SpecifierSet, target: Target) -> Answer:
    """Return whether the target's Python satisfies a `requires-python`; None if its open patch decides."""
    return _satisfies(str(specifier), target.python.full, target)


@lru_cache(maxsize=16384)
def _satisfies(text: str, full: str | None, target: Target) -> Answer:
    from packaging.specifiers import SpecifierSet

    specifier = SpecifierSet(text)
    if full is not None:
        return TRUE if specifier.contains(full, prereleases=True) else FALSE
    found: list[tuple[int, bool | None, str | None]] = [
        (patch, specifier.contains(f"{target.python.short}.{patch}", prereleases=True), None)
        for patch in _patches([text], target)
    ]
    truths = {truth for _, truth, _ in found}
    if len(truths) == 1:
        return TRUE if True in truths else FALSE
    return _turning(f"python {text}", found, target)
