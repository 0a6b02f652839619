"""The named rules of what programs hardly ever need when they run; each judges a path as the wheel has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.ship.bundle.prune_sources import TEST_DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Stands for every rule on the command line.
ALL = "all"

_HEADERS = (
    *(".h", ".hh", ".hpp", ".hxx", ".h++", ".cuh", ".inl", ".ipp", ".tpp"),
    *(".c", ".cc", ".cpp", ".cxx", ".c++", ".cu", ".f", ".f90", ".for"),
    *(".pyx", ".pxd", ".pxi"),
)
#: Endings of compiled modules.
BYTECODE = (".pyc", ".pyo")
_STATIC = (".a", ".la")
_STUBS = (".pyi",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule by name. `matches` judges a path as the wheel has it; what else must hold is in `meaning`."""

    name: str
    meaning: str
    matches: Callable[[str], bool]


def in_tests(inner: str) -> bool:
    """Tell whether a path lies in a directory that is called like one of tests."""
    return not TEST_DIRECTORIES.isdisjoint(inner.split("/")[:-1])


#: In this order: a file that several rules would take counts for the first.
RULES: tuple[Rule, ...] = (
    Rule(
        name="tests",
        meaning="directories called tests, test, _tests, testsuite or SelfTest that hold test modules, unless a module "
        "outside of them imports or names them",
        matches=in_tests,
    ),
    Rule(
        name="headers",
        meaning="headers and sources of C, C++, Fortran, CUDA and Cython, unless a module names or may read them",
        matches=lambda inner: inner.lower().endswith(_HEADERS),
    ),
    Rule(
        name="stubs",
        meaning="type stubs (.pyi), unless the package reads stubs when it is imported",
        matches=lambda inner: inner.endswith(_STUBS),
    ),
    Rule(
        name="pycache",
        meaning="bytecode in __pycache__ that a wheel brings along; not what --bytecode makes",
        matches=lambda inner: inner.endswith(BYTECODE) and inner.split("/")[-2:-1] == ["__pycache__"],
    ),
    Rule(
        name="static",
        meaning="static libraries (.a, .la), unless a module names the file",
        matches=lambda inner: inner.endswith(_STATIC),
    ),
)


def rules_named(names: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules with these names (`all`: every one) in their order; `UsageError` (E-BUNDLE-PRUNE) else."""
    wanted = list(names)
    known = {rule.name for rule in RULES} | {ALL}
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"no rule for pruning is called `{name}`",
                code="E-BUNDLE-PRUNE",
                places=[f"{rule.name}: {rule.meaning}" for rule in RULES],
                hint="`--prune all` takes every rule",
            )
    return tuple(rule for rule in RULES if ALL in wanted or rule.name in wanted)
