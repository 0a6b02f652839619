"""`crossdock mirror --to`: the files of a lock's targets uploaded to a package index, compared before and after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossdock.cli.console import human_size
from crossdock.cli.mirror_proof import proved
from crossdock.errors import FetchError
from crossdock.net.credentials import Credential
from crossdock.net.pypirc import find_repository, simple_urls
from crossdock.net.upload import ExistsError, upload
from crossdock.net.url import Url
from crossdock.ship.wheelhouse.publish import Fate, Outcome, plan_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crossdock.cli.mirror_session import MirrorSession
    from crossdock.net.http import Http
    from crossdock.net.pages import ProjectFile
    from crossdock.net.pypirc import Repository
    from crossdock.pipeline.mirror import Stock
    from crossdock.ship.wheelhouse.model import Distribution
    from crossdock.ship.wheelhouse.publish import Planned

#: Uploads side by side: indexes limit the rate long before a line is full.
_UPLOADS = 4


def publish(session: MirrorSession, stock: Stock) -> dict[str, Any]:
    """Upload what the index lacks and return the receipt.

    Raise `UsageError` for an index that nobody knows, `FetchError` (E-UPLOAD-CONFLICT) before anything is uploaded where
    the index has other bytes, and what `upload` raises.
    """
    repository = find_repository(session.options["to"], session.environ, public=_public_index)
    http = _transport(session, repository)
    index = _Index(http, repository, session.options["check_url"])
    planned = plan_uploads(stock.distributions.values(), index.listed(stock.distributions.values()))
    _refuse_conflicts(planned, repository, on_conflict=session.options["on_conflict"])
    todo = [one.distribution for one in planned if one.fate is Fate.UPLOAD]
    size = sum(one.size for one in todo)
    words = f"{len(todo)} of {len(planned)} files to upload, {human_size(size)}"
    session.tell(
        f"{repository.url}: {words}{' (nothing is, for --dry-run)' if session.options['dry_run'] else ''}"
    )
    became: dict[str, Outcome] = {}
    if not session.options["dry_run"]:
        refused = _upload_all(http, repository, stock, todo, session.tell)
        became = proved(todo, refused, index.listed)
    return {
        "index": repository.url,
        "dry-run": bool(session.options["dry_run"]),
        "bytes": size,
        "files": [
            _row(one, str(one.fate) if session.options["dry_run"] else str(_outcome(one, became)))
            for one in planned
        ],
    }


def _public_index() -> str:
    """Return the index that uv uses where nobody says which: crossdock knows none by itself."""
    from crossdock.cli.index import default_index_of
    from crossdock.net.settings import IndexSettings

    # Nothing of the user's settings: a login for the public index must not go to a mirror of it.
    return default_index_of(IndexSettings(environ={"UV_NO_CONFIG": "1"}))


def _outcome(one: Planned, became: Mapping[str, Outcome]) -> Outcome:
    """Return what became of a file: of those that were not uploaded, the plan says it."""
    if one.fate is Fate.UPLOAD:
        return became[one.distribution.path]
    return Outcome.THERE if one.fate is Fate.SAME else Outcome.SKIPPED


def _row(one: Planned, fate: str) -> dict[str, str]:
    row = {"filename": one.distribution.filename, "sha256": one.distribution.sha256, "fate": fate}
    return {**row, "listed": one.listed} if one.fate is Fate.CONFLICT else row


def _transport(session: MirrorSession, repository: Repository) -> Http:
    """Return a client that logs in at the index; keyrings are asked without being switched on, as twine asks them."""
    from crossdock.net.http import Http
    from crossdock.net.settings import http_settings

    settings = http_settings(session.index)
    known = settings.credentials
    if repository.login is not None:
        url = Url.parse(repository.url)
        known = (Credential(origin=url.origin, path=url.path, login=repository.login), *known)
    keyring = "auto" if settings.keyring == "disabled" and repository.login is None else settings.keyring
    return Http(replace(settings, credentials=known, keyring=keyring))


class _Index:
    """The simple index that belongs to an upload API: asked before, and once more after."""

    def __init__(self, http: Http, repository: Repository, check_url: str | None) -> None:
        self._http = http
        self._urls = (check_url,) if check_url else simple_urls(repository.url)

    def listed(self, distributions: Iterable[Distribution]) -> dict[str, tuple[ProjectFile, ...]]:
        """Return what the index lists of the distributions' projects."""
        names = sorted({one.name for one in distributions})
        with ThreadPoolExecutor(_UPLOADS) as pool:
            return dict(zip(names, pool.map(self._files, names), strict=True))

    def _files(self, name: str) -> tuple[ProjectFile, ...]:
        from crossdock.net.index import Index

        try:
            return Index(self._http, self._urls).files(name)
        except FetchError as error:
            if error.code == "E-INDEX-UNKNOWN":
                return ()
            raise


def _refuse_conflicts(planned: Sequence[Planned], repository: Repository, *, on_conflict: str) -> None:
    """Refuse to upload a part of what is wanted, before anything is."""
    wrong = [one for one in planned if one.fate in {Fate.CONFLICT, Fate.UNKNOWN}]
    if wrong and on_conflict == "refuse":
        raise FetchError(
            f"`{repository.url}` has {len(wrong)} of these files with other bytes, or tells no sha256 of them",
            code="E-UPLOAD-CONFLICT",
            places=[
                f"{one.distribution.filename}: {one.listed[:12] or 'no sha256'} is there, "
                f"{one.distribution.sha256[:12]} is ours"
                for one in wrong[:20]
            ],
            hint="nothing was uploaded; `--on-conflict skip` leaves the index's as they are",
        )


def _upload_all(
    http: Http,
    repository: Repository,
    stock: Stock,
    todo: Sequence[Distribution],
    tell: Callable[[str], None],
) -> dict[str, ExistsError]:
    """Upload side by side, wheels before source distributions; the first failure ends it, and what runs is let end.

    Return by path what the index says to have already.
    """
    refused: dict[str, ExistsError] = {}

    def one_file(one: Distribution) -> None:
        try:
            upload(http, repository.url, stock.upload(one))
        except ExistsError as error:
            # A try that seemed to fail had arrived, or somebody else was faster, or the index means another thing.
            refused[one.path] = error
            tell(f"{one.filename}: is there already, the index says")
        else:
            tell(f"{one.filename}: uploaded, {human_size(one.size)}")

    for group in ([one for one in todo if one.is_wheel], [one for one in todo if not one.is_wheel]):
        with ThreadPoolExecutor(_UPLOADS) as pool:
            futures = [pool.submit(one_file, one) for one in group]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
    return refused
