"""Header blocks: METADATA, PKG-INFO and WHEEL, read by one small strict parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossdock.archive.refusal import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

#: RFC 5322's field name, as email.feedparser has it: printable ASCII without the colon.
_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)", re.DOTALL)


class Headers:
    """The fields of a header block, in order; names are compared without case."""

    __slots__ = ("_code", "_fields", "_filename", "_member")

    def __init__(self, fields: tuple[tuple[str, str], ...], *, filename: str, member: str, code: str) -> None:
        self._fields = fields
        self._filename = filename
        self._member = member
        self._code = code

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field that may repeat."""
        wanted = name.lower()
        return tuple(value for field, value in self._fields if field == wanted)

    def one(self, name: str) -> str:
        """Return the value of a field that must be there once; raise `ArchiveError` otherwise."""
        value = self.optional(name)
        if not value:
            refuse(self._filename, self._code, f"no `{name}` field", member=self._member)
        return value

    def optional(self, name: str) -> str | None:
        """Return the value of a field that may be there once, None if it is not; raise `ArchiveError` for two.

        Of two, `email` takes the first and others the last.
        """
        values = self.all(name)
        if len(values) > 1:
            refuse(self._filename, self._code, f"more than one `{name}` field", member=self._member)
        return values[0] if values else None


def parse_headers(content: bytes, *, filename: str, member: str, code: str) -> Headers:
    """Return the fields above the first blank line of `content`; raise `ArchiveError` with `code` if it is malformed.

    Fields and folding as in core metadata ("email header format", UTF-8). A line that is no field ends the
    block as it does for `email`; what comes below is never read as a field by anyone.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(filename, code, f"not UTF-8 at byte {error.start}", member=member)
    if "\0" in text:
        refuse(filename, code, "holds a NUL character", member=member)
    fields = tuple(_fields(text))
    return Headers(fields, filename=filename, member=member, code=code)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    name = ""
    lines: list[str] = []
    # A lone carriage return ends a line for `email` too.
    for line in re.split(r"\r\n|\r|\n", text):
        if name and line[:1] in {" ", "\t"} and line.strip():
            lines.append(line)
            continue
        if name:
            yield name, "\n".join(lines).strip()
        found = _FIELD.fullmatch(line)
        if found is None:
            return
        name, lines = found[1].lower(), [found[2]]
    if name:
        yield name, "\n".join(lines).strip()
