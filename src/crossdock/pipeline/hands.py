"""Gets the files that selections chose: from the store, this disk or the network, built where they are source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.errors import BuildError, LockError
from crossdock.lock.select import Choice, Kind
from crossdock.ship.assemble import path_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.build.pure import BuiltWheel
    from crossdock.lock.model import Lock, LockedFile, LockedPackage
    from crossdock.net.fetch import Download, Reporter
    from crossdock.net.http import Http
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


class WheelKey(NamedTuple):
    """One wheel to have: a package, a file of it, the path rules it is read under, the Python it is built for."""

    package: int
    file: str
    rules: PathRules
    python: str


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
    """Return what a build depends on besides its source: a wheel is the same for every Python."""
    if choice.file is not None and choice.file.filename.endswith(".whl"):
        return ""
    return choice.target.python.short


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

        def arrived(file_key: str, blob: Path | None) -> None:
            for key in by_file[file_key]:
                futures[key] = pool.submit(self._taken, wanted[key], blob, key, take)

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
        built = self._built(choice, choice.target, blob)
        _require_tag(built.filename, choice, choice.target)
        digest = Digest("sha256", built.sha256)
        return WheelFile(
            name=choice.name,
            filename=built.filename,
            digest=digest,
            blob=self._means.store.blob(digest)
            or self._means.store.ingest(digest, (built.content,), len(built.content)),
            direct_url=direct_url,
            built_from=f"{file.filename} {file.digest}" if file else "a local directory",
        )

    def _built(self, choice: Choice, target: Target, blob: Path | None) -> BuiltWheel:
        from crossdock.build import cached
        from crossdock.build.pure import Locked

        means = self._means
        python = means.python_for(target.python.version)
        if blob is None or choice.file is None:
            directory = choice.package.directory
            place = self._local(directory.path if directory else "")
            locked = Locked(choice.name, choice.version, directory.subdirectory if directory else None)
            return cached.directory(
                means.store,
                place,
                means.tools(),
                python=python,
                version=target.python.version,
                locked=locked,
            )
        means.warn(f"building {choice.file.filename}: the lock has no wheel of `{choice.name}` that fits")
        return cached.sdist(
            means.store,
            blob,
            choice.file.filename,
            choice.file.digest,
            means.tools(),
            python=python,
            version=target.python.version,
            locked=Locked(
                choice.name, choice.version, choice.file.subdirectory, is_tree=choice.kind is Kind.ARCHIVE
            ),
        )


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
    key = str(file.digest)
    known = means.store.get_fact("native", f"{__version__} {key}")
    if not isinstance(known, list):
        _name, blob = next(iter(Hands(lock, means).files({key: file})))
        from crossdock.archive.sdist import Sdist
        from crossdock.store.mapped import mapped

        known = list(
            Sdist.open(mapped(blob), file.filename, source_tree=package.sdist is None).native_sources
        )
        means.store.put_fact("native", f"{__version__} {key}", known)
    return not known
