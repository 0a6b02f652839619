"""The date of a policy as users write it -> a moment (pure)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from crossdock.errors import UsageError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AGE = re.compile(r"(\d{1,5})\s*(h|hours?|d|days?|w|weeks?)")
_HOURS = {"h": 1, "d": 24, "w": 168}


def newest_allowed(text: str, now: datetime, *, where: str) -> datetime:
    """Return the last moment that is not newer than what `text` says; `where` names it in the error.

    A day counts to its end in UTC; a moment is RFC 3339's, in UTC where it names no zone; an age (`7 days`, `36h`,
    `2w`) goes back from `now`. Raise `UsageError` (E-USAGE-DATE).
    """
    words = text.strip().lower()
    age = _AGE.fullmatch(words)
    try:
        if age is not None:
            return now - timedelta(hours=int(age[1]) * _HOURS[age[2][0]])
        if _DAY.match(words) is None:
            raise ValueError(words)  # noqa: TRY301 - ISO 8601 has forms that few would read alike
        found = datetime.fromisoformat(words.upper())
        if _DAY.fullmatch(words):
            found += timedelta(days=1, microseconds=-1)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{where}: `{text}` is neither a date nor an age",
            code="E-USAGE-DATE",
            hint="for example `2026-11-01`, `2026-11-01T12:00:00Z`, or `7 days`",
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
