"""The licences of files, read where they lie already or beside them on the index; files are fetched on request only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossdock.archive.metadata import parse_headers
from crossdock.archive.sdist import Sdist
from crossdock.archive.wheel import Wheel
from crossdock.digest import Digest
from crossdock.errors import CrossdockError
from crossdock.lock.select import Kind
from crossdock.pipeline.hands import Hands
from crossdock.ship.check.model import Declared
from crossdock.ship.image.licences import expression_of, licence_of
from crossdock.store.mapped import mapped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crossdock.lock.model import Lock, LockedFile
    from crossdock.lock.select import Choice
    from crossdock.net.pages import ProjectFile
    from crossdock.pipeline.hands import Means
    from crossdock.ship.check.model import FileFacts

#: A METADATA file with a long README in it.
_LIMIT = 8 << 20
#: What an index answers that has no METADATA beside its files (PEP 658), or gives it to nobody.
_ABSENT = frozenset({404, 405, 410})
_REFUSED = frozenset({401, 403})
_FOUND = 200
#: What is remembered of a file, by its digest; the number is the form of the value.
_FACT = "licence"
_FORM = 1
_FIELDS = ("License-Expression", "License", "Classifier")
#: setuptools and flit wrote it for years where nothing was declared.
_NOTHING = "UNKNOWN"
_NOT_FETCHED = "not fetched"
#: What is said of a file under whose name the index has another one, whose metadata is none of ours.
OTHER_BYTES = "its index lists other bytes under the file's name"
#: Characters of a licence's text that are shown.
_BEGINNING = 60


class Licences:
    """Reads licences: safe to call from several threads. `own` are the user's words by package."""

    def __init__(self, lock: Lock, means: Means, *, own: Mapping[str, str], fetch: bool) -> None:
        self._lock = lock
        self._means = means
        self._own = own
        self._fetch = fetch

    def of(self, choice: Choice, listed: ProjectFile | None, *, index_says: str) -> Declared:
        """Return the licence of a choice; `listed` is the file as its index lists it, or `index_says` why there is none."""
        own = self._own.get(choice.name)
        if own:
            return Declared(expression=own, source="settings")
        file = choice.file
        if file is None:
            return self._of_tree(choice)
        try:
            return self._of_file(choice, file, listed, index_says)
        except CrossdockError as error:
            return Declared(unknown=f"{error.message} [{error.code}]")

    def completed(
        self, choices: Mapping[str, Choice], facts: Mapping[str, FileFacts]
    ) -> dict[str, FileFacts]:
        """Return the facts, with the licences of files that are fetched now where that is allowed."""
        files = {
            key: file
            for key, one in facts.items()
            if one.licence.unknown and (file := choices[key].file) is not None
        }
        if not self._fetch or self._means.offline or not files:
            return dict(facts)
        done = dict(facts)
        for key, blob in Hands(self._lock, self._means).files(files):
            licence = self._of_blob(choices[key], files[key], blob)
            done[key] = replace(done[key], licence=licence)
        return done

    def _of_file(
        self, choice: Choice, file: LockedFile, listed: ProjectFile | None, index_says: str
    ) -> Declared:
        known = self._remembered(file.digest)
        if known is not None:
            return known
        blob = self._means.store.blob(file.digest)
        if blob is None and file.path is not None:
            _key, blob = next(iter(Hands(self._lock, self._means).files({"": file})))
        if blob is not None:
            return self._of_blob(choice, file, blob)
        if self._means.offline:
            return Declared(unknown=f"{_NOT_FETCHED} (offline)")
        if not file.filename.endswith(".whl"):
            return Declared(unknown=f"{_NOT_FETCHED}, and an index tells nothing of source distributions")
        if index_says == OTHER_BYTES:
            return Declared(unknown=f"{_NOT_FETCHED}: {OTHER_BYTES}")
        return self._beside(file, listed)

    def _beside(self, file: LockedFile, listed: ProjectFile | None) -> Declared:
        """Read the METADATA that an index serves beside a wheel (PEP 658), checked where the index gives its hash."""
        url = file.url or ""
        # Behind a query it would be part of that, and no name of a file.
        if not url.startswith(("https://", "http://")) or "?" in url:
            return Declared(unknown=_NOT_FETCHED)
        answer = self._means.http().get(f"{url}.metadata", limit=_LIMIT, ok=_ABSENT | _REFUSED | {_FOUND})
        if answer.status in _REFUSED:
            return Declared(unknown=f"{_NOT_FETCHED}, and the index answers {answer.status} to its metadata")
        if answer.status != _FOUND:
            return self._of_part(file, url)
        hashes = listed.core_metadata if listed is not None else None
        digest = Digest.strongest(hashes) if hashes else None
        if digest is not None and Digest.of(answer.body, digest.algorithm) != digest:
            return Declared(unknown="the metadata beside the wheel is not what the index says it is")
        licence = _declared(answer.body, file.filename, "the index's metadata")
        if digest is not None:
            self._remember(file.digest, licence)
        return licence

    def _of_part(self, file: LockedFile, url: str) -> Declared:
        """Read the METADATA out of the wheel where it lies; not remembered, as no hash speaks for a part."""
        from crossdock.net.partial import metadata_of_wheel

        content = metadata_of_wheel(self._means.http(), url, file.size)
        if content is None:
            return Declared(unknown=f"{_NOT_FETCHED}, and the index has no metadata beside the wheel")
        return _declared(content, file.filename, "a part of the wheel on its index")

    def _of_blob(self, choice: Choice, file: LockedFile, blob: Path) -> Declared:
        try:
            licence = (
                _of_wheel(file, blob) if file.filename.endswith(".whl") else _of_sdist(choice, file, blob)
            )
        except CrossdockError as error:
            return Declared(unknown=f"{error.message} [{error.code}]")
        self._remember(file.digest, licence)
        return licence

    def _of_tree(self, choice: Choice) -> Declared:
        """Read what a source tree states without running it: `license` of its pyproject.toml."""
        directory, start = choice.package.directory, self._lock.directory
        if choice.kind is not Kind.DIRECTORY or directory is None or start is None:
            return Declared(unknown="nothing of it is locked but where it is")
        import tomllib

        path = start / directory.path / (directory.subdirectory or "") / "pyproject.toml"
        try:
            project = tomllib.loads(path.read_text(encoding="utf-8")).get("project")
        except (OSError, ValueError, RecursionError):
            return Declared(unknown="its source tree has no pyproject.toml that can be read")
        return _stated(project)

    def _remembered(self, digest: Digest) -> Declared | None:
        found = self._means.store.get_fact(_FACT, str(digest))
        if not isinstance(found, dict) or found.get("form") != _FORM:
            return None
        return Declared(expression=found["expression"], words=tuple(found["words"]), source=found["source"])

    def _remember(self, digest: Digest, licence: Declared) -> None:
        value = {
            "form": _FORM,
            "expression": licence.expression,
            "words": list(licence.words),
            "source": licence.source,
        }
        self._means.store.put_fact(_FACT, str(digest), value)


def _of_wheel(file: LockedFile, blob: Path) -> Declared:
    with Wheel.open(mapped(blob), file.filename, allow_bad_record=True) as wheel:
        return _declared(wheel.metadata, file.filename, "the wheel's metadata")


def _of_sdist(choice: Choice, file: LockedFile, blob: Path) -> Declared:
    sdist = Sdist.open(mapped(blob), file.filename, source_tree=choice.kind is Kind.ARCHIVE)
    if sdist.pkg_info is None:
        return _stated((sdist.pyproject or {}).get("project"))
    return _declared(sdist.pkg_info, file.filename, "the source distribution's PKG-INFO")


def _stated(project: object) -> Declared:
    """Return what the `[project]` table of a pyproject.toml says: a string is an SPDX expression (PEP 639)."""
    said = project.get("license") if isinstance(project, dict) else None
    text = said.get("text") if isinstance(said, dict) else said
    words = (" ".join(text.split()),) if isinstance(text, str) and text.strip() else ()
    expression = expression_of(words[0]) if words else ""
    source = "the source tree's pyproject.toml"
    return Declared(expression=expression, words=() if expression else words, source=source)


def _declared(content: bytes, filename: str, source: str) -> Declared:
    headers = parse_headers(content, filename=filename, member="METADATA", code="E-WHEEL-METADATA")
    fields = {
        name: [value for value in headers.all(name) if value.strip().upper() != _NOTHING] for name in _FIELDS
    }
    # Other classifiers say nothing of licences.
    fields["Classifier"] = [one for one in fields["Classifier"] if one.startswith("License ::")]
    found = licence_of(fields)
    words = found.words
    if not found.expression and not words:
        words = tuple(_beginning(text) for text in fields["License"] if text)
    return Declared(expression=found.expression, words=words, source=source)


def _beginning(text: str) -> str:
    """Return how a licence's text begins, which some wrote where its name belongs."""
    return f"{' '.join(text.split())[:_BEGINNING]}…"
