"""`[tool.crossdock.check]`: what a project's check always looks for, and what of it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.errors import UsageError
from crossdock.project.checked import read_table, text, texts, texts_by_name
from crossdock.ship.check.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """The keys of `[tool.crossdock.check]`, with dashes there and underscores here; None and empty: not said.

    `licences` says by normalized package name what a licence is where the metadata does not say it well.
    """

    fail_on: tuple[str, ...] | None = None
    newer_than: str | None = None
    allow_licences: tuple[str, ...] = ()
    deny_licences: tuple[str, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)


def parse_check_settings(table: object, *, where: str) -> CheckSettings:
    """Check the table; `where` names it in errors. Raise `UsageError` for an unknown key or a wrong type."""
    return CheckSettings(**read_table(table, _READERS, where))


def _kinds(value: object, where: str) -> tuple[str, ...]:
    found = texts(value, where)
    known = [str(kind) for kind in Kind]
    if all(one in known for one in found):
        return found
    raise UsageError(f"{where} must be a list of {', '.join(known)}", code="E-SETTINGS-TYPE")


def _licences(value: object, where: str) -> dict[str, str]:
    from packaging.utils import canonicalize_name

    from crossdock.ship.image.licences import expression_of

    found: dict[str, str] = {}
    for name, said in texts_by_name(value, where).items():
        expression = expression_of(said)
        if not expression:
            raise UsageError(f"{where}: `{name}` is no SPDX expression: `{said}`", code="E-SETTINGS-TYPE")
        found[canonicalize_name(name)] = expression
    return found


_READERS: dict[str, Callable[[object, str], object]] = {
    "fail_on": _kinds,
    "newer_than": text,
    "allow_licences": texts,
    "deny_licences": texts,
    "licences": _licences,
}
