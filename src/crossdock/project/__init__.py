"""The user's project: its metadata and `[tool.crossdock]` in pyproject.toml, the latter read strictly."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from crossdock.build.metadata import ProjectMetadata, project_metadata
from crossdock.errors import UsageError
from crossdock.project.build import BuildSettings, parse_build_settings
from crossdock.project.bundle import BundleSettings, parse_bundle_settings
from crossdock.project.check import CheckSettings, parse_check_settings
from crossdock.project.checked import boolean, known_key, text, texts
from crossdock.project.image import ImageSettings, image_additions, image_options, parse_image_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = [
    "FILE_LIMIT",
    "NEWEST_STABLE_MINOR",
    "BuildSettings",
    "BundleSettings",
    "CheckSettings",
    "ImageSettings",
    "Project",
    "ProjectMetadata",
    "Settings",
    "choose_python",
    "image_additions",
    "image_options",
    "parse_settings",
    "read_project",
]

#: The newest CPython minor with a stable release, for projects that do not say. Source: the release
#: schedule, PEP 790 (3.15.0: October 2026). Read 2026-11-22.
NEWEST_STABLE_MINOR = 15
OLDEST_MINOR = 9

#: Patch releases that a minor version may have; 3.9 had 25. 99 stands for those to come.
_PATCHES = range(30)

#: Tables whose key is no field's name.
_KEYS = {"bundle": "lambda"}

#: A settings or requirements file larger than this is not one.
FILE_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project always says: the keys of `[tool.crossdock]`, with dashes there and underscores here."""

    targets: tuple[str, ...] = ()
    python: str | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    allow_build: tuple[str, ...] = ()
    allow_bad_record: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    link_mode: str | None = None
    python_path: str | None = None
    prefer_wheels: bool = False
    #: Targets by a name of the user's own, each a table as a target file holds it.
    target: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    image: ImageSettings = field(default_factory=ImageSettings)
    build: BuildSettings = field(default_factory=BuildSettings)
    #: The table `lambda`, which is no name in Python.
    bundle: BundleSettings = field(default_factory=BundleSettings)
    check: CheckSettings = field(default_factory=CheckSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project directory as far as the command line needs it."""

    directory: Path
    settings: Settings = field(default_factory=Settings)
    requires_python: str | None = None
    python_version_file: str | None = None
    metadata: ProjectMetadata = field(default_factory=ProjectMetadata)


def read_project(directory: Path) -> Project:
    """Read `pyproject.toml` and `.python-version` of `directory`; either may be missing.

    Raises `UsageError` for a file that is not TOML, for an unknown key (with the nearest known one) and for a
    value of the wrong type.
    """
    path = directory / "pyproject.toml"
    if path.exists() and not (path.is_file() or path.is_dir()):
        # uv, which looks for it too, would wait for ever.
        raise UsageError(
            f"`{path}` is a pipe or a device and no file",
            code="E-SETTINGS-TOML",
            hint="write the settings to a file of that name, or remove it",
        )
    document = _read_toml(path) if path.is_file() else {}
    project = document.get("project", {})
    requires = project.get("requires-python") if isinstance(project, dict) else None
    tool = document.get("tool", {})
    table = tool.get("crossdock", {}) if isinstance(tool, dict) else {}
    return Project(
        directory=directory,
        settings=parse_settings(table, where=f"{path}: [tool.crossdock]"),
        requires_python=requires if isinstance(requires, str) else None,
        python_version_file=_python_version_file(directory),
        metadata=project_metadata(document),
    )


def _read_toml(path: Path) -> dict[str, Any]:
    if path.stat().st_size > FILE_LIMIT:
        raise UsageError(f"`{path}` is larger than {FILE_LIMIT >> 20} MiB", code="E-SETTINGS-SIZE")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` is not TOML: {error}", code="E-SETTINGS-TOML") from error
    except RecursionError as error:
        raise UsageError(f"`{path}` is nested too deeply", code="E-SETTINGS-TOML") from error


def _python_version_file(directory: Path) -> str | None:
    """Return the first version that `.python-version` names, as pyenv and uv read it."""
    path = directory / ".python-version"
    if not path.is_file() or path.stat().st_size > FILE_LIMIT:
        return None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            return text.removeprefix("cpython-").removeprefix("cpython@")
    return None


def parse_settings(table: object, *, where: str) -> Settings:
    """Check a `[tool.crossdock]` table and return its settings; `where` names it in errors."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table", code="E-SETTINGS-TYPE")
    names = {_KEYS.get(item.name, item.name.replace("_", "-")): item for item in fields(Settings)}
    kinds = {key: str(item.type) for key, item in names.items()}
    values: dict[str, Any] = {}
    for key, value in table.items():
        known_key(key, kinds, where)
        values[names[key].name] = _value(value, kinds[key], f"{where}: `{key}`")
    return Settings(**values)


#: The tables by the type of their settings.
_TABLES: dict[str, Callable[..., object]] = {
    "BuildSettings": parse_build_settings,
    "BundleSettings": parse_bundle_settings,
    "CheckSettings": parse_check_settings,
    "ImageSettings": parse_image_settings,
}


def _value(value: object, kind: str, where: str) -> object:
    if kind in _TABLES:
        return _TABLES[kind](value, where=where)
    if kind.startswith("tuple"):
        return texts(value, where)
    if kind.startswith("Mapping"):
        if isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()):
            return value
        raise UsageError(f"{where} must be a table of tables", code="E-SETTINGS-TYPE")
    return boolean(value, where) if kind == "bool" else text(value, where)


def choose_python(project: Project, asked: str | None) -> tuple[str, str]:
    """Return the Python version to complete target names with, and where it came from, in words.

    In order: `asked` (`--python`), the setting `python`, `.python-version`, the newest stable minor version
    that `requires-python` allows. The host's Python is never looked at.
    """
    if asked:
        return asked, "--python"
    if project.settings.python:
        return project.settings.python, "[tool.crossdock] python"
    if project.python_version_file:
        return project.python_version_file, ".python-version"
    if not project.requires_python:
        return f"3.{NEWEST_STABLE_MINOR}", "the newest stable Python"
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # slow to import

    try:
        allowed = SpecifierSet(project.requires_python)
    except InvalidSpecifier as error:
        raise UsageError(
            f"requires-python of `{project.directory}` is not a version specifier: `{project.requires_python}`",
            code="E-SETTINGS-REQUIRES-PYTHON",
        ) from error
    for minor in range(NEWEST_STABLE_MINOR, OLDEST_MINOR - 1, -1):
        # A minor is allowed if one of its releases is: `>=3.12.4` allows 3.12.
        if any(allowed.contains(f"3.{minor}.{patch}") for patch in (*_PATCHES, 99)):
            return (
                f"3.{minor}",
                f"the newest stable Python that requires-python {project.requires_python} allows",
            )
    raise UsageError(
        f"no Python from 3.{OLDEST_MINOR} to 3.{NEWEST_STABLE_MINOR} satisfies requires-python {project.requires_python}",
        code="E-SETTINGS-REQUIRES-PYTHON",
        hint="give one with --python",
    )
