"""What the user wrote down as requirements, told from what those bring along.

A lock says nothing of it, and a compiled requirements file only in its comments: pip-compile and uv write behind each pin
for whose sake it is there (`# via boto3`, `# via -r requirements.in`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from crossdock.lock.requirements import requirement_files
from crossdock.lock.source import Source, SourceKind, recorded_inputs, script_metadata
from crossdock.lock.text import read_text, read_toml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_COMMENT = re.compile(r"(?:^|\s)#(?P<text>.*)$")
#: `--hash=…`, `--config-settings …` behind a requirement.
_OPTIONS = re.compile(r"\s--?[A-Za-z]")
_VIA = re.compile(r"\s*via\b[ \t]*")
_REQUIREMENTS = (".txt", ".in")


class _Line(NamedTuple):
    """A requirement of a file, and for whose sake its comment says that it is there."""

    text: str
    via: list[str]


def asked_for(
    source: Source, *, extras: Collection[str] = (), groups: Collection[str] = (), all_extras: bool = False
) -> tuple[str, ...]:
    """Return the requirements that the user wrote down himself, as far as `source` and what it was made from tell.

    Names on the command line, lines of requirements files and of those that they include, a script's inline metadata,
    and the project's own dependencies with the chosen extras and groups. Of a compiled file what is there for its own
    sake, without its version, which the compiler chose. Paths and URLs without a name are left out. Raise `LockError`
    for what cannot be read.
    """
    found = [*source.requirements, *_of_files(source.files)]
    if source.kind is SourceKind.SCRIPT and source.path is not None:
        found += _texts(script_metadata(source.path).get("dependencies"))
    if source.kind is SourceKind.LOCK and source.path is not None:
        found += _of_record(source.path)
    if source.kind in (SourceKind.LOCK, SourceKind.UV_LOCK, SourceKind.PROJECT):
        path = source.directory / "pyproject.toml"
        found += _of_project(read_toml(path) if path.is_file() else {}, extras, groups, all_extras=all_extras)
    return tuple(dict.fromkeys(found))


def _of_record(lock: Path) -> list[str]:
    """Return what the files ask for that a lock was made from; those that are no longer here say nothing."""
    paths = [lock.parent / name for name in recorded_inputs(lock) if ".." not in name]
    found = _of_files([path for path in paths if path.suffix in _REQUIREMENTS])
    for path in paths:
        if path.suffix == ".py" and path.is_file():
            found += _texts(script_metadata(path).get("dependencies"))
    return found


def _of_files(files: Iterable[Path]) -> list[str]:
    lines = [line for path in requirement_files(files) for line in _lines(read_text(path))]
    listed = {_normal(name[0]) for line in lines if (name := _NAME.match(line.text))}
    found = []
    for line in lines:
        if not line.via:
            found.append(line.text)
        elif not _is_transitive(line.via, listed):
            found.append(_without_version(line.text))
    return found


def _lines(text: str) -> Iterator[_Line]:
    """Give the requirements of a file: no options, no paths, no URLs."""
    current: _Line | None = None
    in_via = False
    for raw in re.sub(r"\\\n[ \t]*", " ", text).splitlines():
        comment = _COMMENT.search(raw)
        plain = (raw[: comment.start()] if comment else raw).strip()
        if plain:
            if current is not None:
                yield current
            current, in_via = _named(plain), False
        if comment and current is not None:
            begins = _VIA.match(comment["text"])
            in_via = begins is not None or (in_via and comment["text"].startswith("   "))
            if in_via:
                said = comment["text"][begins.end() if begins else 0 :]
                current.via.extend(filter(None, map(str.strip, said.split(","))))
    if current is not None:
        yield current


def _named(plain: str) -> _Line | None:
    """Return a line as a requirement, None for an option, a path or a URL."""
    before = plain.partition("@")[0].partition(";")[0]
    if not _NAME.match(plain) or "/" in before or "\\" in before:
        return None
    return _Line(_OPTIONS.split(plain)[0].strip(), [])


def _is_transitive(via: Iterable[str], listed: Collection[str]) -> bool:
    """Tell whether a pin is there for the sake of other pins alone: not of a file, a project or a constraint."""
    reasons = [one for one in via if not one.startswith(("-c", "--constraint", "--override"))]
    return bool(reasons) and all(_NAME.fullmatch(one) and _normal(one) in listed for one in reasons)


def _without_version(line: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(line)
    except InvalidRequirement:
        return line
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    return f"{found.name}{extras}{f'; {found.marker}' if found.marker else ''}"


def _of_project(
    document: dict[str, Any], extras: Collection[str], groups: Collection[str], *, all_extras: bool
) -> list[str]:
    project = _table(document.get("project"))
    found = _texts(project.get("dependencies"))
    wanted = set(map(_normal, extras))
    for name, lines in _table(project.get("optional-dependencies")).items():
        if all_extras or _normal(name) in wanted:
            found += _texts(lines)
    tables = {_normal(name): lines for name, lines in _table(document.get("dependency-groups")).items()}
    return found + list(_of_groups(list(map(_normal, groups)), tables))


def _of_groups(waiting: list[str], tables: dict[str, Any]) -> Iterator[str]:
    """Give the requirements of groups and of those that they include (PEP 735)."""
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        lines = tables.get(name)
        for line in lines if isinstance(lines, list) else ():
            if isinstance(line, str):
                yield line
            elif isinstance(line, dict) and isinstance(line.get("include-group"), str):
                waiting.append(_normal(line["include-group"]))


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
