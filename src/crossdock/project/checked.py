"""Values of settings, checked by type; every refusal names the place."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def known_key(key: str, known: Iterable[str], where: str) -> None:
    """Refuse a key that does not exist, naming the nearest one that does."""
    names = sorted(known)
    if key in names:
        return
    near = difflib.get_close_matches(key, names, n=1)
    raise UsageError(
        f"{where} has no setting `{key}`",
        code="E-SETTINGS-UNKNOWN",
        hint=f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}",
    )


def read_table(
    table: object, readers: Mapping[str, Callable[[object, str], object]], where: str
) -> dict[str, Any]:
    """Return a table's values by name, underscores for dashes, each as its reader gives it; refuse unknown keys."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table", code="E-SETTINGS-TYPE")
    values: dict[str, Any] = {}
    for key, value in table.items():
        known_key(key, [name.replace("_", "-") for name in readers], where)
        name = key.replace("-", "_")
        values[name] = readers[name](value, f"{where}: `{key}`")
    return values


def text(value: object, where: str) -> str:
    """Return a string."""
    if isinstance(value, str):
        return value
    raise _wrong(where, "a string")


def texts(value: object, where: str) -> tuple[str, ...]:
    """Return a list of strings."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _wrong(where, "a list of strings")


def texts_by_name(value: object, where: str) -> dict[str, str]:
    """Return a table of strings."""
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    raise _wrong(where, "a table of strings")


def boolean(value: object, where: str) -> bool:
    """Return true or false."""
    if isinstance(value, bool):
        return value
    raise _wrong(where, "true or false")


def number(value: object, where: str) -> int:
    """Return a whole number above zero."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise _wrong(where, "a whole number above zero")


def _wrong(where: str, what: str) -> UsageError:
    return UsageError(f"{where} must be {what}", code="E-SETTINGS-TYPE")
