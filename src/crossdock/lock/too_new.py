"""Wheels that only their glibc keeps off a target: which one came nearest, and what to say of it (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.lock.model import LockedWheel
from crossdock.lock.why import glibc_needed
from crossdock.target.model import LibcKind

if TYPE_CHECKING:
    from crossdock.lock.demands import Advice
    from crossdock.lock.select import Choice
    from crossdock.target.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TooNew:
    """A locked wheel that is for the target's Python and CPU, and asks for a newer `glibc` (major, minor)."""

    choice: Choice
    wheel: LockedWheel
    glibc: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolNeed:
    """The newest symbol version that a wheel's binaries ask for of glibc's `library`, and a file that does.

    `symbol` is one that carries it, empty if none was found; `files` counts the files that ask for that version.
    """

    version: str
    library: str
    symbol: str
    path: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a wheel's own binaries say: `need` is None where they ask for no version of glibc, `fits` that all would load.

    `problem` says what keeps them off the target where that is not glibc.
    """

    need: SymbolNeed | None
    fits: bool
    problem: str = ""


def too_new(choice: Choice) -> TooNew | None:
    """Return the wheel of a package that lacks the least: glibc alone, and of that the smallest step; None if none."""
    package = choice.package
    archive = package.archive
    wheels = (archive,) if isinstance(archive, LockedWheel) else package.wheels
    if not choice.policy.allows_wheel(choice.name):
        return None
    found = [
        TooNew(choice=choice, wheel=wheel, glibc=glibc)
        for wheel in wheels
        if (glibc := glibc_needed(wheel, choice.target)) is not None
    ]
    return min(found, key=lambda one: (one.glibc, one.wheel.filename), default=None)


def explain_too_new(
    one: TooNew, looked: Looked | None, advice: Advice | None, *, after: str = ""
) -> tuple[str, ...]:
    """Return lines that say what a wheel needs, file and symbol, and which version does not need it.

    `looked` is None where nobody looked into the wheel, `advice` where no index was asked. What `after`, the text
    before these lines, says of the wheel is not said again.
    """
    lines = []
    if one.wheel.filename not in after:
        has = _has(one.choice.target)
        lines.append(f"{one.wheel.filename} needs glibc {_dotted(one.glibc)}, the target has {has}")
    if looked is not None:
        lines.append(_what_it_needs(one, looked))
    if advice is not None:
        lines.append(_what_to_take(one, advice))
    return tuple(lines)


def _what_to_take(one: TooNew, advice: Advice) -> str:
    newest = advice.newest
    if newest is None:
        return f"no version of {one.choice.name} on the index has a wheel that fits"
    found = f"{newest.version} ({newest.filename})"
    if advice.held:
        return f"newest version with a wheel that fits and that the lock allows: {found}; {advice.held[0]}"
    against = f", but {advice.against[0]}" if advice.against else ""
    return f"newest version with a wheel that fits: {found}{against}"


def _what_it_needs(one: TooNew, looked: Looked) -> str:
    target, need = one.choice.target, looked.need
    if looked.fits:
        most = f"nothing newer than {need.version}" if need is not None else "no version of glibc"
        return f"its binaries ask for {most} and would run on {_has(target)}: only its tag is too new"
    if looked.problem or need is None:
        return looked.problem
    symbol = f" ({need.symbol})" if need.symbol else ""
    others = need.files - 1
    more = f"; so {'does 1 more file' if others == 1 else f'do {others} more files'}" if others else ""
    return f"{need.path} needs {need.version} of {need.library}{symbol}{more}"


def _has(target: Target) -> str:
    libc = target.libc
    assert libc is not None and libc.kind is LibcKind.GLIBC, "only such a target has wheels that are too new"  # noqa: S101, PT018
    return f"{libc.major}.{libc.minor}"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
