"""Writes a lock as TOML: the same bytes for the same lock, a line a file so that a diff can be read."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The order of keys in PEP 751's own examples; what is not listed follows by name.
_TOP = (
    "lock-version",
    "environments",
    "requires-python",
    "extras",
    "dependency-groups",
    "default-groups",
    "created-by",
)
_PACKAGE = (
    "name",
    "version",
    "marker",
    "requires-python",
    "dependencies",
    "index",
    "vcs",
    "directory",
    "archive",
    "sdist",
    "wheels",
    "attestation-identities",
)
_FILE = ("name", "upload-time", "url", "path", "size", "hashes", "subdirectory")

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def lock_text(table: Mapping[str, Any]) -> str:
    """Return the TOML of a lock table (PEP 751), packages by name and version, with a final newline."""
    lines = [
        f"{_key(key)} = {_value(table[key])}"
        for key in _ordered(table, _TOP)
        if key not in ("packages", "tool")
    ]
    if not table["packages"]:
        lines.append("packages = []")
    for package in sorted(table["packages"], key=_package_order):
        lines += ["", "[[packages]]", *_package_lines(package)]
    tool = table.get("tool", {})
    for name in sorted(tool):
        lines += ["", f"[tool.{_key(name)}]"]
        lines += [f"{_key(key)} = {_value(tool[name][key])}" for key in sorted(tool[name])]
    return "\n".join(lines) + "\n"


def write_lock(path: Path, content: str) -> None:
    """Put a lock's text in place of `path` in one step; raises `LockError` (E-LOCK-WRITE)."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes it private; a lock is checked in and read by others.
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise LockError(
            f"cannot write `{path}`: {error.strerror or error}",
            code="E-LOCK-WRITE",
            hint="the file that was there is unchanged; give another place with `-o`",
        ) from error


def _package_order(package: Mapping[str, Any]) -> tuple[str, str, str]:
    return (package["name"], str(package.get("version", "")), str(package.get("marker", "")))


def _package_lines(package: Mapping[str, Any]) -> Iterable[str]:
    for key in _ordered(package, _PACKAGE):
        value = package[key]
        if key == "wheels":
            yield "wheels = ["
            yield from (f"    {_value(wheel, _FILE)}," for wheel in sorted(value, key=_file_order))
            yield "]"
        else:
            yield f"{_key(key)} = {_value(value, _FILE)}"


def _file_order(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or file.get("path") or file.get("url") or "").rsplit("/", 1)[-1]


def _ordered(table: Mapping[str, Any], order: tuple[str, ...]) -> list[str]:
    known = [key for key in order if key in table]
    return known + sorted(key for key in table if key not in order)


def _value(value: object, order: tuple[str, ...] = ()) -> str:  # noqa: PLR0911 - one for each type of TOML
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _string(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value.tzinfo else value.isoformat()
        case dict():
            inner = ", ".join(f"{_key(key)} = {_value(value[key])}" for key in _ordered(value, order))
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(_value(item, order) for item in value)}]"
        case _:
            return _string(str(value))


def _string(text: str) -> str:
    escaped = "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text)
    return f'"{escaped}"'


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _string(key)
