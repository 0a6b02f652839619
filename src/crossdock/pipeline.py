"""Lock -> selections -> wheels in hand, fetched or built and audited, for many targets side by side."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock import __version__
from crossdock.digest import Digest
from crossdock.errors import BuildError, LockError
from crossdock.lock.plan import purity_from_wheels
from crossdock.lock.select import Choice, Kind, Selection
from crossdock.ship.assemble import path_rules
from crossdock.ship.cargo import Gathered, WheelInHand, findings_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from crossdock.build.backend import BuildTools
    from crossdock.build.pure import BuiltWheel
    from crossdock.inspect.finding import Finding
    from crossdock.lock.model import Lock, LockedFile, LockedPackage
    from crossdock.net.fetch import Download, Reporter
    from crossdock.net.http import Http
    from crossdock.safepath import PathRules
    from crossdock.store import Store
    from crossdock.target.model import Target

    #: A package, a file of it by digest, the path rules that it is read under, and the Python it is built for.
    _Key = tuple[int, str, PathRules, str]

#: zlib and SHA-256 release the interpreter, so unpacking gains from as many threads as there are cores.
_UNPACKERS = 4

#: Raised when the audit's rules change within a version.
_AUDIT_FORM = 1


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


def gather(lock: Lock, selections: Sequence[Selection], means: Means) -> list[Gathered]:
    """Bring every chosen file into the store, build what is pure source, verify and audit; one entry a selection.

    Raises `LockError` for a package without a fitting file, `FetchError`, `ArchiveError` or `BuildError` for
    the first file that fails. Findings are returned, not raised: the caller decides.
    """
    for selection in selections:
        selection.require()
        _refuse_native(lock, selection, means)
    hands = _Hands(lock, means)
    with ThreadPoolExecutor(_UNPACKERS) as pool:
        wanted = {
            (id(choice.package), _file_key(choice), path_rules(selection.target), _variant(choice)): (
                choice,
                selection.target,
            )
            for selection in selections
            for choice in selection.choices
        }
        prepared = hands.prepare(wanted, pool)
    return [
        _audited(
            means.store,
            selection,
            tuple(
                prepared[
                    id(choice.package), _file_key(choice), path_rules(selection.target), _variant(choice)
                ]
                for choice in selection.choices
            ),
        )
        for selection in selections
    ]


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
        _name, blob = next(iter(_Hands(lock, means).files({key: file})))
        from crossdock.archive.sdist import Sdist
        from crossdock.store.mapped import mapped

        known = list(
            Sdist.open(mapped(blob), file.filename, source_tree=package.sdist is None).native_sources
        )
        means.store.put_fact("native", f"{__version__} {key}", known)
    return not known


class _Hands:
    """Gets the wheels of one call of `gather`, each file once whatever the number of targets."""

    def __init__(self, lock: Lock, means: Means) -> None:
        self._lock = lock
        self._means = means

    def prepare(
        self, wanted: Mapping[_Key, tuple[Choice, Target]], pool: ThreadPoolExecutor
    ) -> dict[_Key, WheelInHand]:
        """Return the wheel of each wanted (package, file, path rules); unpacking overlaps the downloads."""
        by_file: dict[str, list[_Key]] = {}
        for key in wanted:
            by_file.setdefault(key[1], []).append(key)
        futures: dict[_Key, Future[WheelInHand]] = {}

        def arrived(file_key: str, blob: Path | None) -> None:
            for key in by_file[file_key]:
                choice, target = wanted[key]
                futures[key] = pool.submit(self._wheel, choice, target, blob, key[2])

        try:
            files: dict[str, LockedFile] = {}
            for key in wanted:
                file = wanted[key][0].file
                if file is None:
                    arrived(key[1], None)
                else:
                    files[key[1]] = file
            for file_key, blob in self.files(files):
                arrived(file_key, blob)
            return {key: future.result() for key, future in futures.items()}
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

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

    def _wheel(self, choice: Choice, target: Target, blob: Path | None, rules: PathRules) -> WheelInHand:
        file = choice.file
        if file is not None and blob is not None and file.filename.endswith(".whl"):
            return self._in_hand(choice, file.filename, file.digest, blob, rules, built_from=None)
        built = self._built(choice, target, blob)
        _require_tag(built.filename, choice, target)
        digest = Digest("sha256", built.sha256)
        path = self._means.store.blob(digest) or self._means.store.ingest(
            digest, (built.content,), len(built.content)
        )
        source = f"{file.filename} {file.digest}" if file else "a local directory"
        return self._in_hand(choice, built.filename, digest, path, rules, built_from=source)

    def _in_hand(
        self,
        choice: Choice,
        filename: str,
        digest: Digest,
        blob: Path,
        rules: PathRules,
        *,
        built_from: str | None,
    ) -> WheelInHand:
        from crossdock.ship.unpacked import unpack_wheel

        unpacked = unpack_wheel(
            self._means.store,
            digest,
            blob,
            filename,
            rules=rules,
            allow_bad_record=choice.name in self._means.allow_bad_record,
        )
        return WheelInHand(
            name=choice.name,
            filename=filename,
            digest=digest,
            unpacked=unpacked,
            direct_url=_direct_url(choice),
            built_from=built_from,
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
            return cached.directory(place, means.tools(), python=python, locked=locked)
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


def _direct_url(choice: Choice) -> bytes | None:
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


def _refuse_native(lock: Lock, selection: Selection, means: Means) -> None:
    """Refuse, before any wheel is fetched, what can only be had by compiling for the target."""
    native = [choice for choice in selection.choices if _is_native(lock, choice, means)]
    if native:
        more = f" and {len(native) - 1} more have" if len(native) > 1 else " has"
        raise LockError(
            f"`{native[0].package}`{more} no wheel for {selection.target.name} and must be cross-built",
            code="E-LOCK-NATIVE",
            places=[f"{choice.package.place} {choice.package}: {choice.reason}" for choice in native],
            hint="`crossdock plan` names the newest versions with a wheel, `crossdock lock --prefer-wheels` takes them",
        )


def _is_native(lock: Lock, choice: Choice, means: Means) -> bool:
    """Tell by the wheels of the same version, or else by its content, that a source distribution compiles."""
    if choice.file is None or choice.file.filename.endswith(".whl"):
        return False
    pure = purity_from_wheels(choice.package)
    return (sdist_is_pure(lock, choice.package, means) if pure is None else pure) is False


def _audited(store: Store, selection: Selection, wheels: tuple[WheelInHand, ...]) -> Gathered:
    """Audit all binaries of a target together; the same wheels for the same target are audited once."""
    target = selection.target
    if not any(wheel.unpacked.binaries for wheel in wheels):
        return Gathered(target=target, wheels=wheels, findings=(), notes=selection.notes)
    digests = ",".join(sorted(str(wheel.digest) for wheel in wheels))
    key = f"{_AUDIT_FORM} {__version__} {target.key} {Digest.of(digests.encode()).hex}"
    known = store.get_fact("audit", key)
    if isinstance(known, list):
        findings = findings_from_json(known)
    else:
        findings = _audit(target, wheels)
        store.put_fact("audit", key, [finding.to_json() for finding in findings])
    return Gathered(target=target, wheels=wheels, findings=findings, notes=selection.notes)


def _audit(target: Target, wheels: Sequence[WheelInHand]) -> tuple[Finding, ...]:
    from crossdock.inspect.audit import audit
    from crossdock.inspect.binary import Binary
    from crossdock.inspect.finding import AuditFile

    files = [
        AuditFile(
            path=path,
            package=wheel.name,
            wheel=wheel.filename,
            tags=wheel.unpacked.tags,
            binary=Binary.from_json(facts),
        )
        for wheel in wheels
        for path, facts in wheel.unpacked.binaries
    ]
    return audit(files, target)
