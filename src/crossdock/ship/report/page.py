"""A page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def document(
    title: str, *, header: Sequence[str], main: Sequence[str], footer: str, styles: Sequence[str] = ()
) -> str:
    """Return an HTML page of these lines of HTML; `title` and `footer` are plain text.

    `styles` name further style sheets beside `page.css`. Nothing may be loaded and no script may run, whatever a
    name in it says.
    """
    sheets = resources.files(__package__)
    css = "".join(sheets.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", *styles))
    allowed = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            # By this a page in an application's directory is known as ours, and not shipped.
            '<meta name="generator" content="crossdock">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{allowed}'\">",
            f"<title>{escape(title)}</title>",
            f"<style>{css}</style>",
            "</head>",
            "<body>",
            "<header>",
            *header,
            "</header>",
            "<main>",
            *main,
            "</main>",
            f"<footer>{escape(footer)}</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def figures(cards: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return cards of a word, a figure and a remark each, all plain text."""
    rows = (
        f"<div><dt>{escape(what)}</dt><dd><strong>{escape(figure)}</strong><span>{escape(remark)}</span></dd></div>"
        for what, figure, remark in cards
    )
    return ['<dl class="figures">', *rows, "</dl>"]
