"""Leaving out what no program needs when it runs: by named rules, each with a list of what it took.

Nothing is ever changed in a file: 30 of 199 shared libraries did not load after `strip`. A package's description
(.dist-info) stays, since entry points and `importlib.metadata` need it, and so does the user's own code, whose
settings have `exclude`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from crossdock.errors import UsageError
from crossdock.ship.bundle.prune_sources import (
    TEST_DIRECTORIES,
    Contents,
    file_names,
    inner_path,
    is_metadata,
    reads_stubs,
    sources,
    test_imports,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossdock.ship.bundle.model import BundledPackage, BundleFile
    from crossdock.ship.bundle.prune_sources import Source

#: Stands for every rule on the command line.
ALL = "all"

_HEADERS = (
    *(".h", ".hh", ".hpp", ".hxx", ".h++", ".cuh", ".inl", ".ipp", ".tpp"),
    *(".c", ".cc", ".cpp", ".cxx", ".c++", ".cu", ".f", ".f90", ".for"),
    *(".pyx", ".pxd", ".pxi"),
)
_BYTECODE = (".pyc", ".pyo")
_STATIC = (".a", ".la")
_STUBS = (".pyi",)
#: What a static library begins with; a file that is called so and is none stays.
_ARCHIVE = b"!<arch>\n"
#: Files named in a note before the rest is only counted.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule by name. `matches` judges a path as the wheel has it; what else must hold is in `meaning`."""

    name: str
    meaning: str
    matches: Callable[[str], bool]


def _in_tests(inner: str) -> bool:
    return not TEST_DIRECTORIES.isdisjoint(inner.split("/")[:-1])


#: In this order: a file that several rules would take counts for the first.
RULES: tuple[Rule, ...] = (
    Rule(
        name="tests",
        meaning="directories called tests, test, _tests, testsuite or SelfTest that hold test modules, unless a module "
        "outside of them imports them",
        matches=_in_tests,
    ),
    Rule(
        name="headers",
        meaning="headers and sources of C, C++, Fortran, CUDA and Cython, unless a module names the file",
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
        matches=lambda inner: inner.endswith(_BYTECODE) and inner.split("/")[-2:-1] == ["__pycache__"],
    ),
    Rule(
        name="static",
        meaning="static libraries (.a, .la), unless a module names the file",
        matches=lambda inner: inner.endswith(_STATIC),
    ),
)


class Removed(NamedTuple):
    """A file that was left out: the rule, its package, its path in the zip; bytes unzipped and, with headers, zipped."""

    rule: str
    package: str
    path: str
    size: int
    compressed: int


class Saving(NamedTuple):
    """What a rule would leave out: files, bytes unzipped and zipped. A file counts for one rule only."""

    rule: str
    files: int
    size: int
    compressed: int


class Pruned(NamedTuple):
    """What is left, what was taken, and notes about what a rule would have taken but something needs."""

    packages: list[BundledPackage]
    removed: list[Removed]
    notes: list[str]


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


def prune(packages: Sequence[BundledPackage], rules: Iterable[str]) -> Pruned:
    """Return the packages without what the named rules take.

    Never taken: the user's own code, what lies in .dist-info, and a binary outside of a directory of tests. A
    package's list of binaries loses those that were taken; RECORD is the writer's to make. Raise `UsageError`
    (E-BUNDLE-PRUNE) for an unknown rule.
    """
    chosen = rules_named(rules)
    if not chosen:
        return Pruned(list(packages), [], [])
    contents = Contents()
    judge = _Judge(packages, contents, with_tests=any(rule.name == "tests" for rule in chosen))
    taken = [judge.taken(package, chosen) for package in packages]
    gone = [{one.path for one in found} for found in taken]
    saved = _still_shared(packages, gone, judge, chosen)
    contents.let_go()
    still = {file.path for files in saved for file in files}
    dropped = {path for paths in gone for path in paths} - still
    kept = [
        _without(package, own, promoted, dropped)
        for package, own, promoted in zip(packages, gone, saved, strict=True)
    ]
    removed = [one for found in taken for one in found if one.path not in still]
    return Pruned(kept, removed, judge.notes())


def _still_shared(
    packages: Sequence[BundledPackage], gone: Sequence[set[str]], judge: _Judge, rules: Sequence[Rule]
) -> list[list[BundleFile]]:
    """Return, for each package, the files that it shares with one which loses them, and keeps: they are its own now."""
    lost = {path for paths in gone for path in paths}
    saved: list[list[BundleFile]] = []
    for package in packages:
        mine = [
            file for file in package.shared if file.path in lost and not judge.takes(package, file, rules)
        ]
        lost -= {file.path for file in mine}
        saved.append(mine)
    return saved


def possible(packages: Sequence[BundledPackage]) -> list[Saving]:
    """Return what each rule would leave out, in the order of `RULES`; added up they are what `all` saves."""
    found: dict[str, list[Removed]] = defaultdict(list)
    for one in prune(packages, [ALL]).removed:
        found[one.rule].append(one)
    return [
        Saving(
            rule.name,
            len(found[rule.name]),
            sum(one.size for one in found[rule.name]),
            sum(one.compressed for one in found[rule.name]),
        )
        for rule in RULES
    ]


def _without(
    package: BundledPackage, gone: set[str], promoted: Sequence[BundleFile], dropped: set[str]
) -> BundledPackage:
    """Return a package without the files that it loses, and with those that were another's before.

    `dropped` are those that nobody keeps.
    """
    own = {file.path for file in promoted}
    if not gone and not own and not any(file.path in dropped for file in package.shared):
        return package
    return replace(
        package,
        files=tuple(
            sorted(
                [*(file for file in package.files if file.path not in gone), *promoted],
                key=lambda file: file.path.encode(),
            )
        ),
        shared=tuple(file for file in package.shared if file.path not in own | dropped),
        binaries=tuple(binary for binary in package.binaries if binary[0] not in gone),
    )


class _Directory(NamedTuple):
    """A directory of tests: its package's place in the bundle and its path as the wheel has it."""

    package: int
    path: str

    @property
    def dotted(self) -> str:
        return self.path.replace("/", ".")


class _Judge:
    """Judges files one by one, having looked at all of the bundle's directories of tests first."""

    def __init__(self, packages: Sequence[BundledPackage], contents: Contents, *, with_tests: bool) -> None:
        self._contents = contents
        self._places = {id(package): at for at, package in enumerate(packages)}
        self._tests: set[_Directory] = set()
        for at, package in enumerate(packages):
            if package.package is not None:
                self._tests |= {_Directory(at, path) for path in test_directories(package)}
        #: Directories of tests that stay, with the file that imports them.
        self._imported: dict[_Directory, str] = self._needed_tests(packages) if with_tests else {}
        #: Rule, package, reason and path of each file that stays.
        self._stays: list[tuple[str, str, str, str]] = []

    def taken(self, package: BundledPackage, rules: Sequence[Rule]) -> list[Removed]:
        """Return what the rules take of a package."""
        if package.package is None:
            return []
        binaries = {path for path, _facts in package.binaries}
        found: list[tuple[Rule, BundleFile, str]] = []
        for file in package.files:
            inner = inner_path(package, file.path)
            rule = self._rule(package, inner, rules, is_binary=file.path in binaries)
            if rule is not None:
                found.append((rule, file, inner))
        spared = self._spared(package, found)
        return [
            Removed(rule.name, package.name, file.path, file.size, file.zipped)
            for rule, file, inner in found
            if inner not in spared
        ]

    def takes(self, package: BundledPackage, file: BundleFile, rules: Sequence[Rule]) -> bool:
        """Tell whether a rule takes a file that a package shares with another; never one of the user's own code."""
        if package.package is None:
            return False
        is_binary = any(path == file.path for path, _facts in package.binaries)
        return self._rule(package, inner_path(package, file.path), rules, is_binary=is_binary) is not None

    def notes(self) -> list[str]:
        """Return what stays although a rule would take it, and why."""
        tests = [
            f"tests: `{one.path}` stays, since `{by}` imports it"
            for one, by in sorted(self._imported.items())
        ]
        grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for rule, package, why, name in self._stays:
            grouped[rule, package, why].append(name)
        return tests + [
            f"{rule}: {package} keeps {_some(names)}, which {why}"
            for (rule, package, why), names in sorted(grouped.items())
        ]

    def _rule(
        self, package: BundledPackage, inner: str, rules: Sequence[Rule], *, is_binary: bool
    ) -> Rule | None:
        if is_metadata(inner):
            return None
        directory = self._directory(self._places[id(package)], inner)
        for rule in rules:
            if rule.name == "tests":
                if directory is not None and directory not in self._imported:
                    return rule
            elif rule.matches(inner) and not is_binary:
                return rule
        return None

    def _directory(self, at: int, inner: str) -> _Directory | None:
        """Return the outermost directory of tests that a file lies in."""
        if not _in_tests(inner):
            return None
        parts = inner.split("/")[:-1]
        around = (_Directory(at, "/".join(parts[: end + 1])) for end in range(len(parts)))
        return next((one for one in around if one in self._tests), None)

    def _spared(self, package: BundledPackage, found: Iterable[tuple[Rule, BundleFile, str]]) -> set[str]:
        """Return which of the files found stay: a module of the package names them, or reads stubs."""
        doubtful = [
            one
            for one in found
            if one[0].name in ("headers", "stubs", "static")
            # Data beside tests may be what a module reads: `files("x") / "test" / "schema.json"`.
            or (one[0].name == "tests" and not one[2].endswith((".py", *_BYTECODE)))
        ]
        if not doubtful:
            return set()
        named, keeps_stubs = self._read(package)
        spared = set()
        for rule, file, inner in doubtful:
            why = ""
            if rule.name == "stubs":
                why = "it may read when it runs" if keeps_stubs else ""
            elif inner.rpartition("/")[2] in named:
                why = "its modules name"
            elif inner.endswith(".a") and self._contents.read(file)[: len(_ARCHIVE)] != _ARCHIVE:
                # Something else by that ending is somebody's data.
                why = "is no archive"
            if why:
                spared.add(inner)
                self._stays.append((rule.name, package.name, why, inner))
        return spared

    def _read(self, package: BundledPackage) -> tuple[set[str], bool]:
        """Return the names of files that modules outside of tests have, and whether one reads stubs."""
        named: set[str] = set()
        keeps_stubs = False
        at = self._places[id(package)]
        for source in sources(package):
            directory = self._directory(at, source.path)
            if directory is None or directory in self._imported:
                content = self._contents.read(source.file)
                named |= file_names(content)
                keeps_stubs = keeps_stubs or reads_stubs(content)
        return named, keeps_stubs

    def _needed_tests(self, packages: Sequence[BundledPackage]) -> dict[_Directory, str]:
        """Return the directories of tests that something outside imports, or something in one that stays."""
        if not self._tests:
            return {}
        by_name: dict[str, list[_Directory]] = defaultdict(list)
        for directory in self._tests:
            by_name[directory.dotted].append(directory)
        inside: dict[_Directory, list[Source]] = defaultdict(list)
        waiting: list[Source] = []
        for at, package in enumerate(packages):
            for source in sources(package):
                within = None if package.package is None else self._directory(at, source.path)
                (waiting if within is None else inside[within]).append(source)
        needed: dict[_Directory, str] = {}
        while waiting:
            source = waiting.pop()
            for name in test_imports(source, self._contents.read(source.file)):
                for directory in (one for prefix in _prefixes(name) for one in by_name.get(prefix, ())):
                    # The first by path, whatever the order in which they are read.
                    if source.path < needed.get(directory, "\U0010ffff"):
                        needed[directory] = source.path
                    waiting += inside.pop(directory, ())
        return needed


def _prefixes(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def test_directories(package: BundledPackage) -> set[str]:
    """Return the directories of a package that are called like tests and in which a test module lies.

    A test module counts for the innermost of them: `data/test` beside `data/train`, and an interface such as
    `django.test`, hold none.
    """
    found = set()
    for file in (*package.files, *package.shared):
        inner = inner_path(package, file.path)
        if not _is_test_module(inner.rpartition("/")[2]) or is_metadata(inner):
            continue
        parts = inner.split("/")[:-1]
        innermost = max((at for at, part in enumerate(parts) if part in TEST_DIRECTORIES), default=None)
        if innermost is not None:
            found.add("/".join(parts[: innermost + 1]))
    return found


def _is_test_module(name: str) -> bool:
    return name.endswith(".py") and (
        name.startswith("test_") or name.endswith("_test.py") or name in ("conftest.py", "tests.py")
    )


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{listed} and {more} more" if more > 0 else listed
