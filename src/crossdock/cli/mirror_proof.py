"""Whether an upload arrived: the index is read again, since what it answers to an upload proves nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from crossdock.cli.console import warn
from crossdock.errors import FetchError
from crossdock.ship.wheelhouse.publish import Fate, Outcome, plan_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.net.pages import ProjectFile
    from crossdock.net.upload import ExistsError
    from crossdock.ship.wheelhouse.model import Distribution
    from crossdock.ship.wheelhouse.publish import Planned

    Listed = Callable[[Iterable[Distribution]], Mapping[str, Iterable[ProjectFile]]]

#: Seconds before an index is read once more: many answer from caches that lag behind their uploads.
_PAUSES = (0.5, 1.0, 2.0, 3.0)


def proved(
    sent: Sequence[Distribution],
    refused: Mapping[str, ExistsError],
    listed: Listed,
    *,
    pauses: Sequence[float] = _PAUSES,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Outcome]:
    """Return what became of each upload, by the distribution's path; warn of what the index took and does not list.

    `refused` has by path what the index said to have already. Raise `FetchError`: E-UPLOAD-DIFFERS if the index has
    other bytes (some overwrite what was there), E-UPLOAD-EXISTS for a refused file that it does not list with ours.
    """
    seen = _seen(sent, listed)
    for pause in pauses:
        missing = [one.distribution for one in seen.values() if one.fate is Fate.UPLOAD]
        if not missing:
            break
        sleep(pause)
        seen |= _seen(missing, listed)
    _refuse_other_bytes(seen.values())
    unproven = {path: one for path, one in seen.items() if one.fate is not Fate.SAME}
    _refuse_absent([(one, refused[path]) for path, one in unproven.items() if path in refused])
    _warn_of(unproven.values())
    return {path: _outcome(path, unproven, refused) for path in seen}


def _seen(sent: Iterable[Distribution], listed: Listed) -> dict[str, Planned]:
    sent = list(sent)
    return {one.distribution.path: one for one in plan_uploads(sent, listed(sent))}


def _outcome(path: str, unproven: Mapping[str, Planned], refused: Mapping[str, ExistsError]) -> Outcome:
    if path in unproven:
        return Outcome.UNPROVEN
    return Outcome.THERE if path in refused else Outcome.UPLOADED


def _refuse_other_bytes(seen: Iterable[Planned]) -> None:
    wrong = [one for one in seen if one.fate is Fate.CONFLICT]
    if wrong:
        raise FetchError(
            f"the index has other bytes of {_files(len(wrong))} than were uploaded",
            code="E-UPLOAD-DIFFERS",
            places=[f"{one.distribution.filename}: {one.listed}" for one in wrong[:20]],
            hint="somebody else uploads there at the same time, or the index rewrites files",
        )


def _refuse_absent(absent: Sequence[tuple[Planned, ExistsError]]) -> None:
    if absent:
        raise FetchError(
            f"the index refused {_files(len(absent))} as being there, and does not list our bytes under the name",
            code="E-UPLOAD-EXISTS",
            places=[f"{one.distribution.filename}: {error.message}" for one, error in absent[:20]],
            hint="was it deleted there, or does `--check-url` name another index? Some take no name twice: "
            "then upload another version",
        )


def _warn_of(unproven: Iterable[Planned]) -> None:
    for one in unproven:
        what = "does not list it yet" if one.fate is Fate.UPLOAD else "tells no sha256 of it"
        warn(
            f"{one.distribution.filename}: the index took it and {what}; the same command again looks once more"
        )


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"
