"""Directories that are outputs and no sources, known by their form on any machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: What says of a directory that it is an environment, an OCI layout, a shipment or a wheelhouse of ours.
_MARKS = ("pyvenv.cfg", "oci-layout", ".crossdock.json", ".crossdock-wheelhouse")
#: What `crossdock bazel` writes has these.
_BAZEL = ("lock.json", "packer.zip", "repositories.bzl")
#: A wheelhouse has these, whether or not the version that wrote it left a mark.
MANIFEST, _INDEX = "manifest.json", "simple/index.html"
_KEYS = frozenset({"form", "distributions", "locks"})
#: A wheelhouse of 100,000 files has a manifest of some 50 MB.
_LIMIT = 256 << 20


def is_output(directory: Path) -> bool:
    """Tell whether a directory was written by a tool: nothing below it is a source."""
    return (
        any((directory / mark).is_file() for mark in _MARKS)
        or all((directory / name).is_file() for name in _BAZEL)
        or is_wheelhouse(directory)
    )


def is_wheelhouse(directory: Path) -> bool:
    """Tell whether a directory is a wheelhouse that `crossdock mirror` wrote."""
    if (directory / _MARKS[-1]).is_file():
        return True
    if not ((directory / _INDEX).is_file() and (directory / MANIFEST).is_file()):
        return False
    try:
        with (directory / MANIFEST).open("rb") as file:
            return is_wheelhouse_manifest(file.read(_LIMIT))
    except OSError:
        return False


def is_wheelhouse_manifest(content: bytes) -> bool:
    """Tell whether a manifest.json is that of a wheelhouse: many other things are called so."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() >= _KEYS
