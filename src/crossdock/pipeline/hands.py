"""Gets the files that selections chose: from the store, this disk or the network, built where they are source."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from crossdock.errors import ArchiveError, BuildError, LockError
from crossdock.lock.plan import purity_from_wheels
from crossdock.lock.select import Choice, Kind
from crossdock.ship.assemble import path_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.digest import Digest
    from crossdock.lock.model import Lock, LockedFile, LockedPackage
    from crossdock.lock.newest import IndexedFile
    from crossdock.net.fetch import Download, Reporter
    from crossdock.net.http import Http
    from crossdock.pipeline.building import Building, BuiltFile
    from crossdock.pipeline.chosen import ChosenWheel
    from crossdock.pipeline.locked import Locked
    from crossdock.safepath import PathRules
    from crossdock.store import Store
    from crossdock.target.model import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the pipeline works with: everything that touches the world is handed in.

    `http` and `tools` are made when they are needed. `python_for` gives a host interpreter for builds, of
    the minor version asked for if the host has one. `warn` takes a line for the user.
    """

    store: Store
    http: Callable[[], Http]
    tools: Callable[[], BuildTools]
    python_for: Callable[[tuple[int, int]], str]
    reporter: Callable[[], Reporter | None]
    warn: Callable[[str], None]
    offline: bool = False
    jobs: int = 16
    allow_bad_record: frozenset[str] = field(default_factory=frozenset)
    #: How what compiles is built; None where that is switched off.
    building: Building | None = None
    #: The files of a package on its index, asked for to explain a refusal; None where nobody may be asked.
    files_of: Callable[[str], Iterable[IndexedFile]] | None = None


class WheelKey(NamedTuple):
    """One wheel to have: a package, a file of it, the path rules it is read under, the target it is built for."""

    package: int
    file: str
    rules: PathRules
    built_for: str


def wheel_key(choice: Choice) -> WheelKey:
    """Return what is the same for two choices that come to the same wheel."""
    return WheelKey(id(choice.package), _file_key(choice), path_rules(choice.target), _variant(choice))


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A wheel whose bytes are in the store, hash verified; nothing in it has been looked at.

    `name` is normalized. `direct_url` is the content of direct_url.json where one is due (PEP 610);
    `built_from` names the source distribution it was built from here.
    """

    name: str
    filename: str
    digest: Digest
    blob: Path
    direct_url: bytes | None = None
    built_from: str | None = None


def _file_key(choice: Choice) -> str:
    """Return what is fetched or read for a choice: the same for all targets."""
    if choice.file is not None:
        return str(choice.file.digest)
    return f"directory:{choice.package.directory.path}" if choice.package.directory else ""


def _variant(choice: Choice) -> str:
    """Return what a build depends on besides its source; a wheel that is there depends on nothing."""
    return choice.target.key if is_source(choice) else ""


def is_source(choice: Choice) -> bool:
    """Tell whether a wheel has to be built for a choice."""
    return choice.file is None or not choice.file.filename.endswith(".whl")


class Hands:
    """Gets the wheels of one command, each file once whatever the number of targets."""

    def __init__(self, lock: Lock, means: Means) -> None:
        self._lock = lock
        self._means = means

    def prepare(
        self,
        wanted: Mapping[WheelKey, Choice],
        pool: ThreadPoolExecutor,
        take: Callable[[WheelFile, WheelKey], T],
    ) -> dict[WheelKey, T]:
        """Return what `take` makes of each wheel; it runs in `pool` while other files are still on their way."""
        by_file: dict[str, list[WheelKey]] = {}
        for key in wanted:
            by_file.setdefault(key.file, []).append(key)
        futures: dict[WheelKey, Future[T]] = {}
        with self._builders(wanted.values(), pool) as builders:

            def arrived(file_key: str, blob: Path | None) -> None:
                for key in by_file[file_key]:
                    threads = builders if is_source(wanted[key]) else pool
                    futures[key] = threads.submit(self._taken, wanted[key], blob, key, take)

            try:
                files: dict[str, LockedFile] = {}
                for key, choice in wanted.items():
                    if choice.file is None:
                        arrived(key.file, None)
                    else:
                        files[key.file] = choice.file
                for file_key, blob in self.files(files):
                    arrived(file_key, blob)
                return {key: future.result() for key, future in futures.items()}
            except BaseException:
                for future in futures.values():
                    future.cancel()
                raise

    @contextmanager
    def _builders(self, wanted: Iterable[Choice], pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
        """Give threads for builds, so that no wheel that is there waits for one; `pool` where nothing is compiled."""
        building = self._means.building
        if building is None or not any(map(is_source, wanted)):
            yield pool
            return
        from concurrent.futures import ThreadPoolExecutor

        builder = building.builder()
        with ThreadPoolExecutor(builder.workers, thread_name_prefix="build") as threads:
            try:
                yield threads
            except Exception:
                raise  # Builds that run are let end, for the next time.
            except BaseException:
                builder.stop()  # The user wants no more of it.
                raise

    def _taken(
        self, choice: Choice, blob: Path | None, key: WheelKey, take: Callable[[WheelFile, WheelKey], T]
    ) -> T:
        return take(self.wheel_file(choice, blob), key)

    def files(self, wanted: Mapping[str, LockedFile]) -> Iterable[tuple[str, Path]]:
        """Give each file as soon as it is in the store: what is there first, then the downloads as they end."""
        missing: dict[str, LockedFile] = {}
        for key, file in wanted.items():
            blob = self._means.store.blob(file.digest)
            if blob is not None:
                yield key, blob
            elif file.path is not None:
                yield key, self._take_local(file)
            else:
                missing[key] = file
        if missing:
            yield from self._download(missing)

    def _take_local(self, file: LockedFile) -> Path:
        path = self._local(file.path or "")
        try:
            with path.open("rb") as source:
                return self._means.store.ingest(
                    file.digest, iter(lambda: source.read(1 << 20), b""), file.size
                )
        except OSError as error:
            raise LockError(
                f"cannot read `{path}`, which the lock names: {error.strerror}",
                code="E-LOCK-PATH",
                hint="paths in a lock are relative to it: is the file where it was when the lock was made?",
            ) from error

    def _local(self, path: str) -> Path:
        if self._lock.directory is None:
            raise LockError(
                f"the lock names the local path `{path}` but was not read from a file", code="E-LOCK-PATH"
            )
        return self._lock.directory / path

    def _download(self, missing: Mapping[str, LockedFile]) -> Iterable[tuple[str, Path]]:
        from crossdock.net.fetch import Download, fetch_all  # a warm store needs no network

        downloads: dict[Download, str] = {
            Download(url=file.url or "", digest=file.digest, size=file.size, name=file.filename): key
            for key, file in missing.items()
        }
        means = self._means
        fetched = fetch_all(
            downloads,
            store=means.store,
            http=None if means.offline else means.http(),
            jobs=means.jobs,
            reporter=means.reporter(),
        )
        for download, blob in fetched:
            yield downloads[download], blob

    def wheel_file(self, choice: Choice, blob: Path | None) -> WheelFile:
        """Return the wheel of a choice whose file is `blob` (None: a source tree), built if it is source."""
        file = choice.file
        direct_url = direct_url_of(choice)
        if file is not None and blob is not None and file.filename.endswith(".whl"):
            return WheelFile(
                name=choice.name, filename=file.filename, digest=file.digest, blob=blob, direct_url=direct_url
            )
        try:
            built = self._built(choice, blob)
        except (ArchiveError, BuildError) as error:
            from crossdock.pipeline.too_new import with_advice  # only a failure needs it

            raise with_advice(error, self._lock, choice, self._means) from error.__cause__
        _require_tag(built.filename, choice, choice.target)
        return WheelFile(
            name=choice.name,
            filename=built.filename,
            digest=built.digest,
            blob=built.blob,
            direct_url=direct_url,
            built_from=f"{file.filename} {file.digest}" if file else "a local directory",
        )

    def _built(self, choice: Choice, blob: Path | None) -> BuiltFile:
        from crossdock.pipeline.building import ToBuild, build_wheel, native_evidence

        file, package = choice.file, choice.package
        if blob is None or file is None:
            directory = package.directory
            source = ToBuild(
                name=choice.name,
                version=choice.version,
                directory=self._local(directory.path if directory else ""),
                subdirectory=directory.subdirectory if directory else None,
            )
            return build_wheel(source, choice.target, self._means)
        source = ToBuild(
            name=choice.name,
            version=choice.version,
            filename=file.filename,
            digest=file.digest,
            blob=blob,
            subdirectory=file.subdirectory,
            is_tree=choice.kind is Kind.ARCHIVE,
            evidence=_evidence_of_wheels(package),
        )
        if not native_evidence(source, self._means.store):
            self._means.warn(f"building {file.filename}: the lock has no wheel of `{choice.name}` that fits")
        return build_wheel(source, choice.target, self._means)


def fetched_wheels(
    locked: Locked,
    target: Target,
    wheels: Sequence[ChosenWheel],
    means: Means,
    take: Callable[[WheelFile], T],
) -> list[T]:
    """Return what `take` makes of each of the `wheels` of a target, fetched or built, in the same order.

    `take` runs in as many threads as there are cores while other files are on their way. Raise what `Hands.prepare`
    raises.
    """
    if not wheels:
        return []
    choices = [locked.choice(target, wheel) for wheel in wheels]
    wanted = {wheel_key(choice): choice for choice in choices}
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        taken = Hands(locked.lock, means).prepare(wanted, pool, lambda file, _key: take(file))
    return [taken[wheel_key(choice)] for choice in choices]


def _evidence_of_wheels(package: LockedPackage) -> tuple[str, ...]:
    """Return why the wheels of the same version say that it compiles: then a pure one is no equal of theirs."""
    if purity_from_wheels(package) is not False:
        return ()
    return (f"its wheels are for platforms, such as {package.wheels[0].filename}",)


def _require_tag(filename: str, choice: Choice, target: Target) -> None:
    """Refuse a built wheel whose tag the target does not take: made for the Python that built it."""
    from packaging.utils import parse_wheel_filename

    from crossdock.target.tags import tag_ranks

    if not parse_wheel_filename(filename)[3] & tag_ranks(target).keys():
        raise BuildError(
            f"the wheel built of `{choice.package}` is not for {target.name}: `{filename}`",
            code="E-BUILD-TAG",
            hint=f"its tag follows the Python that built it: put a Python {target.python.short} on the PATH",
        )


def direct_url_of(choice: Choice) -> bytes | None:
    """Return direct_url.json for what did not come from an index (PEP 610).

    A local path is left out: it would tell the host's directories.
    """
    if choice.kind is not Kind.ARCHIVE or choice.file is None or choice.file.url is None:
        return None
    import json

    from crossdock.net.url import without_login

    digest = choice.file.digest
    value: dict[str, object] = {
        "archive_info": {"hashes": {digest.algorithm: digest.hex}},
        "url": without_login(choice.file.url),
    }
    if choice.file.subdirectory:
        value["subdirectory"] = choice.file.subdirectory
    return json.dumps(value, sort_keys=True).encode()


def sdist_is_pure(lock: Lock, package: LockedPackage, means: Means) -> bool | None:
    """Tell by its content whether a source distribution builds a pure wheel; it is fetched if need be.

    None for a source tree on this disk, which nothing was promised about. The answer is remembered.
    """
    file = package.sdist or package.archive
    if file is None:
        return None
    from crossdock.pipeline.building import ToBuild, known_evidence, native_evidence

    blob = means.store.blob(file.digest)
    source = ToBuild(
        name=package.name, version=package.version, filename=file.filename, digest=file.digest,
        is_tree=package.sdist is None, blob=blob,
    )  # fmt: skip
    known = known_evidence(source, means.store)
    if known is None:
        _name, blob = next(iter(Hands(lock, means).files({str(file.digest): file})))
        known = native_evidence(replace(source, blob=blob), means.store)
    return not known
