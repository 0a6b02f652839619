"""Builds on other machines, through any executor of `concurrent.futures`: what is sent, what comes back."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from crossdock import __version__
from crossdock.build.believed import is_report, prove_built_for
from crossdock.build.crossed import CrossBuilt, ask_of, check_target, find_built, keep_built, log_path
from crossdock.errors import BuildError, CrossdockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from crossdock.build.crossed import CrossJob
    from crossdock.build.model import PackageSettings, World
    from crossdock.pipeline.building import Stages
    from crossdock.target.model import Target

#: Builds that are handed over at a time: whoever runs them decides how many run.
_HANDED_OVER = 64
_LOG_LIMIT = 16 << 20
_CODE = re.compile(r"E-[A-Z0-9-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A build with the bytes of its source; whoever does it brings a store, an index and Pythons of its own."""

    crossdock: str
    what: str
    name: str
    version: str | None
    identity: str | None
    content: bytes
    filename: str
    target: Target
    settings: PackageSettings
    subdirectory: str | None
    is_tree: bool
    evidence: tuple[str, ...]
    glibc: tuple[int, int] | None
    date: int
    rebuild: bool
    allow_unsandboxed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOutcome:
    """What came of it: a wheel with its report, or the error in words; the log in both cases."""

    filename: str = ""
    content: bytes = b""
    report: dict[str, Any] | None = None
    log: bytes = b""
    log_place: str = ""
    error: dict[str, Any] | None = None


class Remote:
    """Hands builds to an executor. `work` is the function that does one, importable by name where it runs."""

    def __init__(
        self,
        executor: Executor,
        work: Callable[[RemoteJob], RemoteOutcome],
        world: World,
        *,
        stages: Stages,
        rebuild: bool = False,
    ) -> None:
        self._executor = executor
        self._work = work
        self._world = world
        self._stages = stages
        self._rebuild = rebuild
        self.workers = _HANDED_OVER

    def build(self, job: CrossJob) -> CrossBuilt:
        """Return the wheel, from our own store if it is known; raise `BuildError` as it was raised there.

        E-BUILD-EXECUTOR: the machines that it was tried on went away.
        """
        if self._world.sysroot is not None or self._world.target_python is not None or job.settings.sysroot:
            raise BuildError(
                "a directory of this machine is not there on others",
                code="E-BUILD-EXECUTOR",
                hint="build here where a sysroot or the target's Python is a directory, without --executor",
            )
        store = self._world.store
        ask = ask_of(job, self._world)
        known = None if self._rebuild else find_built(store, ask)
        if known is not None:
            return known
        check_target(job)
        began = time.monotonic()
        name = self._stages.began(f"{job.label} for {job.target.name or job.target.key[:12]}")
        log = log_path(store, ask)
        try:
            self._stages.stage(name, "on the cluster")
            outcome = self._outcome(job, log)
            _check_wheel(outcome, ask)
        except BaseException as error:
            code = error.code if isinstance(error, CrossdockError) else type(error).__name__
            self._stages.ended(name, f"failed: {code}", failed=True)
            raise
        report = outcome.report or {}
        digest, blob = keep_built(store, ask, outcome.filename, outcome.content, report)
        self._stages.ended(name, outcome.filename, failed=False)
        return CrossBuilt(
            filename=outcome.filename,
            digest=digest,
            blob=blob,
            report=report,
            log=log,
            seconds=time.monotonic() - began,
        )

    def stop(self) -> None:
        """Take back what was handed over."""
        self._executor.shutdown(wait=False)

    def _outcome(self, job: CrossJob, log: Path) -> RemoteOutcome:
        """Return what came of it, its log kept here; raise the error that it is."""
        outcome = self._ran(job)
        if not _is_whole(outcome):
            raise _disbelieved("it is not what a worker of this version answers")
        log.write_bytes(outcome.log[:_LOG_LIMIT])
        if outcome.error is not None:
            raise _error_of(outcome, str(log))
        return outcome

    def _ran(self, job: CrossJob) -> RemoteOutcome:
        path, filename = job.archive()
        shared = {item.name: getattr(job, item.name) for item in fields(job) if item.name != "archive"}
        remote = RemoteJob(
            **shared,
            crossdock=__version__,
            content=path.read_bytes(),
            filename=filename,
            date=self._world.tools.source_date_epoch,
            rebuild=self._rebuild,
            allow_unsandboxed=self._world.allow_unsandboxed,
        )
        try:
            return self._executor.submit(self._work, remote).result()
        except CrossdockError:
            raise
        except Exception as error:
            raise BuildError(
                f"`{job.what}` could not be built on the cluster: {type(error).__name__}",
                code="E-BUILD-EXECUTOR",
                places=[line for line in str(error).splitlines() if line.strip()][:10],
                hint="its workers must have this version of crossdock; a build that ends its worker each time needs"
                " more memory than that has",
            ) from error


def _is_whole(outcome: object) -> bool:
    """Tell whether an answer has the types that it should: it was made of a stranger's bytes."""
    if not isinstance(outcome, RemoteOutcome):
        return False
    texts, parts = (outcome.filename, outcome.log_place), (outcome.content, outcome.log)
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(part, bytes) for part in parts)
        and (is_report(outcome.report) if outcome.error is None else _is_error(outcome.error))
    )


def _is_error(told: object) -> bool:
    if not isinstance(told, dict):
        return False
    code, hint, places = told.get("code"), told.get("hint"), told.get("places", ())
    return (
        isinstance(told.get("message"), str)
        and isinstance(code, str)
        and _CODE.fullmatch(code) is not None
        and (hint is None or isinstance(hint, str))
        and isinstance(places, list | tuple)
        and all(isinstance(place, str) for place in places)
    )


def _check_wheel(outcome: RemoteOutcome, ask: dict[str, Any]) -> None:
    """Refuse a wheel that is not the one that was asked for: its name becomes a file's, its bytes are shipped."""
    try:
        prove_built_for(outcome.content, outcome.filename, ask)
    except CrossdockError as error:
        raise _disbelieved(error.message, error.places) from error


def _disbelieved(why: str, places: Sequence[str] = ()) -> BuildError:
    return BuildError(
        f"a worker of the cluster gave no wheel that can be taken: {why}",
        code="E-BUILD-EXECUTOR",
        places=places,
        hint="see who else may use the cluster",
    )


def _error_of(outcome: RemoteOutcome, log: str) -> BuildError:
    """Return the error as it was raised there, with the log's place here."""
    told = outcome.error or {}
    places = [
        place.replace(outcome.log_place, log) if outcome.log_place else place
        for place in told.get("places", ())
    ]
    return BuildError(told["message"], code=told["code"], places=places, hint=told.get("hint"))


def build_remote(job: RemoteJob, world: World) -> RemoteOutcome:
    """Do a build that was sent here, with this machine's world; what it raises on purpose is in the outcome."""
    from crossdock.build.crossed import CrossJob, Run, cross
    from crossdock.digest import Digest

    digest = Digest.of(job.content)
    blob = world.store.ingest(digest, (job.content,), len(job.content))
    world = replace(
        world,
        tools=replace(world.tools, source_date_epoch=job.date),
        allow_unsandboxed=world.allow_unsandboxed or job.allow_unsandboxed,
    )
    shared = {item.name: getattr(job, item.name) for item in fields(CrossJob) if item.name != "archive"}
    here = CrossJob(**shared, archive=lambda: (blob, job.filename))
    log = log_path(world.store, ask_of(here, world))
    try:
        if job.crossdock != __version__:
            raise BuildError(
                f"the worker has crossdock {__version__}, and {job.crossdock} asked", code="E-BUILD-EXECUTOR"
            )
        built = cross(here, world, Run(rebuild=job.rebuild))
    except CrossdockError as error:
        told = {
            "message": error.message,
            "code": error.code,
            "places": list(error.places),
            "hint": error.hint,
        }
        return RemoteOutcome(error=told, log=_text(log), log_place=str(log))
    return RemoteOutcome(
        filename=built.filename,
        content=built.blob.read_bytes(),
        report=built.report,
        log=_text(log),
        log_place=str(log),
    )


def _text(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_LOG_LIMIT)
    except OSError:
        return b""
