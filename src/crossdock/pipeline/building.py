"""A source distribution or a source tree becomes a wheel for a target: a pure one for all, else a cross build."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from crossdock import __version__
from crossdock.build.crossed import OWN, CrossJob, Run, cross
from crossdock.digest import Digest
from crossdock.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crossdock.archive.sdist import Sdist
    from crossdock.build.crossed import CrossBuilt
    from crossdock.build.model import PackageSettings, World
    from crossdock.build.pure import BuiltWheel
    from crossdock.pipeline.hands import Means
    from crossdock.store import Store
    from crossdock.target.model import Target

#: Why a source compiles something, by its digest.
_NATIVE = "native"
_ASKS = "asks-platform"
#: Seconds between two attempts to end what runs.
_STOPPING = 0.05
#: Refusals of a pure build that mean: this must be compiled for the target.
NOT_PURE = frozenset({"E-BUILD-NATIVE", "E-BUILD-NOT-PURE"})


class Stages(Protocol):
    """Watches builds; it cannot change them. Called from several threads."""

    def began(self, label: str) -> object:
        """Take note of a build, and return what names it."""
        ...

    def stage(self, name: object, words: str) -> None:
        """Say what a build is doing now."""
        ...

    def ended(self, name: object, words: str, *, failed: bool) -> None:
        """Say how it ended."""
        ...


class Builder(Protocol):
    """Builds for targets: here, or on other machines. `build` returns when it is done; call it from threads."""

    #: How many builds it takes at a time.
    workers: int

    def build(self, job: CrossJob) -> CrossBuilt:
        """Return the wheel; raise `BuildError` and what a build's parts raise."""
        ...

    def stop(self) -> None:
        """End what runs: the user wants no more of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """How the pipeline builds what has no wheel: where, and with which settings of each package."""

    builder: Callable[[], Builder]
    settings: Callable[[str], PackageSettings]
    glibc: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToBuild:
    """A source to be built: a file in the store (`blob`, `filename`, `digest`) or a directory.

    `name` is normalized. `is_tree` says that the file is an archive of any source tree. `evidence` says why we
    believe that it compiles something, beside what is in it.
    """

    name: str
    version: str | None
    filename: str = ""
    digest: Digest | None = None
    blob: Path | None = None
    directory: Path | None = None
    subdirectory: str | None = None
    is_tree: bool = False
    evidence: tuple[str, ...] = ()


class Local:
    """Builds on this machine, side by side on the processors there are."""

    def __init__(self, world: World, *, processors: int, stages: Stages, rebuild: bool = False) -> None:
        self._world = world
        self._processors = self.workers = max(1, processors)
        self._stages = stages
        self._rebuild = rebuild
        self._running = 0
        self._lock = threading.Lock()
        self._stopped = False

    def build(self, job: CrossJob) -> CrossBuilt:
        """Build in this thread. What runs beside it when it begins gets as many processors."""
        from crossdock.build.crossed import ask_of, check_target, find_built

        # Before a line is shown for it: what is known costs nothing, and is no build.
        known = None if self._rebuild else find_built(self._world.store, ask_of(job, self._world))
        if known is not None:
            return known
        check_target(job)
        with self._lock:
            self._running += 1
            share = max(1, self._processors // self._running)
        name = self._stages.began(f"{job.label} for {job.target.name or job.target.key[:12]}")
        try:
            run = Run(tell=lambda words: self._tell(name, words), rebuild=self._rebuild)
            built = cross(job, replace(self._world, jobs=share), run)
        except BaseException as error:
            code = error.code if isinstance(error, BuildError) else type(error).__name__
            self._stages.ended(name, "stopped" if self._stopped else f"failed: {code}", failed=True)
            raise
        finally:
            with self._lock:
                self._running -= 1
        self._stages.ended(name, built.filename, failed=False)
        return built

    def _tell(self, name: object, words: str) -> None:
        if self._stopped:
            raise BuildError("the build was stopped", code="E-BUILD-STOPPED")
        self._stages.stage(name, words)

    def stop(self) -> None:
        """Kill the builds' processes, and let no build begin its next stage."""
        from crossdock.build.sandbox.supervise import stop_all

        self._stopped = True
        stop_all()
        while self._running:
            # One that had passed `_tell` starts its process only now.
            time.sleep(_STOPPING)
            stop_all()


class BuiltFile(NamedTuple):
    """A wheel in the store that was built of a source; `crossed` tells more of one that was compiled."""

    filename: str
    digest: Digest
    blob: Path
    crossed: CrossBuilt | None = None


def build_wheel(source: ToBuild, target: Target, means: Means) -> BuiltFile:
    """Return the wheel of a source for a target: built as pure Python if it is that, else compiled for the target.

    A build that asks what machine it runs on gets the target's answers, though it compiles nothing: the wheel is that
    target's. Raises `BuildError`; E-BUILD-NATIVE and E-BUILD-NOT-PURE only where `means` has no way to compile.
    """
    evidence = native_evidence(source, means.store)
    questions = () if evidence else platform_questions(source, means.store)
    answered = means.building is not None and _can_be_crossed(target)
    if questions and not answered:
        means.warn(
            f"the build of {source.filename or source.directory} runs as on this machine: {questions[0]}"
        )
    if means.building is None or not (evidence or (questions and answered)):
        try:
            return _pure(source, target, means)
        except BuildError as error:
            if error.code not in NOT_PURE or means.building is None:
                raise
            evidence = tuple(error.places) or ("its wheel holds binaries",)
            _note_native(source, means.store, evidence)
    job = _job(source, target, means.store, means.building, evidence)
    if not evidence:
        job = replace(job, settings=replace(job.settings, pure=True))
    built = means.building.builder().build(job)
    return BuiltFile(built.filename, built.digest, built.blob, built)


def _can_be_crossed(target: Target) -> bool:
    from crossdock.build.target_python.names import platform_tag

    try:
        platform_tag(target)
    except BuildError:
        return False
    return True


def native_evidence(source: ToBuild, store: Store) -> tuple[str, ...]:
    """Return why a source compiles something, empty if nothing says so; what is in it is remembered."""
    known = known_evidence(source, store)
    if known is None:
        known = tuple(_look(source))
        _note_native(source, store, known)
    return (*source.evidence, *known)


def platform_questions(source: ToBuild, store: Store) -> tuple[str, ...]:
    """Return what a source's build asks of the machine that it runs on; of a file it is remembered."""
    key = _native_key(source)
    known = None if key is None else store.get_fact(_ASKS, key)
    if isinstance(known, list):
        return tuple(known)
    if source.directory is not None:
        from crossdock.build.tree import platform_reasons, source_tree

        return (
            () if source.subdirectory else platform_reasons(source_tree(source.directory), source.directory)
        )
    found = _opened(source).platform_questions
    if key is not None:
        store.put_fact(_ASKS, key, list(found))
    return found


def known_evidence(source: ToBuild, store: Store) -> tuple[str, ...] | None:
    """Return what is known of the source's own content, None if it was not looked at yet."""
    key = _native_key(source)
    known = None if key is None else store.get_fact(_NATIVE, key)
    return tuple(known) if isinstance(known, list) else None


def _look(source: ToBuild) -> Sequence[str]:
    if source.directory is not None:
        from crossdock.build.tree import native_reasons, source_tree

        # Of a project in a subdirectory what lies at the top says nothing.
        return () if source.subdirectory else native_reasons(source_tree(source.directory), source.directory)
    return _opened(source).native_sources


def _opened(source: ToBuild) -> Sdist:
    from crossdock.archive.sdist import Sdist
    from crossdock.store.mapped import mapped

    assert source.blob is not None  # noqa: S101 - a source is a file or a directory
    return Sdist.open(mapped(source.blob), source.filename, source_tree=source.is_tree)


def _native_key(source: ToBuild) -> str | None:
    return None if source.digest is None else f"{__version__} {source.digest}"


def _note_native(source: ToBuild, store: Store, reasons: Sequence[str]) -> None:
    key = _native_key(source)
    if key is not None:
        store.put_fact(_NATIVE, key, list(reasons))


def _pure(source: ToBuild, target: Target, means: Means) -> BuiltFile:
    from crossdock.build import cached
    from crossdock.build.pure import Locked

    python, tools = means.python_for(target.python.version), means.tools()
    if means.building is not None:
        chosen = means.building.settings(source.name)
        tools = replace(
            tools,
            seconds=tools.seconds if chosen.seconds is None else chosen.seconds,
            memory=tools.memory if chosen.memory is None else chosen.memory,
        )
    version = target.python.version
    locked = Locked(source.name, source.version, source.subdirectory, is_tree=source.is_tree)
    if source.directory is not None:
        built = cached.directory(
            means.store, source.directory, tools, python=python, version=version,
            locked=locked if source.name else None,
        )  # fmt: skip
    else:
        assert source.blob is not None  # noqa: S101 - a source is a file or a directory
        assert source.digest is not None  # noqa: S101 - as above
        built = cached.sdist(
            means.store, source.blob, source.filename, source.digest, tools, python=python,
            version=version, locked=locked,
        )  # fmt: skip
    return _kept(built, means.store)


def _kept(built: BuiltWheel, store: Store) -> BuiltFile:
    digest = Digest("sha256", built.sha256)
    blob = store.blob(digest) or store.ingest(digest, (built.content,), len(built.content))
    return BuiltFile(built.filename, digest, blob)


def _job(
    source: ToBuild, target: Target, store: Store, building: Building, evidence: tuple[str, ...]
) -> CrossJob:
    if source.directory is not None:
        what, identity, archive = source.directory.resolve().name, *_tree(source, store)
    else:
        blob, filename = source.blob, source.filename
        assert blob is not None  # noqa: S101 - a source is a file or a directory
        what, identity, archive = filename, str(source.digest), lambda: (blob, filename)
    name = source.name or _name_of(source)
    return CrossJob(
        what=what,
        name=name,
        version=source.version,
        identity=identity,
        archive=archive,
        target=target,
        settings=building.settings(name),
        subdirectory=source.subdirectory,
        is_tree=source.is_tree or source.directory is not None,
        evidence=evidence,
        glibc=building.glibc,
    )


def _tree(source: ToBuild, store: Store) -> tuple[str | None, Callable[[], tuple[Path, str]]]:
    """Return what names a directory's contents (None: links lead out of it), and what packs it."""
    from crossdock.build.source import packed
    from crossdock.build.tree import source_tree, tree_digest

    assert source.directory is not None  # noqa: S101 - asked for directories only
    directory = source.directory
    digest = tree_digest(source_tree(directory), directory)

    def archive() -> tuple[Path, str]:
        content = packed(source_tree(directory))
        if tree_digest(source_tree(directory), directory) != digest:
            raise BuildError(
                "the directory changed while it was read",
                code="E-BUILD-CHANGED",
                places=[str(directory)],
                hint="run again when nothing else writes there",
            )
        return store.ingest(Digest.of(content), (content,), len(content)), "source.tar.gz"

    return None if digest is None else f"{OWN}{digest}", archive


def _name_of(source: ToBuild) -> str:
    """Return the name that a directory's files state, normalized; raise `BuildError` (E-BUILD-NAME)."""
    from crossdock.build.tree import stated_name

    assert source.directory is not None  # noqa: S101 - a file's name is known
    name = stated_name(source.directory / (source.subdirectory or ""))
    if name is None:
        raise BuildError(
            "it cannot be told what the project is called without running it",
            code="E-BUILD-NAME",
            places=[str(source.directory)],
            hint="state `name` under [project] in its pyproject.toml",
        )
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Shows nothing."""

    names: list[str] = field(default_factory=list)

    def began(self, label: str) -> object:
        """Do nothing."""
        return label

    def stage(self, name: object, words: str) -> None:
        """Do nothing."""

    def ended(self, name: object, words: str, *, failed: bool) -> None:
        """Do nothing."""
