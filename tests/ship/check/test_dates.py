"""The date of a policy."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crossdock.errors import UsageError
from crossdock.ship.check.dates import newest_allowed
from crossdock.ship.check.judge import parse_moment
from crossdock.ship.check.model import moment

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-11-01T23:59:59Z"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
        ("2026-11-01t12:00:00+02:00", "2026-11-01T10:00:00Z"),
        ("2026-11-01T12:00", "2026-11-01T12:00:00Z"),
        ("7 days", "2026-11-16T08:00:00Z"),
        ("1 day", "2026-11-22T08:00:00Z"),
        ("36h", "2026-11-21T20:00:00Z"),
        ("2w", "2026-11-09T08:00:00Z"),
    ],
)
def test_taken(text: str, expected: str) -> None:
    assert moment(newest_allowed(text, NOW, where="--newer-than")) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-11-1", "20261101", "-3 days", "7 moons", "2026-11-01x"],
)
def test_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--newer-than") as error:
        newest_allowed(text, NOW, where="--newer-than")
    assert error.value.code == "E-USAGE-DATE"


def test_times_of_an_index_are_utc_where_they_name_no_zone() -> None:
    assert parse_moment("2026-11-01T00:00:00") == parse_moment("2026-11-01T00:00:00.000000Z")
    assert parse_moment("") is None
    assert parse_moment("last week") is None
