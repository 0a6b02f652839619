"""A source distribution, tar.gz or zip: the same files, the same rules (PEP 625, PEP 643)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from crossdock.archive.gunzip import Gunzip
from crossdock.archive.limits import DEFAULT_LIMITS, Limits
from crossdock.archive.links import resolve_links
from crossdock.archive.metadata import parse_headers
from crossdock.archive.names import MAX_FILENAME, canonical, is_name, is_version, same_version
from crossdock.archive.native import (
    native_evidence,
    platform_questions,
    scripts_named,
    texts_needed,
)
from crossdock.archive.refusal import REBUILD, refuse, within
from crossdock.archive.tarread import Kind, TarReader
from crossdock.archive.zipread import ZipArchive
from crossdock.errors import ArchiveError
from crossdock.safepath import MemberPath, PathRules, PathSet, parse_member_path

#: The latest date of a file that any system takes, in the year 2242.
_LATEST = (1 << 33) - 1
#: Zero width non-joiner and joiner.
_JOINERS = {0x200C: None, 0x200D: None}

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap
    from typing import Self

__all__ = ["Sdist", "SdistFile"]

_STEM = re.compile(r"(?P<stem>.+?)(?P<suffix>\.tar\.gz|\.tgz|\.zip)")
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
#: A text beyond this is no build script that anybody wrote.
_TEXT_CAP = 2 << 20


class SdistFile(NamedTuple):
    """A file of a source distribution; `path` is below its top directory.

    `content` is the path of the file whose bytes it has: its own, or for a symbolic link where that leads to. `mtime`
    is in seconds since 1970, from 0 to what 33 bits hold; in a zip, which knows no zone, as if it were UTC's.
    """

    path: MemberPath
    size: int
    executable: bool
    content: MemberPath
    mtime: int


class _Entry(NamedTuple):
    """What both formats give: the path with the top directory, and for a symlink its target."""

    name: MemberPath
    is_dir: bool
    size: int
    executable: bool
    link: str | None
    mtime: int


class Sdist:
    """A source distribution whose names agree. Made by `open`; nothing of it is ever run here.

    `contents` gives every file in one pass with memory flat; `read` is for single files and, in a tar, has to
    inflate what comes before.
    """

    #: As PKG-INFO spells them (empty for an archive without one).
    name: str
    version: str
    #: PKG-INFO, byte for byte, None where there is none.
    pkg_info: bytes | None
    #: pyproject.toml, parsed, None where there is none.
    pyproject: dict[str, Any] | None
    files: tuple[SdistFile, ...]
    #: The one directory at the top.
    top: str
    #: Spelling only: an old name of the file or of the top directory.
    notes: tuple[str, ...]
    #: Why building it compiles native code, declarations first, then sources; empty if it does not.
    native_sources: tuple[str, ...]
    #: What its build asks of the machine that it runs on; empty if nothing.
    platform_questions: tuple[str, ...]

    def __init__(
        self, view: memoryview, filename: str, rules: PathRules, limits: Limits, *, source_tree: bool
    ) -> None:
        self._view = view
        self.filename = filename
        self._rules = rules
        self._limits = limits
        self._source_tree = source_tree
        self._texts: dict[str, str] = {}
        self._script_room = limits.script_size
        self._metadata: dict[str, bytes] = {}
        self._is_zip = self._format()
        self._zip = (
            ZipArchive.parse(view, filename=filename, limits=limits, rules=rules) if self._is_zip else None
        )
        try:
            self._scan()
            self._identify()
            self._judge()
        except BaseException:
            self._close_zip()
            raise

    @classmethod
    def open(
        cls,
        buffer: bytes | bytearray | memoryview | mmap,
        filename: str,
        *,
        rules: PathRules = PathRules.POSIX,
        limits: Limits = DEFAULT_LIMITS,
        source_tree: bool = False,
    ) -> Self:
        """Open the source distribution in `buffer`; raise `ArchiveError` (`E-SDIST-…`, `E-TAR-…`, `E-ZIP-…`).

        `rules` are those of the host it is built on. With `source_tree` it may be any archive of a source
        tree with one top directory (PEP 751's `archive`): no PKG-INFO, and no name in the file name. The whole
        of a tar is read once here.
        """
        view = memoryview(buffer)
        try:
            return cls(view, filename, rules, limits, source_tree=source_tree)
        except BaseException:
            view.release()
            raise

    def close(self) -> None:
        """Let go of the buffer."""
        self._close_zip()
        self._view.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, file: SdistFile) -> bytes:
        """Return one file's content."""
        return next(b"".join(chunks()) for path, chunks in self._walk() if path == file.content)

    def contents(self, *, links: bool = True) -> Iterator[tuple[SdistFile, Iterator[bytes]]]:
        """Yield every file with its content in chunks, links as copies of what they lead to, or not at all.

        The chunks of one file must be taken before the next is asked for; files reached by links come last, each
        with its content in one piece.
        """
        own = {file.path: file for file in self.files if file.path == file.content}
        for path, chunks in self._walk():
            if path in own:
                yield own[path], chunks()
        linked: dict[str, list[SdistFile]] = {}
        for file in self.files:
            if links and file.path != file.content:
                linked.setdefault(file.content, []).append(file)
        if linked:
            for path, chunks in self._walk():
                if path in linked:
                    # Several links may lead to one file, whose chunks come once.
                    content = b"".join(chunks())
                    yield from ((file, iter((content,))) for file in linked[path])

    def _close_zip(self) -> None:
        if self._zip is not None:
            self._zip.close()

    def _format(self) -> bool:
        """Return whether it is a zip: name and content must say the same, or two tools would unpack two things."""
        found = _STEM.fullmatch(self.filename) if len(self.filename) <= MAX_FILENAME else None
        head = bytes(self._view[:4])
        is_zip = head == _ZIP_MAGIC
        if not is_zip and head[:2] != _GZIP_MAGIC:
            self._refuse("E-SDIST-FORMAT", "neither gzip nor zip by its first bytes")
        if found is None or (found["suffix"] == ".zip") != is_zip:
            what = f"a {'zip' if is_zip else 'gzip'} by its content, and not by its name"
            self._refuse("E-SDIST-FORMAT", what)
        self._stem = found["stem"]
        return is_zip

    def _walk(self) -> Iterator[tuple[MemberPath, Callable[[], Iterator[bytes]]]]:
        """Yield each regular file's path below the top, and what gives its content."""
        for entry, chunks in self._entries():
            if not entry.is_dir and entry.link is None:
                yield MemberPath(entry.name.partition("/")[2]), chunks

    def _entries(self) -> Iterator[tuple[_Entry, Callable[[], Iterator[bytes]]]]:
        if self._zip is not None:
            archive = self._zip
            for one in archive.members:
                entry = _Entry(one.name, one.is_dir, one.size, one.executable, None, _seconds(one.dos_time))
                yield entry, lambda one=one: archive.stream(one)  # type: ignore[misc]  # mypy infers no default
            return
        source = Gunzip(_BufferSource(self._view), self.filename, self._limits)
        reader = TarReader(
            source,
            filename=self.filename,
            limits=self._limits,
            rules=self._rules,
            parse=_source_path,
        )
        for member in reader:
            link = member.link if member.kind is Kind.SYMLINK else None
            is_dir = member.kind is Kind.DIRECTORY
            mtime = max(0, min(member.mtime, _LATEST))
            yield _Entry(member.name, is_dir, member.size, member.executable, link, mtime), reader.chunks

    def _scan(self) -> None:
        """Read through the archive once: names, links, and the few files that say what it is."""
        paths = PathSet(self._rules)
        tops: set[str] = set()
        files: list[SdistFile] = []
        links: dict[str, str] = {}
        for entry, chunks in self._entries():
            try:
                (paths.add_dir if entry.is_dir else paths.add_file)(entry.name)
            except ArchiveError as error:
                raise within(error, self.filename, entry.name) from None
            top, slash, below = entry.name.partition("/")
            tops.add(top)
            if not slash and not entry.is_dir:
                self._refuse("E-SDIST-TOP", "a file beside the top directory", member=entry.name)
            if entry.link is not None:
                links[below] = entry.link
            elif not entry.is_dir:
                path = MemberPath(below)
                files.append(SdistFile(path, entry.size, entry.executable, path, entry.mtime))
                self._keep(path, entry.size, chunks)
        if len(tops) != 1:
            self._refuse("E-SDIST-TOP", f"{len(tops)} directories at the top, a source distribution has one")
        self.top = tops.pop()
        self._resolve(files, links)

    def _resolve(self, files: list[SdistFile], links: dict[str, str]) -> None:
        by_path = {str(file.path): file for file in files}
        try:
            resolved = resolve_links(links, by_path.keys(), limit=self._limits.members)
        except ArchiveError as error:
            raise within(error, self.filename) from None
        total = sum(file.size for file in files)
        for path, target in resolved.items():
            file = by_path[target]
            # A link of a hundred bytes is a copy of a file of any size.
            total += file.size
            self._check_total(total, path)
            try:
                placed = _source_path(path, self._rules)
            except ArchiveError as error:
                raise within(error, self.filename, path) from None
            files.append(SdistFile(placed, file.size, file.executable, file.path, file.mtime))
        self.files = tuple(files)

    def _check_total(self, total: int, path: str) -> None:
        limits = self._limits
        if total > limits.total_size:
            self._refuse(
                "E-TAR-LIMIT-LINKS",
                f"its links multiply it to more than {limits.total_size} bytes",
                member=path,
            )
        if total > limits.ratio_floor and total > limits.ratio * len(self._view):
            self._refuse(
                "E-TAR-LIMIT-LINKS",
                f"its links multiply it to more than {limits.ratio} times its size",
                member=path,
            )

    def _keep(self, path: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Remember the content of a file that says what the distribution is or how it is built."""
        if path in {"PKG-INFO", "pyproject.toml"}:
            cap = _TEXT_CAP if path == "pyproject.toml" else self._limits.metadata_size
            if size > cap:
                self._refuse("E-SDIST-LIMIT-METADATA", f"{size} bytes, more than {cap}", member=path)
            self._metadata[path] = b"".join(chunks())
        elif texts_needed(path):
            self._keep_text(path, size, chunks)

    def _keep_text(self, path: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._script_room -= size
        if size > _TEXT_CAP or self._script_room < 0:
            self._refuse("E-SDIST-LIMIT-SCRIPTS", "build scripts beyond all measure", member=path)
        self._texts[path] = b"".join(chunks()).decode("utf-8", "replace")

    def _identify(self) -> None:
        """PKG-INFO, the file name and the top directory tell one name and version."""
        self.notes = ()
        self.name = self.version = ""
        self.pkg_info = self._metadata.get("PKG-INFO")
        self.pyproject = self._parse_pyproject()
        if self.pkg_info is not None:
            headers = parse_headers(
                self.pkg_info, filename=self.filename, member="PKG-INFO", code="E-SDIST-PKG-INFO"
            )
            self.name, self.version = headers.one("Name"), headers.one("Version")
            if not is_name(self.name) or not is_version(self.version):
                self._refuse("E-SDIST-PKG-INFO", "Name or Version is malformed", member="PKG-INFO")
        if self._source_tree:
            return
        if self.pkg_info is None:
            self._refuse("E-SDIST-PKG-INFO", "no PKG-INFO at the top: not a source distribution")
        for text, what in ((self._stem, "the file"), (self.top, "the top directory")):
            self._check_stem(text, what)

    def _check_stem(self, text: str, what: str) -> None:
        """PEP 625: `name-version`, the name normalised with `_`; older spellings of the same are noted."""
        cuts = [at for at, character in enumerate(text) if character == "-"]
        for cut in reversed(cuts):
            name, version = text[:cut], text[cut + 1 :]
            if (
                canonical(name) == canonical(self.name)
                and is_version(version)
                and same_version(version, self.version)
            ):
                if name != canonical(self.name).replace("-", "_"):
                    self.notes += (f"{what} is named `{text[:140]}`, an old spelling (PEP 625)",)
                return
        stated = f"`{text[:140]}`, PKG-INFO says `{self.name}` `{self.version}`"
        self._refuse("E-SDIST-NAME", f"{what} is named {stated}")

    def _judge(self) -> None:
        """Learn whether it compiles, reading what pyproject.toml names as part of the build."""
        pyproject = self.pyproject or {}
        named = scripts_named(pyproject)
        wanted = {
            file.path: file.size
            for file in self.files
            if file.path.startswith(named) and file.path.endswith(".py") and file.path not in self._texts
        }
        if wanted:
            for path, chunks in self._walk():
                if path in wanted:
                    self._keep_text(path, wanted[path], chunks)
        self.native_sources = native_evidence((file.path for file in self.files), self._texts, pyproject)
        self.platform_questions = platform_questions(self._texts, pyproject)

    def _parse_pyproject(self) -> dict[str, Any] | None:
        content = self._metadata.get("pyproject.toml")
        if content is None:
            return None
        import tomllib

        try:
            return tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            # UnicodeDecodeError and TOMLDecodeError are both ValueErrors.
            self._refuse(
                "E-SDIST-PYPROJECT", f"pyproject.toml cannot be read ({error})"[:300], member="pyproject.toml"
            )

    def _refuse(self, code: str, what: str, *, member: str | None = None) -> NoReturn:
        refuse(self.filename, code, what, member=member, hint=REBUILD)


class _BufferSource:
    """Reads a buffer in order."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def read(self, size: int) -> bytes:
        piece = bytes(self._view[self._at : self._at + size])
        self._at += len(piece)
        return piece


def _source_path(raw: str, rules: PathRules) -> MemberPath:
    """Return a path of a source tree, which may hold the joiners of emoji and scripts (Unicode, 23.2).

    They hide in other names; here they hide nothing from anyone but the build, which may name its files as it likes.
    """
    parse_member_path(raw.translate(_JOINERS), rules)
    return MemberPath(raw)


def _seconds(dos: int) -> int:
    """Return a date of MS-DOS (the upper 16 bits) and time (the lower) in seconds since 1970, 0 if there is no such."""
    day, month, year = dos >> 16 & 31, dos >> 21 & 15, 1980 + (dos >> 25)
    try:
        date = datetime(year, month, day, dos >> 11 & 31, dos >> 5 & 63, min(2 * (dos & 31), 59), tzinfo=UTC)
    except ValueError:
        return 0
    return int(date.timestamp())
