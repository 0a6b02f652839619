"""Builds on a cluster: the address, the client, and what its workers run."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from crossdock.errors import BuildError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from crossdock.cli.session import Session
    from crossdock.pipeline.building import Builder, Stages
    from crossdock.pipeline.remote import RemoteJob, RemoteOutcome

_ADDRESS = re.compile(r"dask://(?P<place>[^/\s@]+:\d{1,5})/?")
#: Seconds to wait for the scheduler.
_CONNECT = 15
#: Times that a task is begun again on another worker, where one raised what we do not raise on purpose.
_RETRIES = 2


def cluster_builder(session: Session, address: str, stages: Stages, *, rebuild: bool) -> Builder:
    """Return what hands builds to the cluster at `dask://HOST:PORT`.

    Raise `UsageError` (E-BUILD-EXECUTOR) for another address or without the extra `dask`, `BuildError` where nobody
    answers.
    """
    from crossdock.cli.building import world_of
    from crossdock.pipeline.remote import Remote

    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(
            f"not an executor: `{address}`",
            code="E-BUILD-EXECUTOR",
            hint="write dask://HOST:PORT, the scheduler's",
        )
    return Remote(_executor(found["place"]), build_here, world_of(session), stages=stages, rebuild=rebuild)


def _executor(place: str) -> Executor:
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "builds on a cluster need the extra `dask`",
            code="E-BUILD-EXECUTOR",
            hint="`pip install 'crossdock[dask]'`, here and on the workers",
        ) from error
    # A source's bytes travel with its task: then a worker that dies takes nothing along that another would need.
    warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
    try:
        make: Any = distributed.Client
        client = make(f"tcp://{place}", timeout=_CONNECT, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise BuildError(
            f"no scheduler answers at `{place}`",
            code="E-BUILD-EXECUTOR",
            places=[str(error).splitlines()[0]] if str(error) else [],
            hint="start it with `dask scheduler`, and workers with `dask worker`",
        ) from error
    executor: Executor = client.get_executor(pure=False, retries=_RETRIES)
    return executor


def build_here(job: RemoteJob) -> RemoteOutcome:
    """Do a build on a worker, with the store and the index settings of its own user."""
    from crossdock.cli.building import processors, world_of
    from crossdock.cli.session import Session
    from crossdock.pipeline.remote import build_remote

    session = Session({"quiet": 1})
    share = max(1, processors(session) // _threads())
    session.options["processors"] = share
    return build_remote(job, world_of(session))


def _threads() -> int:
    """Return how many builds the worker that we are may run at a time."""
    try:
        from distributed import get_worker

        return max(1, int(get_worker().state.nthreads))
    except (ImportError, ValueError):
        return 1
