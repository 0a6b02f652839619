"""Tells, without running anything, whether a source distribution says what it needs (PEP 643)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packaging.version import Version

#: What a resolver reads; if one of them is dynamic, only a build tells it.
_RESOLVED = frozenset({"requires-dist", "requires-python", "provides-extra"})


class IndexedSdist(Protocol):
    """What an index says of a file, as far as it counts here (the simple repository API)."""

    @property
    def filename(self) -> str:
        """The file's name."""

    @property
    def yanked(self) -> bool | str | None:
        """Whether the file was taken back (PEP 592), or the reason."""


File = TypeVar("File", bound=IndexedSdist)


def newest_static_version(files: Iterable[File], pkg_info: Callable[[File], bytes | None]) -> str | None:
    """Return the newest version if its source distribution states its metadata for good, else None.

    `pkg_info` fetches a file and returns its PKG-INFO. Only the newest version is asked for: it is what a
    resolver would take, and each question is a download.
    """
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    newest: tuple[Version, File] | None = None
    for file in files:
        try:
            version = parse_sdist_filename(file.filename)[1]
        except InvalidSdistFilename:
            continue
        usable = file.yanked in (None, False) and not version.is_prerelease
        if usable and (newest is None or version > newest[0]):
            newest = (version, file)
    if newest is None:
        return None
    content = pkg_info(newest[1])
    return str(newest[0]) if content is not None and is_static(content) else None


def is_static(pkg_info: bytes) -> bool:
    """Tell whether PKG-INFO has requirements that hold for every wheel built from it (PEP 643)."""
    from packaging.metadata import parse_email
    from packaging.version import InvalidVersion, Version

    raw, _ = parse_email(pkg_info)
    try:
        # PEP 643: from version 2.2 on what is not listed as dynamic is fixed.
        recent = Version(raw.get("metadata_version", "0")) >= Version("2.2")
    except InvalidVersion:
        return False
    return recent and not _RESOLVED & {field.lower() for field in raw.get("dynamic", ())}
