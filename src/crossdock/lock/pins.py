"""Constraint lines for uv: the versions of an answer, so that a second question gets the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def pins_of(packages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return constraints that allow just what `packages` of an index are; a fork keeps its marker."""
    names = [package["name"] for package in packages]
    return [
        f"{package['name']}=={package['version']}"
        + (f" ; {package['marker']}" if "marker" in package and names.count(package["name"]) > 1 else "")
        for package in packages
        if "version" in package and ("wheels" in package or "sdist" in package)
    ]


def stated_versions(project: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the packages whose metadata the project states (`tool.uv.dependency-metadata`), with the version.

    None stands for every version. A package with several entries is left out: a version between them would
    have to be built.
    """
    from packaging.utils import canonicalize_name

    tool = project.get("tool", {})
    entries = tool.get("uv", {}).get("dependency-metadata", []) if isinstance(tool, dict) else []
    named = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
    names = [canonicalize_name(entry["name"]) for entry in named]
    return {
        name: entry.get("version") for name, entry in zip(names, named, strict=True) if names.count(name) == 1
    }
