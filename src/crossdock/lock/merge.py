"""Joins resolutions with and without extras and groups into one lock (PEP 751, multi-use locks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Variant:
    """A resolution that has one extra or group more than the base: `condition` is its marker."""

    condition: str
    negation: str
    packages: Sequence[Mapping[str, Any]]

    @classmethod
    def of_extra(cls, name: str, packages: Sequence[Mapping[str, Any]]) -> Variant:
        """Return what an extra gives."""
        return cls(f"'{name}' in extras", f"'{name}' not in extras", packages)

    @classmethod
    def of_group(cls, name: str, packages: Sequence[Mapping[str, Any]]) -> Variant:
        """Return what a dependency group gives."""
        return cls(f"'{name}' in dependency_groups", f"'{name}' not in dependency_groups", packages)


def merge(base: Sequence[Mapping[str, Any]] | None, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """Return the packages of one lock, each with a marker that says with which extras or groups it is needed.

    What the base needs, every variant needs too, unless the variant takes another version (conflicting
    extras): then the base's entry is for the time when that variant is not asked for.
    """
    entries: dict[tuple[str, ...], dict[str, Any]] = {}
    terms: dict[tuple[str, ...], list[str]] = {}
    keys_of = [{_identity(package) for package in variant.packages} for variant in variants]
    for package in base or ():
        key = _identity(package)
        dropped = [v.negation for v, keys in zip(variants, keys_of, strict=True) if key not in keys]
        entries[key] = dict(package)
        terms.setdefault(key, []).append(_all([package.get("marker", ""), *dropped]))
    for variant in variants:
        for package in variant.packages:
            key = _identity(package)
            marker = package.get("marker", "")
            entry = entries.setdefault(key, dict(package))
            if marker in terms.get(key, ()) or "" in terms.get(key, ()):
                continue
            _complete(entry, package)
            terms.setdefault(key, []).append(_all([variant.condition, marker]))
    return [_with_marker(entry, terms[key]) for key, entry in entries.items()]


def _identity(package: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell entries apart: by version from an index, by place otherwise; forks with other files stay apart."""
    source = next((str(package[key]) for key in ("vcs", "directory", "archive") if key in package), "")
    return (package["name"], str(package.get("version", "")), str(package.get("index", "")), source)


def _complete(entry: dict[str, Any], package: Mapping[str, Any]) -> None:
    """Add the files that only this resolution lists for the same version."""
    known = {str(wheel) for wheel in entry.get("wheels", ())}
    more = [wheel for wheel in package.get("wheels", ()) if str(wheel) not in known]
    if more:
        entry["wheels"] = [*entry.get("wheels", ()), *more]
    if "sdist" in package:
        entry.setdefault("sdist", package["sdist"])


def _all(terms: list[str]) -> str:
    kept = [term for term in terms if term]
    if len(kept) == 1:
        return kept[0]
    return " and ".join(f"({term})" if " or " in term else term for term in kept)


def _with_marker(entry: dict[str, Any], terms: list[str]) -> dict[str, Any]:
    entry.pop("marker", None)
    if "" not in terms:
        unique = list(dict.fromkeys(terms))
        # One entry of a name per set of files: any of the terms calls for it.
        entry["marker"] = unique[0] if len(unique) == 1 else " or ".join(f"({term})" for term in unique)
    return entry
