"""Paragraphs of fields as Debian writes them (deb822(5)): read strictly, comments only where they are allowed."""

from __future__ import annotations

import re

from crossdock.errors import FetchError
from crossdock.safepath import show

_FIELD = re.compile(r"([!-,.-9;-~][!-9;-~]*):[ \t]*(.*)")


def parse_paragraph(text: str, what: str, *, code: str = "E-DEBIAN-FORMAT") -> dict[str, str]:
    """Return the fields of one paragraph, names in lower case, lines after the first joined by newlines.

    Raise `FetchError` naming `what` for a line that is no field, or a field twice.
    """
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in text.split("\n"):
        if not line.strip():
            continue
        if line[0] in " \t":
            if last is None:
                raise _broken(what, line, code)
            last.append(line.strip())
            continue
        found = _FIELD.fullmatch(line.rstrip("\r"))
        if found is None or found[1].lower() in fields:
            raise _broken(what, line, code)
        last = fields[found[1].lower()] = [found[2].strip()]
    return {name: "\n".join(lines).strip("\n") for name, lines in fields.items()}


def split_paragraphs(text: str, *, comments: bool = False) -> list[str]:
    """Return the paragraphs of a text, which empty lines part; with `comments`, lines with `#` are left out."""
    lines = text.replace("\r\n", "\n").split("\n")
    if comments:
        lines = [line for line in lines if not line.startswith("#")]
    parts = re.split(r"\n[ \t]*\n", "\n".join(lines))
    return [part.strip("\n") for part in parts if part.strip()]


def _broken(what: str, line: str, code: str) -> FetchError:
    return FetchError(f"{what} is broken: `{show(line)}` is not a field, or there twice", code=code)
