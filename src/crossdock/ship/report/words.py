"""Numbers and names in words, and lines of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉"


def human_size(count: int) -> str:
    """Return a number of bytes in words, with binary prefixes: `2.1 MiB`."""
    if count < 1024:  # noqa: PLR2004 - 2 ** 10
        return f"{count} B"
    size, units = count / 1024, ["KiB", "MiB", "GiB"]
    while size >= 1023.95 and len(units) > 1:  # noqa: PLR2004 - what would be written as 1024.0
        size, units = size / 1024, units[1:]
    return f"{size:.1f} {units[0]}"


def counted(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def bar(size: int, total: int, width: int) -> str:
    """Return a bar in eighths of a character, padded; what is there at all is seen."""
    eighths = max(size * width * 8 // total, 1) if total else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def wrapped(title: str, words: Sequence[str], width: int) -> Iterator[str]:
    """Give the words in lines, none of them broken in two, under a title at the side."""
    indent = 14
    line, lead = "", f"  {title:<{indent - 2}}"
    for at, word in enumerate(words):
        last = at == len(words) - 1
        text = plain(word) + ("" if last else ",")
        if line and indent + len(line) + 1 + len(text) > width:
            yield cut(lead + line, width)
            line, lead = "", " " * indent
        line = f"{line} {text}" if line else text
    yield cut(lead + line, width)


def cut(line: str, width: int) -> str:
    """Return a line of up to `width` characters, with an ellipsis where something was cut off."""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def plain(text: str) -> str:
    """Return a text with an escape for each character that cannot be printed: a name is anybody's word."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
