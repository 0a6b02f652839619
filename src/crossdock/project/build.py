"""`[tool.crossdock.build]`: how packages are built from source, all of them and one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from crossdock.build.model import PackageSettings
from crossdock.errors import UsageError
from crossdock.project.checked import boolean, known_key, number, text, texts, texts_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_GLIBC = re.compile(r"(\d{1,2})\.(\d{1,3})", re.ASCII)
_RELEASE = re.compile(r"[a-z][a-z-]{1,30}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """The keys of `[tool.crossdock.build]`, with dashes there and underscores here.

    `cross` says whether anything is compiled at all, `glibc` which one it is compiled for, `release` which release of
    Debian libraries come from where a package does not say, `target_python` a directory with the target's Python,
    `sysroot` one with its libraries, both seen from the project. `seconds` and `memory` (in MiB) limit each command of a
    build where a package does not say. `packages` are the tables `[tool.crossdock.build.NAME]` by normalized name.
    """

    cross: bool = True
    glibc: tuple[int, int] | None = None
    release: str | None = None
    allow_unsandboxed: bool = False
    target_python: str | None = None
    sysroot: str | None = None
    executor: str | None = None
    seconds: int | None = None
    memory: int | None = None
    packages: Mapping[str, PackageSettings] = field(default_factory=dict)

    def of(self, name: str, directory: Path) -> PackageSettings:
        """Return the settings of a package by its normalized name; relative paths are seen from `directory`."""
        found = self.packages.get(name, PackageSettings())
        if found.sysroot is not None:
            found = replace(found, sysroot=str(directory / found.sysroot))
        return replace(
            found,
            release=self.release if found.release is None else found.release,
            seconds=self.seconds if found.seconds is None else found.seconds,
            memory=self.memory if found.memory is None else found.memory,
        )

    def key(self) -> dict[str, Any]:
        """Return what decides results, JSON-ready."""
        packages = {name: [one.key(), one.sysroot] for name, one in sorted(self.packages.items())}
        return {
            "cross": self.cross,
            "glibc": self.glibc,
            "release": self.release,
            "target-python": self.target_python,
            "sysroot": self.sysroot,
            "packages": packages,
        }

    @property
    def names_directories(self) -> bool:
        """Whether a directory on this disk is part of it, which may change under one name."""
        own = self.target_python is not None or self.sysroot is not None
        return own or any(one.sysroot is not None for one in self.packages.values())


def parse_build_settings(table: object, *, where: str) -> BuildSettings:
    """Check the table; `where` names it in errors. Raise `UsageError` for an unknown key or a wrong value.

    A table in it is a package's, whatever its name; all else is a general key.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table", code="E-SETTINGS-TYPE")
    values: dict[str, Any] = {}
    packages: dict[str, PackageSettings] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            name = re.sub(r"[-_.]+", "-", key).lower()
            if name in packages:
                raise UsageError(f"{where} has `{name}` in two spellings", code="E-SETTINGS-BUILD")
            packages[name] = _package(value, f"{where.partition(':')[0]}: [tool.crossdock.build.{key}]")
            continue
        known_key(key, [name.replace("_", "-") for name in _GENERAL], where)
        name = key.replace("-", "_")
        values[name] = _GENERAL[name](value, f"{where}: `{key}`")
    return BuildSettings(**values, packages=packages)


def _package(table: dict[str, Any], where: str) -> PackageSettings:
    if "patches" in table:
        raise UsageError(
            f"{where}: `patches` is refused: what is built is what the author published",
            code="E-SETTINGS-PATCHES",
            hint="put the changed sources into a source distribution of your own, with a version of its own",
        )
    values = {}
    for key, value in table.items():
        known_key(key, [name.replace("_", "-") for name in _PACKAGE], where)
        name = key.replace("-", "_")
        values[name] = _PACKAGE[name](value, f"{where}: `{key}`")
    return PackageSettings(**values)


def parse_glibc(value: str, where: str) -> tuple[int, int]:
    """Read a version of glibc such as `2.17`; raise `UsageError` (E-SETTINGS-VALUE)."""
    found = _GLIBC.fullmatch(value)
    if found is None or int(found[1]) != 2:  # noqa: PLR2004 - glibc 1 was never in a manylinux
        raise UsageError(
            f"{where} is no version of glibc: `{value}`", code="E-SETTINGS-VALUE", hint="for example 2.17"
        )
    return int(found[1]), int(found[2])


def parse_config_setting(word: str, into: dict[str, str | list[str]]) -> None:
    """Add `KEY=VALUE` to config settings (PEP 517); a key given again becomes a list, as with pip."""
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise UsageError(f"not a config setting: `{word}`", code="E-SETTINGS-VALUE", hint="write KEY=VALUE")
    known = into.get(key)
    if known is None:
        into[key] = value
    else:
        into[key] = [*(known if isinstance(known, list) else [known]), value]


def _glibc(value: object, where: str) -> tuple[int, int]:
    return parse_glibc(text(value, where), where)


def _release(value: object, where: str) -> str:
    name = text(value, where)
    if not _RELEASE.fullmatch(name):
        raise UsageError(
            f"{where} is no release of Debian: `{name}`", code="E-SETTINGS-VALUE", hint="for example bookworm"
        )
    return name


def _config_settings(value: object, where: str) -> dict[str, str | list[str]]:
    if isinstance(value, dict) and all(
        isinstance(item, str) or (isinstance(item, list) and all(isinstance(one, str) for one in item))
        for item in value.values()
    ):
        return value
    raise UsageError(f"{where} must be a table of strings and lists of strings", code="E-SETTINGS-TYPE")


def _environment(value: object, where: str) -> dict[str, str]:
    found = texts_by_name(value, where)
    wrong = [name for name in found if not _VARIABLE.fullmatch(name)]
    if wrong:
        raise UsageError(f"{where} has no name of a variable: `{wrong[0]}`", code="E-SETTINGS-VALUE")
    return found


def parse_requirements(words: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Check build requirements (PEP 508); raise `UsageError` (E-SETTINGS-VALUE)."""
    from packaging.requirements import InvalidRequirement, Requirement

    for word in words:
        try:
            Requirement(word)
        except InvalidRequirement as error:
            raise UsageError(
                f"{where} has no requirement: `{word}`: {error}", code="E-SETTINGS-VALUE"
            ) from error
    return words


_GENERAL: dict[str, Callable[[object, str], object]] = {
    "cross": boolean,
    "glibc": _glibc,
    "release": _release,
    "allow_unsandboxed": boolean,
    "target_python": text,
    "sysroot": text,
    "executor": text,
    "seconds": number,
    "memory": number,
}
_PACKAGE: dict[str, Callable[[object, str], Any]] = {
    "libraries": texts,
    "config_settings": _config_settings,
    "environment": _environment,
    "requires": lambda value, where: parse_requirements(texts(value, where), where),
    "sysroot": text,
    "pure": boolean,
    "release": _release,
    "seconds": number,
    "memory": number,
}
assert set(_PACKAGE) == {item.name for item in fields(PackageSettings)}  # noqa: S101 - one key for each setting
