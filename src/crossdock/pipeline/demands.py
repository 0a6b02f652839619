"""What the wheels of a selection ask of some packages: read from the store, else from the METADATA beside them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from crossdock.archive.metadata import parse_headers
from crossdock.archive.wheel import Wheel
from crossdock.errors import CrossdockError
from crossdock.lock.demands import demands_of
from crossdock.pipeline.hands import is_source
from crossdock.store.mapped import mapped

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crossdock.lock.demands import Demand
    from crossdock.lock.model import LockedFile
    from crossdock.lock.select import Choice
    from crossdock.pipeline.hands import Means

#: A METADATA file with a long README in it.
_LIMIT = 8 << 20
#: What an index says that has no METADATA beside its files (PEP 658).
_OK = frozenset({200, 401, 403, 404, 405, 410})


def demands_on(names: Collection[str], choices: Sequence[Choice], means: Means) -> list[Demand]:
    """Return what the chosen wheels ask of packages by name, in the order of `choices`.

    A wheel whose METADATA cannot be had says nothing: this is for advice, and decides nothing.
    """
    wheels = [choice for choice in choices if not is_source(choice)]
    with ThreadPoolExecutor(min(8, max(1, len(wheels)))) as pool:
        required = list(pool.map(lambda choice: _requires(choice, means), wheels))
    return [
        demand
        for choice, lines in zip(wheels, required, strict=True)
        for demand in demands_of(f"{choice.name} {choice.version or ''}".rstrip(), lines, choice.target)
        if demand.name in names
    ]


def _requires(choice: Choice, means: Means) -> tuple[str, ...]:
    file = choice.file
    if file is None:
        return ()
    try:
        blob = means.store.blob(file.digest)
        if blob is not None:
            with Wheel.open(mapped(blob), file.filename, allow_bad_record=True) as wheel:
                return wheel.requires_dist
        content = _metadata(file, means)
        if content is None:
            return ()
        headers = parse_headers(content, filename=file.filename, member="METADATA", code="E-WHEEL-METADATA")
        return headers.all("Requires-Dist")
    except CrossdockError:
        return ()


def _metadata(file: LockedFile, means: Means) -> bytes | None:
    # Behind a query it would be part of that, and no name of a file.
    if (
        means.offline
        or file.url is None
        or not file.url.startswith(("https://", "http://"))
        or "?" in file.url
    ):
        return None
    answer = means.http().get(f"{file.url}.metadata", limit=_LIMIT, ok=_OK)
    return answer.body if answer.status == 200 else None  # noqa: PLR2004  # there is none beside it
