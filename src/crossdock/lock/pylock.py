"""Reads and writes `pylock.toml` (PEP 751): hostile until validated, then a `Lock`."""

from __future__ import annotations

import tomllib
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from crossdock.digest import Digest
from crossdock.errors import CrossdockError, LockError
from crossdock.lock.model import (
    Lock,
    LockedDirectory,
    LockedFile,
    LockedPackage,
    LockedVcs,
    LockedWheel,
    Rejection,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from packaging import pylock

#: A lock of 5,000 packages with 40 wheels each is about 60 MB; larger ones are refused unread.
MAX_BYTES = 128 * 1024 * 1024
#: uv's longest markers (conflicting extras, many forks) stay under 10 KB. A marker's cost grows with it.
MAX_MARKER = 32 * 1024
#: Parentheses within parentheses: the parsers recurse.
MAX_MARKER_DEPTH = 64

_SCHEMES = ("https", "http", "file")
_WHEEL_PARTS = 5


def read_lock(source: Path | bytes, *, filename: str = "pylock.toml", directory: Path | None = None) -> Lock:
    """Read a lock from a file, or from bytes together with what the file is called and where it lies.

    Every wheel, source distribution and archive must carry a sha256, sha384 or sha512 hash. Raises
    `LockError`, whose places name the entry (`packages[3].wheels[0]`).
    """
    if isinstance(source, Path):
        content, filename, directory = _read_file(source), source.name, source.parent
    else:
        content = source
    table = _parse_toml(content, filename)
    unreadable = _take_unreadable_wheels(table)
    _check_markers(table, filename)
    return _Reader(filename, directory, unreadable).lock(_validate(table, filename))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LockError(
            f"cannot read the lock `{path}`: {error.strerror or error}",
            code="E-LOCK-READ",
            hint="make one with `crossdock lock`",
        ) from error


def _parse_toml(content: bytes, filename: str) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        raise LockError(f"`{filename}` is larger than {MAX_BYTES // 2**20} MiB", code="E-LOCK-SIZE")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LockError(f"`{filename}` is not TOML: {error}", code="E-LOCK-TOML") from error


def _check_markers(table: Mapping[str, Any], filename: str) -> None:
    """Refuse markers whose parsing would cost too much, before any parser sees them."""
    for place, marker in _markers(table):
        if len(marker) > MAX_MARKER:
            raise LockError(
                f"a marker in `{filename}` is longer than {MAX_MARKER} characters",
                code="E-LOCK-MARKER",
                places=[place],
            )
        if marker.count("(") > MAX_MARKER_DEPTH and _depth(marker) > MAX_MARKER_DEPTH:
            raise LockError(
                f"a marker in `{filename}` is nested deeper than {MAX_MARKER_DEPTH}",
                code="E-LOCK-MARKER",
                places=[place],
            )


def _markers(table: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    environments = table.get("environments")
    if isinstance(environments, list):
        for index, marker in enumerate(environments):
            if isinstance(marker, str):
                yield f"environments[{index}]", marker
    for index, package in enumerate(_tables(table, "packages")):
        marker = package.get("marker")
        if isinstance(marker, str):
            yield f"packages[{index}].marker", marker


def _depth(marker: str) -> int:
    depth = deepest = 0
    for character in marker:
        if character == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif character == ")":
            depth -= 1
    return deepest


def _tables(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tables under `key`; what has another shape is left for the validation to name."""
    value = table.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return []
    return value


def _take_unreadable_wheels(table: dict[str, Any]) -> dict[int, tuple[Rejection, ...]]:
    """Take wheel variants out of the table, since one such name would make the whole lock invalid.

    PEP 825 (a draft) appends a label to the file name; readers of today's standard must not choose it.
    """
    taken: dict[int, tuple[Rejection, ...]] = {}
    for index, package in enumerate(_tables(table, "packages")):
        wheels = _tables(package, "wheels")
        variants = [wheel for wheel in wheels if _is_variant(_raw_name(wheel))]
        if not variants:
            continue
        taken[index] = tuple(
            Rejection(_raw_name(wheel), "a wheel variant (PEP 825), which is not chosen")
            for wheel in variants
        )
        package["wheels"] = [wheel for wheel in wheels if not _is_variant(_raw_name(wheel))]
        if not package["wheels"] and "sdist" not in package:
            raise LockError(
                f"`{package.get('name')}` is locked with wheel variants only, which are not supported",
                code="E-LOCK-VARIANT",
                places=[f"packages[{index}].wheels[0]: {_raw_name(variants[0])}"],
                hint="lock a version that also has plain wheels or a source distribution",
            )
    return taken


def _raw_name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or _last(entry.get("path")) or _url_name(entry.get("url")) or "")


def _is_variant(filename: str) -> bool:
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) <= _WHEEL_PARTS:
        return False
    # name-version-build-python-abi-platform: a build number starts with a digit, a label ends the name.
    return len(parts) > _WHEEL_PARTS + 1 or not parts[2][:1].isdigit()


def _last(path: object) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(path, str) else ""


def _url_name(url: object) -> str:
    if not isinstance(url, str):
        return ""
    name = url.rsplit("/", 1)[-1]
    if "%" in name or "#" in name or "?" in name:
        return unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    return name


def _validate(table: Mapping[str, Any], filename: str) -> pylock.Pylock:
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        return Pylock.from_dict(table)
    except PylockUnsupportedVersionError as error:
        raise LockError(
            f"`{filename}` has a format version that is not known: {error.message}",
            code="E-LOCK-VERSION",
            hint="update crossdock, or lock again with `crossdock lock`",
        ) from error
    except PylockValidationError as error:
        raise LockError(
            f"`{filename}` is not a valid lock: {error.message}",
            code="E-LOCK-INVALID",
            places=[error.context] if error.context else (),
            hint="lock again with `crossdock lock`",
        ) from error
    except RecursionError as error:
        raise LockError(f"`{filename}` is nested too deeply", code="E-LOCK-INVALID") from error


class _Reader:
    """Turns a validated lock into our value; holds what the messages need."""

    def __init__(
        self, filename: str, directory: Path | None, unreadable: Mapping[int, tuple[Rejection, ...]]
    ) -> None:
        self._filename = filename
        self._directory = directory
        self._unreadable = unreadable

    def lock(self, source: pylock.Pylock) -> Lock:
        version = str(source.lock_version)
        notes = [] if version == "1.0" else [f"`{self._filename}` has version {version}; read as 1.0"]
        return Lock(
            lock_version=version,
            created_by=source.created_by,
            requires_python=source.requires_python,
            environments=tuple(source.environments or ()),
            extras=tuple(source.extras or ()),
            dependency_groups=tuple(source.dependency_groups or ()),
            default_groups=tuple(source.default_groups or ()),
            packages=tuple(self._package(i, package) for i, package in enumerate(source.packages)),
            filename=self._filename,
            directory=self._directory,
            notes=tuple(notes),
        )

    def _package(self, position: int, package: pylock.Package) -> LockedPackage:
        place = f"packages[{position}]"
        return LockedPackage(
            position=position,
            name=package.name,
            version=str(package.version) if package.version is not None else None,
            marker=package.marker,
            requires_python=package.requires_python,
            index=package.index,
            wheels=tuple(
                self._wheel(wheel, f"{place}.wheels[{i}]") for i, wheel in enumerate(package.wheels or ())
            ),
            sdist=self._sdist(package.sdist, f"{place}.sdist") if package.sdist else None,
            archive=self._archive(package.archive, f"{place}.archive") if package.archive else None,
            directory=_directory(package.directory) if package.directory else None,
            vcs=_vcs(package.vcs) if package.vcs else None,
            unreadable=self._unreadable.get(position, ()),
        )

    def _wheel(self, wheel: pylock.PackageWheel, place: str) -> LockedWheel:
        return parse_wheel_name(
            wheel.filename,
            digest=self._digest(wheel.hashes, place),
            url=self._url(wheel.url, place),
            path=wheel.path,
            size=self._size(wheel.size, place),
            upload_time=_time(wheel.upload_time),
        )

    def _sdist(self, sdist: pylock.PackageSdist, place: str) -> LockedFile:
        return LockedFile(
            filename=sdist.filename,
            digest=self._digest(sdist.hashes, place),
            url=self._url(sdist.url, place),
            path=sdist.path,
            size=self._size(sdist.size, place),
            upload_time=_time(sdist.upload_time),
        )

    def _archive(self, archive: pylock.PackageArchive, place: str) -> LockedFile:
        filename = _last(archive.path) or _url_name(archive.url)
        digest = self._digest(archive.hashes, place)
        url, size = self._url(archive.url, place), self._size(archive.size, place)
        if filename.endswith(".whl"):
            # uv locks a wheel that was asked for by URL or path as an archive.
            self._check_wheel_name(filename, place)
            return parse_wheel_name(filename, digest=digest, url=url, path=archive.path, size=size)
        return LockedFile(
            filename=filename,
            digest=digest,
            url=url,
            path=archive.path,
            size=size,
            subdirectory=archive.subdirectory,
        )

    def _check_wheel_name(self, filename: str, place: str) -> None:
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise LockError(
                f"`{self._filename}` has a wheel whose name is not valid: `{filename}`",
                code="E-LOCK-INVALID",
                places=[place],
            ) from error

    def _digest(self, hashes: Mapping[str, str], place: str) -> Digest:
        try:
            digest = Digest.strongest(hashes)
        except CrossdockError as error:
            raise LockError(
                f"`{self._filename}`: {error.message}", code="E-LOCK-HASH", places=[f"{place}.hashes"]
            ) from error
        if digest is None:
            # facts: md5, sha1 and sha224 are collision-prone or short; pip refuses them in hash mode too.
            raise LockError(
                f"`{self._filename}` has no hash that is accepted, only {', '.join(sorted(hashes))}",
                code="E-LOCK-HASH",
                places=[f"{place}.hashes"],
                hint="lock again with an index that gives sha256",
            )
        return digest

    def _size(self, size: int | None, place: str) -> int | None:
        if size is not None and size < 0:
            raise LockError(
                f"`{self._filename}` has a negative size", code="E-LOCK-INVALID", places=[f"{place}.size"]
            )
        return size

    def _url(self, url: str | None, place: str) -> str | None:
        if url is not None and not url.startswith(("https://", "http://", "file://")):
            raise LockError(
                f"`{self._filename}` has a URL that is not one of {', '.join(_SCHEMES)}",
                code="E-LOCK-URL",
                places=[f"{place}.url"],
            )
        return url


def parse_wheel_name(
    filename: str,
    *,
    digest: Digest,
    url: str | None = None,
    path: str | None = None,
    size: int | None = None,
    upload_time: str | None = None,
) -> LockedWheel:
    """Take a wheel's file name apart (binary distribution format); the name must be valid already."""
    parts = filename.removesuffix(".whl").split("-")
    return LockedWheel(
        filename=filename,
        digest=digest,
        url=url,
        path=path,
        size=size,
        upload_time=upload_time,
        build=_build_number(parts[2]) if len(parts) > _WHEEL_PARTS else (-1, ""),
        pythons=tuple(parts[-3].lower().split(".")),
        abis=tuple(parts[-2].lower().split(".")),
        platforms=tuple(parts[-1].lower().split(".")),
    )


def _time(time: datetime | None) -> str | None:
    """Return a time as PEP 700 writes it; one without a zone is UTC (PEP 751, packages.wheels.upload-time)."""
    if time is None:
        return None
    known = time if time.tzinfo else time.replace(tzinfo=UTC)
    return known.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _build_number(text: str) -> tuple[int, str]:
    digits = len(text) - len(text.lstrip("0123456789"))
    return (int(text[:digits]), text[digits:])


def _directory(directory: pylock.PackageDirectory) -> LockedDirectory:
    return LockedDirectory(
        path=directory.path, editable=bool(directory.editable), subdirectory=directory.subdirectory
    )


def _vcs(vcs: pylock.PackageVcs) -> LockedVcs:
    return LockedVcs(
        type=vcs.type, commit=vcs.commit_id, url=vcs.url, path=vcs.path, subdirectory=vcs.subdirectory
    )
