"""Whether Debian's mirror, as this machine sees it, is of one piece."""

from __future__ import annotations

import functools
import re
import urllib.request

import pytest


def require_whole_mirror(mirror: str, suite: str, architecture: str) -> None:
    """Skip where a list of packages is not the one that its release names: a proxy keeps one of them for a day."""
    named, there = _sizes(mirror, suite, architecture)
    if there not in (named, None):
        pytest.skip(
            f"Debian's mirror is being renewed: the packages of {suite} for {architecture} are not those of the release"
        )


@functools.cache
def _sizes(mirror: str, suite: str, architecture: str) -> tuple[int | None, int | None]:
    """Return the size of the list that the release names, and that of the one which is there; None where nobody says."""
    place = f"main/binary-{architecture}/Packages.xz"
    root = f"{mirror.rstrip('/')}/dists/{suite}"
    with urllib.request.urlopen(f"{root}/InRelease", timeout=60) as answer:
        found = re.search(rf"(?m)^ [0-9a-f]{{64}} +(\d+) {re.escape(place)}$", answer.read().decode())
    asked = urllib.request.Request(f"{root}/{place}", method="HEAD")
    with urllib.request.urlopen(asked, timeout=60) as answer:
        length = answer.headers.get("Content-Length")
    return (int(found[1]) if found else None), (int(length) if length else None)
