"""A grid and the facts of its files held against a policy: what is found, and what of it fails (pure)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crossdock.lock.plan import State
from crossdock.ship.check.licence_terms import refusal
from crossdock.ship.check.model import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdock.lock.plan import Cell
    from crossdock.ship.check.model import FileFacts, Policy, Report

_KINDS = {
    State.IMPOSSIBLE: Kind.IMPOSSIBLE,
    State.NATIVE_SDIST: Kind.NATIVE,
    # Nothing says that it is pure, so it may have to be compiled.
    State.SDIST: Kind.NATIVE,
    State.PURE_SDIST: Kind.NO_WHEEL,
}
#: What else a word of the policy covers: whatever lacks a wheel lacks a wheel.
_COVERED_BY = {
    Kind.IMPOSSIBLE: frozenset({Kind.IMPOSSIBLE, Kind.NO_WHEEL}),
    Kind.NATIVE: frozenset({Kind.NATIVE, Kind.NO_WHEEL}),
}


def judged(report: Report) -> Report:
    """Return the report with its findings: those that fail first, then by kind, package and target."""
    policy = report.policy
    found: dict[tuple[Kind, int | None, str], list[int]] = {}
    for kind, row, column, text in _all(report):
        found.setdefault((kind, row, text), []).append(column)
    findings = [
        Finding(kind=kind, row=row, text=text, columns=tuple(columns), fails=_fails(kind, policy))
        for (kind, row, text), columns in found.items()
    ]
    order = list(Kind)
    findings.sort(
        key=lambda one: (
            not one.fails,
            order.index(one.kind),
            -1 if one.row is None else one.row,
            one.columns,
        )
    )
    return replace(report, findings=tuple(findings))


def _fails(kind: Kind, policy: Policy) -> bool:
    return bool(_COVERED_BY.get(kind, frozenset({kind})) & policy.fail_on)


def _all(report: Report) -> Iterator[tuple[Kind, int | None, int, str]]:
    for column, error in report.grid.refused.items():
        yield Kind.IMPOSSIBLE, None, column, f"the lock does not serve it: {error.message}"
    for at, column, _row, cell in report.cells():
        if cell.state in _KINDS:
            yield _KINDS[cell.state], at, column, _lacking(cell)
        facts = report.facts.get((at, column))
        if facts is not None:
            for kind, text in _of_file(facts, report.policy):
                yield kind, at, column, text


def _lacking(cell: Cell) -> str:
    """Say why there is no wheel, what is built instead, and which version has one."""
    built = {
        State.NATIVE_SDIST: f"compiled from {cell.filename}" if cell.filename else "compiled from its source",
        State.PURE_SDIST: f"built from {cell.filename}, nothing is compiled",
        State.SDIST: f"built from {cell.filename or 'a source tree'}; whether it compiles anything is not known",
    }.get(cell.state)
    newest = cell.newest
    advice = None if newest is None else f"newest with a wheel: {newest.version} ({newest.tag})"
    return "; ".join(part for part in (cell.reason, built, advice) if part)


def _of_file(facts: FileFacts, policy: Policy) -> Iterator[tuple[Kind, str]]:
    if facts.yanked is not None:
        yield Kind.YANKED, facts.yanked or "its index gives no reason"
    elif facts.index_unknown and facts.on_index:
        yield Kind.UNKNOWN, f"whether it was yanked is not known: {facts.index_unknown}"
    if policy.newer_than is not None and facts.on_index:
        yield from _age(facts, policy.newer_than)
    yield from _licence(facts, policy)


def _age(facts: FileFacts, newest: datetime) -> Iterator[tuple[Kind, str]]:
    when = parse_moment(facts.upload_time)
    if when is None:
        why = facts.index_unknown or "neither the lock nor its index says it"
        yield Kind.UNKNOWN, f"when it was uploaded is not known: {why}"
    elif when > newest:
        yield Kind.NEWER, f"uploaded {facts.upload_time[:10]}"


def _licence(facts: FileFacts, policy: Policy) -> Iterator[tuple[Kind, str]]:
    licence = facts.licence
    if licence.unknown:
        # Nobody may take for allowed what nobody has seen.
        kind = Kind.LICENCE if policy.allow else Kind.UNKNOWN
        yield kind, f"licence not known: {licence.unknown}"
        return
    refused = refusal(licence, policy.allow, policy.deny)
    if refused:
        yield Kind.LICENCE, refused
    elif policy.deny and not policy.allow and not licence.expression:
        said = licence.text if licence.words else "it declares none"
        yield Kind.UNKNOWN, f"no SPDX licence to hold against the denied ones: {said}"


def parse_moment(text: str) -> datetime | None:
    """Return an index's time (ISO 8601), in UTC where it names no zone; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
