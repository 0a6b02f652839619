"""Leaving out what programs hardly ever need when they run: by named rules, each with a list of what it took.

Nothing is ever changed in a file: 30 of 199 shared libraries did not load after `strip`. A package's description
(.dist-info) stays, since entry points and `importlib.metadata` need it, and so does the user's own code, whose
settings have `exclude`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from crossdock.ship.bundle.prune_judge import Judge, Removed
from crossdock.ship.bundle.prune_rules import ALL, RULES, rules_named
from crossdock.ship.bundle.prune_sources import Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossdock.ship.bundle.model import BundledPackage, BundleFile
    from crossdock.ship.bundle.prune_rules import Rule


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
    judge = Judge(packages, contents, with_tests=any(rule.name == "tests" for rule in chosen))
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
    packages: Sequence[BundledPackage], gone: Sequence[set[str]], judge: Judge, rules: Sequence[Rule]
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
