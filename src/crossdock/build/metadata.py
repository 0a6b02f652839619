"""What a pyproject.toml says of its project, as far as an image needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectMetadata:
    """`[project]` and `[build-system]` (pyproject.toml specification); absent or dynamic values are empty.

    `license` is an SPDX expression (PEP 639). `scripts` are the console and GUI scripts by name. `is_package` tells whether the
    project is built and installed: it has a `[build-system]`, unless `tool.uv.package` says otherwise.
    """

    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    authors: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    is_package: bool = False
    dependencies: tuple[str, ...] = ()


def project_metadata(document: Mapping[str, Any]) -> ProjectMetadata:
    """Read a parsed pyproject.toml. What has a wrong type counts as absent: the build backend refuses it better."""
    project = _table(document.get("project"))
    uv = _table(_table(document.get("tool")).get("uv"))
    package = uv.get("package")
    return ProjectMetadata(
        name=_text(project.get("name")),
        version=_text(project.get("version")),
        description=_text(project.get("description")),
        license=_text(project.get("license")),
        urls=_texts(project.get("urls")),
        authors=_authors(project.get("authors")),
        scripts={**_texts(project.get("scripts")), **_texts(project.get("gui-scripts"))},
        is_package=package if isinstance(package, bool) else "build-system" in document,
        dependencies=_lines(project.get("dependencies")),
    )


def _authors(value: object) -> tuple[str, ...]:
    people = [_table(item) for item in value] if isinstance(value, list) else []
    named = [(_text(person.get("name")), _text(person.get("email"))) for person in people]
    return tuple(
        f"{name} <{mail}>" if name and mail else name or mail for name, mail in named if name or mail
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _lines(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _texts(value: object) -> dict[str, str]:
    return {name: text for name, text in _table(value).items() if isinstance(text, str)}
