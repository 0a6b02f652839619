"""Reads the small text files that a lock is made from: bounded, UTF-8, with errors that name them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from crossdock.errors import LockError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_TEXT = 16 * 1024 * 1024


def is_lock_name(filename: str) -> bool:
    """Tell whether a file may be called a lock: `pylock.toml` or `pylock.NAME.toml` (PEP 751, file name)."""
    parts = filename.split(".")
    return parts[0] == "pylock" and parts[-1] == "toml" and len(parts) in (2, 3) and all(parts)


def read_text(path: Path) -> str:
    """Read a source file of bounded size as UTF-8, or raise `LockError` (E-SOURCE-READ)."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
        if len(content) > _MAX_TEXT:
            raise LockError(f"`{path}` is larger than {_MAX_TEXT // 2**20} MiB", code="E-SOURCE-READ")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"cannot read `{path}`: {error}", code="E-SOURCE-READ") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of bounded size, or raise `LockError` (E-SOURCE-READ, E-SOURCE-TOML)."""
    return parse_toml(read_text(path), path.name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse TOML from the file called `name`, or raise `LockError` (E-SOURCE-TOML)."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockError(f"`{name}` is not TOML: {error}", code="E-SOURCE-TOML") from error


def read_tail(path: Path, size: int) -> str:
    """Return the last `size` bytes of a file as text, or raise `LockError` (E-SOURCE-READ)."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - size))
            return file.read(size).decode("utf-8", errors="replace")
    except OSError as error:
        raise LockError(f"cannot read `{path}`: {error.strerror or error}", code="E-SOURCE-READ") from error
