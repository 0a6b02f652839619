"""What a policy finds in a grid, and what of it fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.lock.locks import linux
from tests.ship.check.reports import make_report

from crossdock.ship.check.model import Declared, FileFacts, Kind, Policy
from crossdock.ship.check.words import grouped, summary

if TYPE_CHECKING:
    from crossdock.ship.check.model import Report

DATE = datetime(2026, 6, 1, tzinfo=UTC)


def found(report: Report, kind: Kind) -> list[tuple[str, str, bool]]:
    return [
        (report.label(one.row), report.where(one), one.fails) for one in report.findings if one.kind is kind
    ]


def test_what_lacks_a_wheel_is_told_by_what_comes_instead() -> None:
    report = make_report()
    assert found(report, Kind.IMPOSSIBLE) == [("nowhere 1.0", "box, mac", True)]
    assert found(report, Kind.NATIVE) == [("native 2.0", "mac", False)]
    assert found(report, Kind.NO_WHEEL) == [("source 1.0", "all targets", False)]
    native = next(one for one in report.findings if one.kind is Kind.NATIVE)
    assert native.text.endswith("; compiled from native-2.0.tar.gz")
    assert not report.passed


@pytest.mark.parametrize(
    ("word", "failing"),
    [
        (Kind.NO_WHEEL, {Kind.NO_WHEEL, Kind.NATIVE, Kind.IMPOSSIBLE}),
        (Kind.NATIVE, {Kind.NATIVE}),
        (Kind.IMPOSSIBLE, {Kind.IMPOSSIBLE}),
        (Kind.YANKED, set()),
    ],
)
def test_a_word_of_the_policy_covers_what_it_means(word: Kind, failing: set[Kind]) -> None:
    report = make_report(Policy(fail_on=frozenset({word})))
    assert {one.kind for one in report.findings if one.fails} == failing
    assert report.passed is not bool(failing)


def test_findings_that_fail_come_first() -> None:
    report = make_report(Policy(fail_on=frozenset({Kind.NO_WHEEL, Kind.YANKED})))
    assert [one.fails for one in report.findings] == sorted(
        (one.fails for one in report.findings), reverse=True
    )


def test_a_day_is_compared_and_what_has_none_is_unknown() -> None:
    facts = {
        "pure": FileFacts(upload_time="2026-06-01T00:00:01Z"),
        "native": FileFacts(upload_time="2026-06-01T00:00:00Z"),
        "source": FileFacts(upload_time=""),
    }
    report = make_report(Policy(newer_than=DATE, fail_on=frozenset({Kind.NEWER})), facts)
    assert found(report, Kind.NEWER) == [("pure 1.0", "all targets", True)]
    assert found(report, Kind.UNKNOWN) == [("source 1.0", "all targets", False)]
    assert not found(make_report(facts=facts), Kind.NEWER)
    assert not found(make_report(facts=facts), Kind.UNKNOWN)


def test_yanked_files_and_an_index_that_nobody_could_ask() -> None:
    facts = {
        "pure": FileFacts(yanked="broken"),
        "native": FileFacts(yanked=""),
        "source": FileFacts(index_unknown="the index was not asked (offline)"),
        "winonly": FileFacts(on_index=False, index_unknown="x"),
    }
    report = make_report(Policy(fail_on=frozenset({Kind.YANKED})), facts)
    assert found(report, Kind.YANKED) == [
        ("native 2.0", "all targets", True),
        ("pure 1.0", "all targets", True),
    ]
    assert [one.text for one in report.findings if one.kind is Kind.YANKED] == [
        "its index gives no reason",
        "broken",
    ]
    assert found(report, Kind.UNKNOWN) == [("source 1.0", "all targets", False)]


@pytest.mark.parametrize(
    ("licence", "policy", "kind"),
    [
        (Declared(unknown="not fetched"), Policy(), Kind.UNKNOWN),
        (Declared(unknown="not fetched"), Policy(allow=("MIT",)), Kind.LICENCE),
        (Declared(unknown="not fetched"), Policy(deny=("GPL-*",)), Kind.UNKNOWN),
        (Declared(words=("BSD License",)), Policy(), None),
        (Declared(words=("BSD License",)), Policy(allow=("MIT",)), Kind.LICENCE),
        (Declared(words=("BSD License",)), Policy(deny=("GPL-*",)), Kind.UNKNOWN),
        (Declared(), Policy(), None),
        (Declared(), Policy(allow=("MIT",)), Kind.LICENCE),
        (Declared(), Policy(deny=("GPL-*",)), Kind.UNKNOWN),
        (Declared(expression="GPL-3.0-only"), Policy(deny=("GPL-*",)), Kind.LICENCE),
        (Declared(expression="MIT"), Policy(allow=("MIT",), deny=("GPL-*",)), None),
    ],
)
def test_nothing_counts_as_allowed_that_nobody_has_seen(
    licence: Declared, policy: Policy, kind: Kind | None
) -> None:
    report = make_report(policy, {"pure": FileFacts(licence=licence)})
    kinds = [
        one.kind for one in report.findings if one.row is not None and report.label(one.row) == "pure 1.0"
    ]
    assert kinds == ([] if kind is None else [kind])


def test_findings_are_told_together_where_they_say_the_same() -> None:
    offline = FileFacts(index_unknown="offline")
    report = make_report(facts={"pure": offline, "native": offline, "winonly": offline})
    (group,) = [group for group in grouped(report) if group.kind is Kind.UNKNOWN]
    assert group.packages == ("native 2.0", "pure 1.0", "winonly 1.0")
    assert group.where == "all targets"


def test_the_summary_counts() -> None:
    assert (
        summary(make_report())
        == "5 packages for 3 targets: failed (1 impossible), 2 findings that do not fail it"
    )
    assert summary(make_report(targets=(linux(),), entries=[])).startswith("4 packages for 1 target: failed")
    passed = make_report(Policy(fail_on=frozenset()))
    assert summary(passed) == "5 packages for 3 targets: passed, 3 findings that do not fail it"


def test_json_says_what_the_grid_says() -> None:
    value = make_report(facts={"pure": FileFacts(yanked="", upload_time="2026-01-01")}).to_json()
    assert value["passed"] is False
    pure = next(one for one in value["packages"] if one["name"] == "pure")
    assert pure["targets"]["box"]["state"] == "wheel"
    assert pure["targets"]["box"]["yanked"] is True
    assert pure["targets"]["box"]["upload_time"] == "2026-01-01"
    native = next(one for one in value["packages"] if one["name"] == "native")
    assert native["licences"] == [{"expression": "MIT", "source": "the wheel's metadata"}]
    finding = value["findings"][0]
    assert finding["kind"] == "impossible"
    assert finding["fails"] is True
    assert (finding["package"], finding["version"], finding["targets"]) == ("nowhere", "1.0", ["box", "mac"])
