"""Pax extended headers: records parsed strictly, keys by list (POSIX.1-2017, pax Extended Header)."""

from __future__ import annotations

import re

from crossdock.archive.tarheader import BadHeaderError

#: What changes an entry, and may so only stand in a header of that entry.
_OVERRIDES = frozenset({"path", "linkpath", "size"})
#: What says nothing that we use. `comment` is git's commit; the vendors' prefixes are attributes and times.
_IGNORED = frozenset({"atime", "ctime", "mtime", "uid", "gid", "uname", "gname", "comment"})
_IGNORED_PREFIXES = ("LIBARCHIVE.", "SCHILY.xattr.", "SCHILY.acl.", "MSWINDOWS.", "RHT.")
_IGNORED_SCHILY = frozenset({"SCHILY.dev", "SCHILY.ino", "SCHILY.nlink", "SCHILY.fflags"})
_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
_SIZE = re.compile(r"[0-9]{1,19}", re.ASCII)


def parse_pax(content: bytes, *, everywhere: bool) -> dict[str, str]:
    """Return the records `path`, `linkpath` and `size` of a pax header; raise `BadHeaderError` if it is malformed.

    `everywhere` says that it is a global header. Sizes and names that one reader takes from here and another
    from the next block are how an archive shows two faces (CVE-2025-62518, GHSA-w476-p2h3-79g9, GHSA-3cv2-h65g-fgmm).
    """
    seen: dict[str, str] = {}
    at = 0
    while at < len(content):
        key, value, at = _record(content, at)
        if key in seen:
            raise BadHeaderError("PAX-TWICE", f"a pax header says `{key[:60]}` twice")
        seen[key] = value
        if key.startswith("GNU.sparse."):
            raise BadHeaderError("SPARSE", "a sparse member")
        if key in _OVERRIDES and everywhere:
            raise BadHeaderError("PAX-GLOBAL", f"a global pax header says `{key}` for every member")
        known = key in _OVERRIDES | _IGNORED | _IGNORED_SCHILY or key.startswith(_IGNORED_PREFIXES)
        if not known:
            raise BadHeaderError("PAX-KEY", f"an unknown pax key `{key[:60]}`")
    if "size" in seen and not _SIZE.fullmatch(seen["size"]):
        raise BadHeaderError("NUMBER", "a size in a pax header is not a number")
    return {key: value for key, value in seen.items() if key in _OVERRIDES}


def _record(content: bytes, at: int) -> tuple[str, str, int]:
    """Return key, value and end of the record `LEN key=value` at `at`."""
    found = _LENGTH.match(content, at)
    end = at + int(found[1]) if found else 0
    if found is None or end > len(content) or end <= found.end() or content[end - 1 : end] != b"\n":
        raise BadHeaderError("PAX", "a pax record's length is not its own")
    key, equals, value = content[found.end() : end - 1].partition(b"=")
    if not key or not equals:
        raise BadHeaderError("PAX", "a pax record is not `key=value`")
    name = key.decode("utf-8", "backslashreplace")
    if name not in _OVERRIDES:
        return name, "", end
    try:
        return name, value.decode("utf-8"), end
    except UnicodeDecodeError:
        raise BadHeaderError("NAME", f"`{name}` in a pax header is not UTF-8") from None
