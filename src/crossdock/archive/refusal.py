"""How an archive is refused: one sentence on the rule, then the archive, the member and the offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.errors import ArchiveError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

#: What to do about an archive that breaks its format; nobody but its author can mend it.
REBUILD = (
    "get it again, or from another release; if it stays so, report it to the project: it must be built anew"
)

#: Places named in one error; the rest is counted.
_MAX_PLACES = 20


def refuse(
    filename: str,
    code: str,
    what: str,
    *,
    member: str | None = None,
    offset: int | None = None,
    places: Iterable[str] = (),
    hint: str = REBUILD,
) -> NoReturn:
    """Raise `ArchiveError` for `filename` (a wheel, an sdist); `member` and `offset` say where in it."""
    where = []
    if member is not None:
        where.append(f"member: `{show(member)}`")
    if offset is not None:
        where.append(f"offset: {offset}")
    where.extend(few(places))
    raise ArchiveError(f"`{show(filename)}` refused: {what}", code=code, places=where, hint=hint)


def few(places: Iterable[str]) -> list[str]:
    """Return the first places, and how many more there are."""
    every = list(places)
    if len(every) <= _MAX_PLACES:
        return every
    return [*every[:_MAX_PLACES], f"and {len(every) - _MAX_PLACES} more"]


def within(error: ArchiveError, filename: str, member: str | None = None) -> ArchiveError:
    """Return `error`, raised by a parser that does not know the archive, with the archive and member named."""
    places = [f"archive: `{show(filename)}`"]
    if member is not None:
        places.append(f"member: `{show(member)}`")
    return ArchiveError(error.message, code=error.code, places=[*places, *error.places], hint=error.hint)
