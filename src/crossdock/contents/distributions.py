"""The distributions that lie in something: their names, the tags they claim, and the files that are theirs."""

from __future__ import annotations

import csv
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossdock.contents.collect import Contents

_DIST_INFO = re.compile(r"(?P<root>(?:.*/)?)(?P<name>[^/]+?)-(?P<version>[^/-]+)\.dist-info/(?P<file>[^/]+)")
_MOST_ROWS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed project or wheel: `root` is where imports start for it (empty or ending with `/`)."""

    name: str
    version: str
    root: str
    dist_info: str
    tags: tuple[str, ...]


def find_distributions(contents: Contents) -> tuple[tuple[Distribution, ...], dict[str, Distribution]]:
    """Return the distributions and the owner of each path that a RECORD lists.

    Installed projects and wheels look alike: METADATA, WHEEL and RECORD in a `*.dist-info` directory.
    """
    found = []
    owners: dict[str, Distribution] = {}
    for path in contents.files:
        match = _DIST_INFO.fullmatch(path)
        if match is None or match["file"] not in {"METADATA", "WHEEL"}:
            continue
        directory = path.rpartition("/")[0]
        if match["file"] == "WHEEL" and f"{directory}/METADATA" in contents.files:
            continue  # counted once
        distribution = Distribution(
            name=match["name"],
            version=match["version"],
            root=match["root"],
            dist_info=directory,
            tags=_tags(_text(contents, f"{directory}/WHEEL")),
        )
        found.append(distribution)
        for owned in _recorded(_text(contents, f"{directory}/RECORD"), distribution):
            owners.setdefault(owned, distribution)
    return tuple(found), owners


def _text(contents: Contents, path: str) -> str:
    file = contents.files.get(path)
    return "" if file is None or file.text is None else file.text.decode("utf-8", "replace")


def _tags(wheel: str) -> tuple[str, ...]:
    """Return the `Tag:` fields of a WHEEL file (binary distribution format)."""
    pairs = (line.partition(":") for line in wheel.splitlines())
    return tuple(value.strip() for key, _, value in pairs if key.strip().lower() == "tag")


def _recorded(record: str, distribution: Distribution) -> list[str]:
    rows = csv.reader(record.splitlines()[:_MOST_ROWS])
    try:
        return [posixpath.normpath(distribution.root + row[0].replace("\\", "/")) for row in rows if row]
    except csv.Error:
        return []
