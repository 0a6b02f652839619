"""What `crossdock build` is told to build: a file, a directory, a URL with a hash, or a requirement."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.digest import Digest
from crossdock.errors import FetchError, UsageError
from crossdock.pipeline.building import ToBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement
    from packaging.version import Version

    from crossdock.cli.session import Session
    from crossdock.net.index import ProjectFile

_SUFFIXES = (".tar.gz", ".tgz", ".zip")
#: What a pinned requirement came to on these indexes: files of an index never change under their names.
_FACT = "sdist-of"


def source_of_word(session: Session, word: str) -> ToBuild:
    """Return the source that a word of the command line means; a file is brought into the store, its hash verified.

    Raises `UsageError` (E-BUILD-WHAT) for what is none of them, `FetchError` for what cannot be had.
    """
    path = session.directory / word
    is_path = word in (".", "..") or "/" in word or os.sep in word
    if "://" in word and "@" not in word.partition("://")[0]:
        return _of_url(session, word)
    if is_path and path.is_dir():
        return ToBuild(name="", version=None, directory=path)
    if word.endswith((*_SUFFIXES, ".whl")) or (is_path and not _is_requirement(word)):
        return _of_file(session, path, word)
    return _of_requirement(session, word)


def _is_requirement(word: str) -> bool:
    return " @ " in word or "@ " in word


def _of_file(session: Session, path: Path, word: str) -> ToBuild:
    if word.endswith(".whl"):
        raise UsageError(f"`{word}` is a wheel: it was built already", code="E-BUILD-WHAT")
    if not path.is_file():
        raise UsageError(
            f"no source distribution at `{word}`",
            code="E-BUILD-WHAT",
            hint="give a .tar.gz or .zip, a directory such as ./project, a URL with #sha256=..., or a requirement",
        )
    name, version = name_and_version(path.name)
    with path.open("rb") as file:
        import hashlib

        digest = Digest("sha256", hashlib.file_digest(file, "sha256").hexdigest())
    blob = session.store.blob(digest)
    if blob is None:
        with path.open("rb") as file:
            blob = session.store.ingest(digest, iter(lambda: file.read(1 << 20), b""))
    return ToBuild(name=name, version=version, filename=path.name, digest=digest, blob=blob)


def name_and_version(filename: str) -> tuple[str, str]:
    """Return the normalized name and the version that a source distribution's file name states (PEP 625)."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    plain = f"{filename.removesuffix('.tgz')}.tar.gz" if filename.endswith(".tgz") else filename
    try:
        name, version = parse_sdist_filename(plain)
    except InvalidSdistFilename as error:
        raise UsageError(
            f"`{filename}` is not named like a source distribution: NAME-VERSION.tar.gz (PEP 625)",
            code="E-BUILD-WHAT",
            hint="give an unpacked source tree as a directory",
        ) from error
    return name, str(version)


def _of_url(session: Session, word: str) -> ToBuild:
    from crossdock.net.pages import file_at
    from crossdock.net.url import redact

    file = file_at(word)
    digest = None if file is None else Digest.strongest(file.hashes)
    if file is None or digest is None:
        raise UsageError(
            f"`{redact(word)}` names no hash",
            code="E-BUILD-WHAT",
            hint="write URL#sha256=HEX: what is run must be known",
        )
    return _fetched(session, file, digest)


def _fetched(session: Session, file: ProjectFile, digest: Digest) -> ToBuild:
    name, version = name_and_version(file.filename)
    blob = session.store.blob(digest)
    if blob is None:
        if session.options.get("offline") and "://" in file.url and not file.url.startswith("file:"):
            raise FetchError(
                f"offline, and `{file.filename}` is not in the store",
                code="E-FETCH-OFFLINE",
                hint="run once without `--offline`",
            )
        blob = session.http.download(file.url, digest=digest, size=file.size, store=session.store)
    return ToBuild(name=name, version=version, filename=file.filename, digest=digest, blob=blob)


def _of_requirement(session: Session, word: str) -> ToBuild:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(word)
    except InvalidRequirement as error:
        raise UsageError(
            f"`{word}` is no source distribution, directory, URL or requirement",
            code="E-BUILD-WHAT",
            hint="for example `lxml==5.3.0`, ./lxml-5.3.0.tar.gz, or ./project for a directory",
        ) from error
    if requirement.url is not None:
        return _of_url(session, requirement.url)
    if os.path.isdir(session.directory / word):  # noqa: PTH112 - as in crossdock.cli.locking
        session.tell(f"`{word}` is taken as a package; for the directory of that name write ./{word}")
    key = _key(session, requirement)
    known = None if key is None else session.store.get_fact(_FACT, key)
    if isinstance(known, list) and not session.options.get("rebuild"):
        digest = Digest.parse(known[1])
        name, version = name_and_version(known[0])
        blob = session.store.blob(digest)
        if blob is not None:
            return ToBuild(name=name, version=version, filename=known[0], digest=digest, blob=blob)
    file = _newest(session, requirement)
    found = _fetched(session, file, digest_of(file))
    if key is not None and found.digest is not None:
        session.store.put_fact(_FACT, key, [found.filename, str(found.digest)])
    return found


def _key(session: Session, requirement: Requirement) -> str | None:
    """Return what a pinned requirement is remembered by: itself and where it is looked for."""
    pins = list(requirement.specifier)
    if len(pins) != 1 or pins[0].operator != "==" or pins[0].version.endswith(".*"):
        return None
    index = session.index
    # Hashed: addresses of indexes may hold logins, and keys are kept on the disk.
    told = (
        requirement.name,
        pins[0].version,
        index.index_url,
        index.indexes,
        index.find_links,
        index.no_index,
    )
    return Digest.of(repr(told).encode()).hex


def _newest(session: Session, requirement: Requirement) -> ProjectFile:
    if session.options.get("offline"):
        raise FetchError(
            f"offline, and what `{requirement}` means is asked of the index",
            code="E-FETCH-OFFLINE",
            hint="give the file of the source distribution, or run once without `--offline`",
        )
    from crossdock.cli.index import index_of

    files = index_of(session).files(requirement.name)
    versions = _sdists(file for file in files if _serves(file, session))
    fitting = [one for one in requirement.specifier.filter(versions) if versions[one]]
    if not fitting:
        raise FetchError(
            f"the index has no source distribution for `{requirement}`",
            code="E-BUILD-NO-SDIST",
            places=[f"for these targets it has {', '.join(map(str, sorted(versions)[-8:]))}"]
            if versions
            else [],
            hint="it may publish wheels only, or nothing for this Python: its repository has the sources",
        )
    chosen = versions[max(fitting)]
    # Several forms of one version: the usual one first.
    return min(
        chosen,
        key=lambda file: _SUFFIXES.index(next(end for end in _SUFFIXES if file.filename.endswith(end))),
    )


def _serves(file: ProjectFile, session: Session) -> bool:
    """Tell whether a file's Requires-Python lets every target have it; what cannot be read says nothing (PEP 503)."""
    if file.requires_python is None:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from crossdock.target.markers import satisfies

    try:
        wanted = SpecifierSet(file.requires_python)
    except InvalidSpecifier:
        return True
    return all(satisfies(wanted, target).truth is not False for target in session.targets)


def _sdists(files: Iterable[ProjectFile]) -> dict[Version, list[ProjectFile]]:
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    found: dict[Version, list[ProjectFile]] = {}
    for file in files:
        if not file.filename.endswith(_SUFFIXES) or file.yanked is not None:
            continue
        try:
            found.setdefault(parse_sdist_filename(file.filename)[1], []).append(file)
        except InvalidSdistFilename:
            continue
    return found


def digest_of(file: ProjectFile) -> Digest:
    """Return the hash that the index gives of a file, of one on this disk its own; `FetchError` (E-FETCH-HASH)."""
    digest = Digest.strongest(file.hashes)
    if digest is not None:
        return digest
    from crossdock.net.local import local_path

    path: Any = local_path(file.url)
    if path is None:
        raise FetchError(f"the index gives no hash of `{file.filename}`", code="E-FETCH-HASH")
    return Digest.of(Path(path).read_bytes())
