"""Paths out of archives: one parser whose only result is a path that is safe on the target's file system."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NewType
from unicodedata import category, normalize

from crossdock.errors import ArchiveError

if TYPE_CHECKING:
    from typing import NoReturn

#: A relative path with `/` between non-empty parts, none of them `.` or `..`; made by `parse_member_path` only.
MemberPath = NewType("MemberPath", str)

#: PATH_MAX of Linux and NAME_MAX of every file system we ship to; macOS and Windows count differently, never more.
MAX_PATH_BYTES = 4096
MAX_PART_BYTES = 255
#: NTFS and exFAT count a name in UTF-16 units.
MAX_PART_UTF16 = 255


#: Characters of all directories of one tree together. A few deep names imply many directories: 16 MB of names
#: could fill memory with the paths above them.
_DIRECTORY_BYTES = 64 << 20


class PathRules(StrEnum):
    """Whose file system a path must be safe on; `ANY` is the strictest of all."""

    POSIX = "posix"
    MACOS = "macos"
    WINDOWS = "windows"
    ANY = "any"

    @property
    def folds(self) -> bool:
        """Whether two names may be one file: differing in case or in Unicode normalisation only."""
        return self is not PathRules.POSIX

    @property
    def windows(self) -> bool:
        """Whether Windows' reserved names and characters are refused."""
        return self in {PathRules.WINDOWS, PathRules.ANY}


# Names that need no second look: every part begins and ends with an ordinary character, and is short.
# Nine names in ten of real wheels, so that the careful path below may be slow.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.+-]{0,198}[A-Za-z0-9_+-])?/)*[A-Za-z0-9_](?:[A-Za-z0-9_.+-]{0,198}[A-Za-z0-9_+-])?",
    re.ASCII,
)
_DRIVE = re.compile(r"[A-Za-z]:(?:/|$)")
_WINDOWS_CHARACTERS = re.compile(r'[<>:"|?*]')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: with any extension, and with blanks before it.
# The superscript digits count as digits (the code page maps them).
_DEVICE_NAMES = r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])"
_DEVICE = re.compile(rf"{_DEVICE_NAMES} *(?:[.:].*)?", re.IGNORECASE | re.DOTALL)
_DEVICE_PART = re.compile(rf"(?:^|/){_DEVICE_NAMES} *(?:[./]|$)", re.IGNORECASE)


#: Control, format, surrogate, private use, unassigned; line and paragraph separators.
_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def parse_member_path(raw: str, rules: PathRules) -> MemberPath:
    """Return `raw` as a safe path, or raise `ArchiveError` with a code that begins with `E-PATH-`.

    `raw` is a file's name as an archive or a RECORD states it, without a trailing slash. pip, uv and installer
    judge names by the host's file system; here the target's rules decide, wherever we run.
    """
    if (
        not _PLAIN.fullmatch(raw)
        or len(raw) > MAX_PATH_BYTES
        or (rules.windows and _DEVICE_PART.search(raw) is not None)
    ):
        _check(raw, rules)
    return MemberPath(raw)


def is_portable(raw: str) -> bool:
    """Tell whether a path that is safe somewhere is safe everywhere, collisions aside."""
    try:
        parse_member_path(raw, PathRules.ANY)
    except ArchiveError:
        return False
    return True


def _check(raw: str, rules: PathRules) -> None:
    if not raw:
        _refuse(raw, "E-PATH-EMPTY", "is empty")
    if raw.startswith("/"):
        _refuse(raw, "E-PATH-ABSOLUTE", "is absolute")
    if "\\" in raw:
        # `..\x` climbs on Windows and is an odd file elsewhere; a UNC path begins so too (CVE-2026-1703's kin).
        _refuse(raw, "E-PATH-BACKSLASH", "holds a backslash")
    if _DRIVE.match(raw):
        _refuse(raw, "E-PATH-DRIVE", "begins with a drive")
    if not raw.isascii() or not raw.isprintable():
        _check_characters(raw)
    if len(raw.encode(errors="replace")) > MAX_PATH_BYTES:
        _refuse(raw, "E-PATH-LONG", f"is longer than {MAX_PATH_BYTES} bytes")
    for part in raw.split("/"):
        _check_part(raw, part, rules)


def _check_characters(raw: str) -> None:
    # They hide a name from its reader, and how unassigned ones fold depends on the Unicode version at hand.
    for character in raw:
        if category(character) in _HIDING:
            _refuse(
                raw, "E-PATH-CONTROL", f"holds the control or unassigned character U+{ord(character):04X}"
            )


def _check_part(raw: str, part: str, rules: PathRules) -> None:
    if not part:
        _refuse(raw, "E-PATH-EMPTY", "has an empty part")
    if part in {".", ".."}:
        _refuse(raw, "E-PATH-DOTS", f"has a part `{part}`")
    if len(part.encode()) > MAX_PART_BYTES:
        _refuse(raw, "E-PATH-LONG", f"has a part longer than {MAX_PART_BYTES} bytes")
    if rules.windows:
        _check_windows_part(raw, part)


def _check_windows_part(raw: str, part: str) -> None:
    if found := _WINDOWS_CHARACTERS.search(part):
        # `a:b` writes an alternate data stream of `a`.
        _refuse(raw, "E-PATH-WINDOWS", f"holds `{found[0]}`, which Windows gives a meaning")
    if part.endswith((".", " ")):
        _refuse(raw, "E-PATH-WINDOWS", "has a part that ends with a dot or a blank, which Windows drops")
    if _DEVICE.fullmatch(part):
        _refuse(raw, "E-PATH-DEVICE", f"has a part `{part}`, a device on Windows")
    if len(part.encode("utf-16-le")) > 2 * MAX_PART_UTF16:
        _refuse(raw, "E-PATH-LONG", f"has a part longer than {MAX_PART_UTF16} UTF-16 units")


def _refuse(raw: str, code: str, what: str) -> NoReturn:
    raise ArchiveError(
        f"unsafe path: `{show(raw)}` {what}",
        code=code,
        hint="the archive must be made anew without this name; do not unpack it by other means",
    )


def show(text: str, limit: int = 140) -> str:
    """Return `text` fit for a message: control characters escaped, the middle of long ones cut."""
    safe = text if text.isprintable() else text.encode("unicode_escape").decode()
    return safe if len(safe) <= limit else f"{safe[: limit // 2]}…{safe[-limit // 2 :]}"


def fold(path: str) -> str:
    """Return the key under which file systems that fold case and Unicode normalisation find `path`."""
    if path.isascii():
        return path.lower()
    return normalize("NFC", normalize("NFC", path).casefold())


class PathSet:
    """Paths that are to lie in one tree; adding one that would fall on another is an `ArchiveError`.

    Under folding rules twins by case or by Unicode normalisation collide; a path that is a file and also a
    directory collides everywhere.
    """

    __slots__ = ("_directories", "_files", "_folds", "_known", "_room")

    def __init__(self, rules: PathRules) -> None:
        self._folds = rules.folds
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}
        self._known = {""}
        self._room = _DIRECTORY_BYTES

    def add_file(self, path: MemberPath) -> None:
        """Add a file; its parents become directories. Raise for a duplicate, a twin or a clash."""
        parent = path.rpartition("/")[0]
        if parent not in self._known:
            self._add_directories(parent)
        key = fold(path) if self._folds else path
        if key in self._directories:
            _clash(
                path, self._directories[key], "E-PATH-FILE-AND-DIRECTORY", "is a file and also a directory"
            )
        if key in self._files:
            _collide(path, self._files[key])
        self._files[key] = path

    def add_dir(self, path: MemberPath) -> None:
        """Add a directory and its parents; the same one again is fine. Raise for a twin or a clash."""
        if path not in self._known:
            self._add_directories(path)

    def _add_directories(self, path: str) -> None:
        missing = []
        while path not in self._known:
            missing.append(path)
            self._room -= len(path)
            if self._room < 0:
                _refuse(path, "E-PATH-LIMIT", "is one of too many directories, or of too deep ones")
            path = path.rpartition("/")[0]
        for directory in reversed(missing):
            self._add_directory(directory)

    def _add_directory(self, path: str) -> None:
        key = fold(path) if self._folds else path
        if key in self._files:
            _clash(path, self._files[key], "E-PATH-FILE-AND-DIRECTORY", "is a directory and also a file")
        first = self._directories.setdefault(key, path)
        if first != path:
            _collide(path, first)
        self._known.add(path)


def _collide(path: str, first: str) -> NoReturn:
    if path == first:
        _clash(path, first, "E-PATH-DUPLICATE", "comes twice")
    _clash(path, first, "E-PATH-TWIN", "differs from another path only by case or Unicode normalisation")


def _clash(path: str, first: str, code: str, what: str) -> NoReturn:
    raise ArchiveError(
        f"paths collide: `{show(path)}` {what}",
        code=code,
        places=[f"first as `{show(first)}`"],
        hint="one of the two would overwrite the other on the target",
    )
