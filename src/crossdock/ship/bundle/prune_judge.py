"""Judges which files of a bundle the rules take: what something imports, names or may read stays, and why is told."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from crossdock.ship.bundle.prune_rules import BYTECODE, in_tests
from crossdock.ship.bundle.prune_sources import (
    TEST_DIRECTORIES,
    Strings,
    inner_path,
    is_metadata,
    reads_stubs,
    sources,
    test_imports,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.ship.bundle.model import BundledPackage, BundleFile
    from crossdock.ship.bundle.prune_rules import Rule
    from crossdock.ship.bundle.prune_sources import Contents, Source

#: What a static library begins with; a file that is called so and is none stays.
_ARCHIVE = b"!<arch>\n"
#: Files named in a note before the rest is only counted.
_MOST_NAMED = 3


#: Why a file stays that a module has by name.
_NAMED = "its modules name"
#: A directory for whoever compiles against a package. Every package with headers names it (`get_include`), and no place
#: for functions has a compiler.
_FOR_COMPILERS = "include"


class Removed(NamedTuple):
    """A file that was left out: the rule, its package, its path in the zip; bytes unzipped and, with headers, zipped."""

    rule: str
    package: str
    path: str
    size: int
    compressed: int


class _Directory(NamedTuple):
    """A directory of tests: its package's place in the bundle and its path as the wheel has it."""

    package: int
    path: str

    @property
    def dotted(self) -> str:
        return self.path.replace("/", ".")


class Judge:
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
            f"tests: `{one.path}` stays, since `{by}` imports or names it"
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
        if not in_tests(inner):
            return None
        parts = inner.split("/")[:-1]
        around = (_Directory(at, "/".join(parts[: end + 1])) for end in range(len(parts)))
        return next((one for one in around if one in self._tests), None)

    def _spared(self, package: BundledPackage, found: Iterable[tuple[Rule, BundleFile, str]]) -> set[str]:
        """Return which of the files found stay: a module of the package names them, or may read them."""
        doubtful = [
            one
            for one in found
            if one[0].name in ("headers", "stubs", "static")
            # Data beside tests may be what a module reads: `files("x") / "test" / "schema.json"`.
            or (one[0].name == "tests" and not one[2].endswith((".py", *BYTECODE)))
        ]
        if not doubtful:
            return set()
        strings, keeps_stubs = self._read(package)
        places = _Places(package, strings)
        spared = set()
        for rule, file, inner in doubtful:
            if rule.name == "stubs" and keeps_stubs:
                why = "it may read when it runs"
            elif rule.name == "static":
                why = self._why_static(file, inner, strings)
            else:
                why = places.why(rule.name, file.path, inner)
            if why:
                spared.add(inner)
                self._stays.append((rule.name, package.name, why, inner))
        return spared

    def _why_static(self, file: BundleFile, inner: str, strings: Strings) -> str:
        """Return why a static library stays, or nothing: a directory's name says nothing of what linkers alone read."""
        if inner.rpartition("/")[2] in strings.files:
            return _NAMED
        # Something else by that ending is somebody's data.
        is_other = inner.endswith(".a") and self._contents.read(file)[: len(_ARCHIVE)] != _ARCHIVE
        return "is no archive" if is_other else ""

    def _read(self, package: BundledPackage) -> tuple[Strings, bool]:
        """Return the strings that modules outside of tests have, and whether one reads stubs."""
        strings = Strings()
        keeps_stubs = False
        at = self._places[id(package)]
        for source in sources(package):
            directory = self._directory(at, source.path)
            if directory is None or directory in self._imported:
                content = self._contents.read(source.file)
                strings.add(content)
                keeps_stubs = keeps_stubs or reads_stubs(content)
        return strings, keeps_stubs or ".pyi" in strings.endings

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


class _Places:
    """What a package's strings may mean of its files: a name, a directory that paths are composed with, an ending."""

    def __init__(self, package: BundledPackage, strings: Strings) -> None:
        self._strings = strings
        self._binaries = {path for path, _facts in package.binaries}
        inside = [inner_path(package, file.path) for file in package.files]
        #: Directories with modules: their names are those of imports, and say nothing of files.
        self._modules = {
            inner.rpartition("/")[0]
            for file, inner in zip(package.files, inside, strict=True)
            if inner.endswith(".py") or file.path in self._binaries
        }

    def why(self, rule: str, path: str, inner: str) -> str:
        """Return why a file that a rule takes stays, or nothing."""
        directory, _slash, name = inner.rpartition("/")
        if name in self._strings.files:
            return _NAMED
        if path in self._binaries:
            return ""  # Extension modules are imported, not read.
        if any(name.endswith(ending) for ending in self._strings.endings):
            return "its modules may read, since they name the ending"
        parts = directory.split("/")
        if rule == "headers" and _FOR_COMPILERS in parts:
            return ""
        around = ("/".join(parts[: end + 1]) for end in range(len(parts)))
        data = (part for part, place in zip(parts, around, strict=True) if self._is_data(part, place))
        return "its modules may read, since they name the directory" if any(data) else ""

    def _is_data(self, part: str, place: str) -> bool:
        known = part in self._strings.words
        return known and (place not in self._modules or part in TEST_DIRECTORIES)


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
