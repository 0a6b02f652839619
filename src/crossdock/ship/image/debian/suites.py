"""What is known of Debian's suites, and what a base of one is made of (`suites.toml`)."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

#: A package after the `+` that parts it from what stands before. Two of them are of a name: `libstdc++6`, `g++`.
_PACKAGE = r"\+([a-z0-9](?:[a-z0-9.-]|\+\+)*)"
_SPEC = re.compile(rf"debian:(?P<suite>[a-z][a-z0-9.-]*)(?P<packages>(?:{_PACKAGE})*)")


def suite_and_packages(spec: str) -> tuple[str, list[str]] | None:
    """Take `debian:SUITE[+PACKAGE]...` apart; None for what is no such name of a base."""
    found = _SPEC.fullmatch(spec)
    return None if found is None else (found["suite"], re.findall(_PACKAGE, found["packages"]))


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "suites.toml").read_text("utf-8"))


def python_of_suite(suite: str) -> tuple[int, int] | None:
    """Return the version of a suite's Python, None for a suite that is not known."""
    known = _table()["suites"].get(suite)
    if known is None:
        return None
    major, _dot, minor = known["python"].partition(".")
    return int(major), int(minor)


def known_suites() -> tuple[str, ...]:
    """Return the names of the suites that are known."""
    return tuple(_table()["suites"])


def roots_of(suite: str) -> dict[str, tuple[str, ...]]:
    """Return the packages of a known suite's base by layer, the lowest first."""
    python = _table()["suites"][suite]["python"]
    return {
        layer: tuple(name.format(python=python) for name in names)
        for layer, names in _table()["layers"].items()
    }


def optional_of(suite: str) -> tuple[str, ...]:
    """Return packages that belong to the standard library where the suite has them."""
    return tuple(_table()["suites"][suite].get("optional", ()))


def scripts_only() -> dict[str, frozenset[str]]:
    """Return the dependencies, by package or for all (`*`), that only installation scripts need."""
    return {name: frozenset(names) for name, names in _table()["scripts"].items()}


def library_package(soname: str) -> str:
    """Return what Debian calls the package of a library: `libxext6` for `libXext.so.6` (policy, 8.1)."""
    name, _dot, version = soname.partition(".so.")
    dash = "-" if version and name[-1:].isdigit() else ""
    return f"{name.removesuffix('.so')}{dash}{version}".lower().replace("_", "-")
