"""Where a package's files go in the image, and what of them stays out."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from crossdock.archive.deb import DebEntry
from crossdock.archive.tarread import Kind
from crossdock.errors import ImageError
from crossdock.safepath import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: All suites from bookworm on have these as links into /usr (wiki.debian.org/UsrMerge).
MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
#: Whose the entries are that no package brings.
MADE = "made here"
_DOC = re.compile(r"usr/share/doc/[^/]+(?:/copyright)?")
_LEFT_OUT = (
    "usr/share/bug/",
    "usr/share/doc-base/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/menu/",
    "usr/share/pixmaps/",
)


def placed(entries: Iterable[DebEntry]) -> Iterator[DebEntry]:
    """Yield the entries that go into the image, where they go: below /usr, without documents but the copyright.

    Owners are root's, set-user-ID bits and the like are not kept: nothing here reads them.
    """
    for entry in entries:
        path = merged_path(entry.path)
        if path in MERGED or not _stays(path, entry.kind):
            continue
        yield DebEntry(path, entry.kind, entry.executable, entry.content, entry.link)


def merged_path(path: str) -> str:
    """Return a path as it is once /bin, /lib and /sbin are links into /usr."""
    top, slash, _rest = path.partition("/")
    return f"usr/{path}" if slash and top in MERGED else path


def _stays(path: str, kind: Kind) -> bool:
    if path.startswith("usr/share/doc/"):
        # A whole directory may be a link to another package's, with the copyright in it.
        return bool(_DOC.fullmatch(path)) and kind is not Kind.DIRECTORY
    return not f"{path}/".startswith(_LEFT_OUT)


class Taken:
    """Every path of an image with the package that has it: nothing may lie on or below what another one placed."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = dict.fromkeys(MERGED, "the layout of the system")
        self._directories: dict[str, str] = {}

    def add(self, entry: DebEntry, owner: str) -> None:
        """Take a path; raise `ImageError` (E-DEBIAN-CLASH) if it is taken, or its directory is none."""
        path = entry.path
        parent = posixpath.dirname(path)
        while parent:
            other = self._links.get(parent) or self._files.get(parent)
            if other is not None:
                # A file written through a link would lie elsewhere, perhaps over another one.
                raise _clash(path, owner, other)
            self._directories.setdefault(parent, owner)
            parent = posixpath.dirname(parent)
        if entry.kind is Kind.DIRECTORY:
            other = self._links.get(path) or self._files.get(path)
            if other is not None:
                raise _clash(path, owner, other)
            self._directories.setdefault(path, owner)
            return
        other = self._files.get(path) or self._links.get(path) or self._directories.get(path)
        if other is not None and (other != MADE or path in self._directories):
            # What was made in a layer below may be replaced: `openssl` brings a link that there is without it, too.
            raise _clash(path, owner, other)
        self._files.pop(path, None)
        self._links.pop(path, None)
        (self._links if entry.kind is Kind.SYMLINK else self._files)[path] = owner

    def has(self, path: str) -> bool:
        """Tell whether anything is at a path."""
        return path in self._files or path in self._links or path in self._directories


def _clash(path: str, owner: str, other: str) -> ImageError:
    return ImageError(
        f"`/{show(path)}` of `{owner}` lies on or below what `{other}` has there",
        code="E-DEBIAN-CLASH",
        hint="leave one of the two packages out",
    )
