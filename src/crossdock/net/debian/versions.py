"""Debian's version numbers, compared as dpkg does (deb-version(7))."""

from __future__ import annotations

import re
from functools import cmp_to_key, lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from crossdock.errors import FetchError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Callable

# Bounded: `int` raises for numbers of thousands of digits. Debian's longest have some 60 characters.
_VERSION = re.compile(r"(?:(\d{1,9}):)?([0-9A-Za-z.+:~-]{1,256})", re.ASCII)
_PARTS = re.compile(r"([^0-9]*)([0-9]*)", re.ASCII)


@lru_cache(maxsize=4096)
def split_version(text: str) -> tuple[int, str, str]:
    """Return epoch, upstream version and revision; raise `FetchError` (E-DEBIAN-FORMAT) for no version."""
    found = _VERSION.fullmatch(text)
    if found is None or found[2].endswith("-"):
        raise FetchError(f"not a version of Debian's: `{show(text)}`", code="E-DEBIAN-FORMAT")
    upstream, dash, revision = found[2].rpartition("-")
    return int(found[1] or 0), (upstream if dash else found[2]), (revision if dash else "")


def compare_versions(first: str, second: str) -> int:
    """Return a number below, at or above zero as `first` is older than, as old as, or newer than `second`."""
    one, other = split_version(first), split_version(second)
    if one[0] != other[0]:
        return one[0] - other[0]
    return _compare(one[1], other[1]) or _compare(one[2], other[2])


#: For `sorted` and `max`.
version_key: Callable[[str], object] = cmp_to_key(compare_versions)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Tell whether `version` is in the relation `operator` to `wanted`: `<<`, `<=`, `=`, `>=`, `>>`."""
    order = compare_versions(version, wanted)
    match operator:
        case "<<":
            return order < 0
        case "<=":
            return order <= 0
        case "=":
            return order == 0
        case ">=":
            return order >= 0
        case _:
            return order > 0


def _compare(first: str, second: str) -> int:
    for (text, number), (other_text, other_number) in zip_longest(
        _PARTS.findall(first), _PARTS.findall(second), fillvalue=("", "")
    ):
        for one, other in zip_longest(text, other_text, fillvalue=""):
            if one != other:
                return _weight(one) - _weight(other)
        if int(number or 0) != int(other_number or 0):
            return int(number or 0) - int(other_number or 0)
    return 0


def _weight(character: str) -> int:
    """Weigh a character: a tilde sorts before the end, letters before all else."""
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256
