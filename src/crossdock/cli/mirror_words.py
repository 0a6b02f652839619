"""The words of `crossdock mirror` that go together: what would have no effect is refused, not passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from crossdock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How a run is told, and what it needs in none of its kinds.
_ALWAYS = frozenset(
    {
        "source",
        "output",
        "prune",
        "forget",
        "delta",
        "since",
        "as_json",
        "quiet",
        "verbose",
        "offline",
        "jobs",
    }
)
_TIDYING = _ALWAYS | {"serve", "port"}
_IMPORTING = _ALWAYS | {"replace"}
#: Options that need another one, with the code of their refusal.
_NEED = {
    "dry_run": ("to", "E-UPLOAD-OPTION"),
    "check_url": ("to", "E-UPLOAD-OPTION"),
    "on_conflict": ("to", "E-UPLOAD-OPTION"),
    "since": ("delta", "E-WHEELHOUSE-DELTA-OPTION"),
    "port": ("serve", "E-WHEELHOUSE-OPTION"),
}


def check_tidying() -> None:
    """Refuse words that have no meaning where no SOURCE is named; raise `UsageError`."""
    _refuse_others(
        _TIDYING,
        "without SOURCE the wheelhouse is only tidied or served",
        "name SOURCE, for example `.` for the project here, or leave the option out",
    )
    check_pairs()


def check_importing() -> None:
    """Refuse words that have no meaning where deltas are taken in; raise `UsageError`."""
    _refuse_others(
        _IMPORTING,
        "`mirror import` takes in what a delta has",
        "leave the option out; a directory called import is `./import`",
    )
    check_pairs()


def check_pairs() -> None:
    """Refuse options without the one that they belong to; raise `UsageError`."""
    given = _given()
    for name, (needed, code) in _NEED.items():
        if name in given and needed not in given:
            other = f"--{needed}"
            raise UsageError(
                f"{given[name]} needs {other}", code=code, hint=f"give {other}, or leave {given[name]} out"
            )


def _refuse_others(allowed: frozenset[str], why: str, hint: str) -> None:
    given = _given()
    wrong = [given[name] for name in given if name not in allowed]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)} would have no effect: {why}", code="E-WHEELHOUSE-OPTION", hint=hint
        )


def _given() -> Mapping[str, str]:
    """Return the options of the command line, as they are written, by their Python names; those for pip's sake apart."""
    context = click.get_current_context()
    return {
        one.name: max(one.opts, key=len)
        for one in context.command.params
        if one.name and not getattr(one, "hidden", False) and one.expose_value
        and context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
    }  # fmt: skip
