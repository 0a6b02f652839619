"""manifest.json: what is in a wheelhouse and which locks need it; read as hostile input, written the same everywhere."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeGuard

from crossdock.archive.names import canonical, is_name, is_version
from crossdock.errors import ShipError
from crossdock.ship.wheelhouse.facts import is_moment, is_requires_python, is_text, is_url
from crossdock.ship.wheelhouse.model import Distribution, Manifest, Needed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MANIFEST = "manifest.json"
#: The form of manifest.json that is written, and the newest that is read.
FORM = 1
#: 100,000 distributions are some 50 MB.
LIMIT = 256 << 20

#: Larger than any disk: what is above is no size.
_LARGEST = 1 << 50
#: With what `write_stream` puts around it, a name still fits a file system's 255 bytes, its METADATA's too.
_LONGEST_NAME = 227
#: What pages repeat of what an index said, how it is told to be valid, and what it should be.
_SAID: dict[str, tuple[Callable[[str], bool], str]] = {
    "requires-python": (is_requires_python, "specifier of versions"),
    "upload-time": (is_moment, "date and time of RFC 3339"),
    "provenance": (is_url, "URL"),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: A lock's name is part of a file's: `pylock.NAME.toml` (PEP 751), where a name has no dot.
_LOCK_NAME = re.compile(r"[A-Za-z0-9_-]{0,100}")
_FILES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.(?:whl|tar\.gz|zip|tgz|tar\.bz2|tar\.xz)")


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as JSON: sorted, nothing of the host and no time in it."""
    document = {
        "form": FORM,
        "distributions": [_row(manifest.distributions[path]) for path in sorted(manifest.distributions)],
        "locks": {name: _lock_row(lock) for name, lock in manifest.locks.items()},
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse_manifest(content: bytes, *, filename: str = MANIFEST) -> Manifest:
    """Return the manifest in `content`; raise `ShipError` (E-WHEELHOUSE-MANIFEST) for what none of ours says."""
    document = _document(content, filename)
    rows, locks = document.get("distributions"), document.get("locks")
    if not isinstance(rows, list) or not isinstance(locks, dict):
        raise _refused(filename, "it lacks `distributions` or `locks`")
    found = [_distribution(row, filename) for row in rows]
    distributions = {one.path: one for one in found}
    if len(distributions) < len(found):
        raise _refused(filename, "it names a file twice")
    needed = {name: _needed(name, value, distributions, filename) for name, value in locks.items()}
    return Manifest(distributions=distributions, locks=needed)


def _document(content: bytes, filename: str) -> dict[str, Any]:
    try:
        # Decoded here: by itself `json` takes UTF-16, too, and halves of characters in it.
        document = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(filename, "it is not JSON") from error
    form = document.get("form") if isinstance(document, dict) else None
    if not _is_count(form) or form < 1:
        raise _refused(filename, "it says no `form`")
    if form > FORM:
        raise _refused(filename, f"its form is newer than {FORM}: update crossdock")
    found: dict[str, Any] = document
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def is_lock_name(name: str) -> bool:
    """Tell whether a lock may be called so; empty is the one that is `pylock.toml`."""
    return _LOCK_NAME.fullmatch(name) is not None


def is_distribution_name(filename: str) -> bool:
    """Tell whether a file name is a plain one of a wheel or source distribution."""
    return len(filename) <= _LONGEST_NAME and _FILES.fullmatch(filename) is not None and ".." not in filename


def _lock_row(lock: Needed) -> dict[str, Any]:
    row: dict[str, Any] = {"targets": sorted(lock.targets), "files": sorted(lock.paths)}
    said = {"sha256": lock.sha256, "origin": lock.origin}
    return row | {key: value for key, value in said.items() if value}


def _row(one: Distribution) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": one.name,
        "version": one.version,
        "filename": one.filename,
        "sha256": one.sha256,
        "size": one.size,
    }
    said = {
        "requires-python": one.requires_python,
        "upload-time": one.upload_time,
        "metadata-sha256": one.metadata,
        "provenance": one.provenance,
    }
    row |= {key: value for key, value in said.items() if value}
    if one.yanked is not None:
        row["yanked"] = one.yanked
    if one.built_from is not None:
        row["built-from"] = dict(one.built_from)
    return row


def _distribution(row: object, filename: str) -> Distribution:
    if not isinstance(row, dict):
        raise _refused(filename, "an entry of `distributions` is no table")
    name, version, file = (_text(row, key, filename) for key in ("name", "version", "filename"))
    size, built_from = row.get("size"), row.get("built-from")
    if not (_is_project(name) and _is_valid(version) and is_distribution_name(file)):
        raise _refused(filename, f"a name, version or file name is not valid: `{file[:100]}`")
    if not _is_count(size):
        raise _refused(filename, f"`{file}` has no size")
    sha256, metadata = _text(row, "sha256", filename), _optional(row, "metadata-sha256", filename)
    if not _SHA256.fullmatch(sha256) or not (metadata == "" or _SHA256.fullmatch(metadata)):
        raise _refused(filename, f"`{file}` has no sha256")
    said = _said(row, file, filename)
    if built_from is not None and not _is_texts(built_from):
        raise _refused(filename, f"`built-from` of `{file}` is no table of texts")
    return Distribution(
        name=name,
        version=version,
        filename=file,
        sha256=sha256,
        size=size,
        requires_python=said["requires-python"],
        upload_time=said["upload-time"],
        yanked=None if "yanked" not in row else _optional(row, "yanked", filename),
        metadata=metadata,
        provenance=said["provenance"],
        built_from=built_from,
    )


def _said(row: dict[str, Any], file: str, filename: str) -> dict[str, str]:
    """Return what an index says of a file, and pages repeat, checked; empty where it is not there."""
    found = {key: _optional(row, key, filename) for key in _SAID}
    for key, (is_valid, what) in _SAID.items():
        if found[key] and not is_valid(found[key]):
            raise _refused(filename, f"`{key}` of `{file}` is no {what}")
    return found


def _needed(name: str, value: object, distributions: Mapping[str, Distribution], filename: str) -> Needed:
    if not is_lock_name(name) or not isinstance(value, dict):
        raise _refused(filename, f"`{name[:100]}` cannot be the name of a lock")
    targets, files = value.get("targets"), value.get("files")
    if not _are_texts(targets) or not _are_texts(files):
        raise _refused(
            filename, f"the lock `{name}` lacks `targets` or `files`, or not all of them are texts"
        )
    unknown = next((path for path in files if path not in distributions), None)
    if unknown is not None:
        raise _refused(filename, f"the lock `{name}` needs `{unknown[:100]}`, which is not there")
    sha256 = _optional(value, "sha256", filename)
    if sha256 and not _SHA256.fullmatch(sha256):
        raise _refused(filename, f"the lock `{name}` has no sha256")
    origin = _optional(value, "origin", filename)
    return Needed(targets=tuple(targets), paths=tuple(files), sha256=sha256, origin=origin)


def _is_project(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and is_name(name) and canonical(name) == name


def _is_valid(version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return is_version(version) and Version(version) is not None
    except InvalidVersion:
        return False


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(is_text(item) for pair in value.items() for item in pair)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(is_text(item) for item in value)


def _text(row: dict[str, Any], key: str, filename: str) -> str:
    value = row.get(key)
    if not is_text(value) or not value:
        raise _refused(filename, f"an entry of `distributions` has no `{key}`")
    return value


def _optional(row: dict[str, Any], key: str, filename: str) -> str:
    value = row.get(key, "")
    if not is_text(value):
        raise _refused(filename, f"`{key}` is no text")
    return value


def _refused(filename: str, why: str) -> ShipError:
    return ShipError(
        f"`{filename}` is no manifest of a wheelhouse: {why}",
        code="E-WHEELHOUSE-MANIFEST",
        hint="`crossdock mirror` writes it; give another directory, or restore the file",
    )
