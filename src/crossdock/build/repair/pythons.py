"""The Python and ABI tags that a wheel deserves (PEP 425, PEP 384)."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from crossdock.build.repair.stable import stable_since
from crossdock.errors import BuildError
from crossdock.target.tags import wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossdock.build.repair.job import RepairJob
    from crossdock.build.repair.survey import Contents, Survey
    from crossdock.target.model import Target

#: A tag's first two parts: what Python, and which ABI of it.
Pair = tuple[str, str]

_CPYTHON = re.compile(r"cp3(\d+)")


def python_tags(
    survey: Survey, contents: Contents, claimed: Iterable[str], job: RepairJob, *, native: bool
) -> tuple[Pair, ...]:
    """Return the (python, abi) tags: those that the backend claims where they are true, else the target's own.

    Libraries and programs that have no extension module with them need no certain Python: `py3-none` stands. The
    stable ABI is never claimed here, only kept. Raises `BuildError` (E-BUILD-TAG) for a wheel that the target's
    Python would not take.
    """
    pairs = sorted({(tag.split("-")[0], tag.split("-")[1]) for tag in claimed})
    if not native:
        pairs = sorted({(python, "none") for python, _ in pairs})
    elif any(survey.modules()):
        pairs = [_of_modules(survey, contents, pairs, job.target)]
    taken = {(tag.interpreter, tag.abi): rank for rank, tag in reversed([*enumerate(wheel_tags(job.target))])}
    if not any(pair in taken for pair in pairs):
        raise BuildError(
            f"`{job.what}` builds a wheel for {', '.join('-'.join(pair) for pair in pairs)}, which the target's"
            f" Python {job.target.python.short} does not take",
            code="E-BUILD-TAG",
        )
    whole = set(pairs) == set(product({one for one, _ in pairs}, {other for _, other in pairs}))
    return tuple(pairs) if whole else (min(taken.keys() & set(pairs), key=taken.__getitem__),)


def _of_modules(survey: Survey, contents: Contents, claimed: list[Pair], target: Target) -> Pair:
    """Return the tag of a wheel with extension modules."""
    python = target.python
    interpreter = f"cp{python.major}{python.minor}"
    own = (interpreter, f"{interpreter}t" if python.free_threaded else interpreter)
    stable = [pair for pair in claimed if pair[1] == "abi3" and _CPYTHON.fullmatch(pair[0])]
    if not stable or python.free_threaded:
        if own not in claimed:
            contents.tell("E-BUILD-TAG", f"claimed {_words(claimed)}; its modules are for {'-'.join(own)}")
        return own
    why, since = stable_of(survey, contents)
    if why:
        contents.tell("E-BUILD-TAG", f"claimed {_words(stable)}, which is not true: {why}")
        return own
    oldest = min(int(_CPYTHON.sub(r"\1", pair[0])) for pair in stable)
    if since > (3, oldest):
        contents.tell(
            "E-BUILD-TAG", f"claimed {_words(stable)}; its modules need Python {since[0]}.{since[1]}"
        )
        oldest = since[1]
    return (f"cp3{oldest}", "abi3")


def stable_of(survey: Survey, contents: Contents) -> tuple[str, tuple[int, int]]:
    """Return why the modules do not keep to the stable ABI, empty if they do, and the Python they need."""
    newest = (0, 0)
    for one in survey.modules():
        name = one.module
        if name is not None and name.abi and not name.abi.startswith("abi3"):
            return f"{one.name} is named for one Python", newest
        since, unstable = stable_since(one, contents)
        if unstable:
            return f"{one.name} needs {unstable}", newest
        newest = max(newest, since)
    return "", newest


def _words(pairs: list[Pair]) -> str:
    return ", ".join("-".join(pair) for pair in pairs)
